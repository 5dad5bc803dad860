import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { changedData, importData, importedData } from '../../src/evaluators/index.ts';

let root: string;
let source: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-import-'));
  source = join(root, 'source');
  folder = join(root, 'home', 'data');
  mkdirSync(source);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(source, path)), { recursive: true });
  writeFileSync(join(source, path), text);
}

const bring = (name: string, replace = false) => importData({ name, source, folder, replace });

async function refusal(name: string): Promise<PrerequisiteError> {
  const error = await bring(name).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PrerequisiteError);
  return error as PrerequisiteError;
}

describe('importing data', () => {
  it('copies every file, keeps its checksum, and notices a later change', async () => {
    put('a.txt', 'one');
    put('deep/b.jsonl', '{"text":"two"}\n');
    const record = await bring('climbmix');
    expect(record).toMatchObject({ name: 'climbmix', bytes: 18 });
    expect(record.files['a.txt']).toBe('7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed');
    expect(readFileSync(join(folder, 'climbmix', 'deep', 'b.jsonl'), 'utf8')).toBe('{"text":"two"}\n');
    expect(importedData(folder)).toEqual([record]);
    expect(await changedData(folder, record)).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['.imported', 'climbmix']);
    writeFileSync(join(folder, 'climbmix', 'a.txt'), 'other');
    rmSync(join(folder, 'climbmix', 'deep'), { recursive: true });
    expect(await changedData(folder, record)).toEqual([
      expect.stringContaining('a.txt has changed since it was imported'),
      expect.stringContaining('b.jsonl is gone'),
    ]);
  });

  it('takes a task for the data set that it reads, and names of others as they are', async () => {
    put('part.parquet', 'x');
    expect((await bring('autoresearch-literature')).name).toBe('climbmix');
    expect((await bring('compose-dclm-2p')).name).toBe('dclm');
    expect((await bring('org/set/default')).name).toBe('org/set/default');
    expect(existsSync(join(folder, 'org', 'set', 'default', 'part.parquet'))).toBe(true);
  });

  it('does not take the place of what is there, unless it is told to', async () => {
    put('a.txt', 'one');
    await bring('dclm');
    put('a.txt', 'two');
    expect((await refusal('dclm')).remedy).toContain('--replace');
    expect(readFileSync(join(folder, 'dclm', 'a.txt'), 'utf8')).toBe('one');
    await bring('dclm', true);
    expect(readFileSync(join(folder, 'dclm', 'a.txt'), 'utf8')).toBe('two');
    expect(readdirSync(folder).sort()).toEqual(['.imported', 'dclm']);
  });

  it('refuses what is not the data set, and leaves nothing behind', async () => {
    put('train/pos/1.txt', 'fine');
    expect((await refusal('imdb')).message).toContain('has no train/neg');
    expect((await refusal('aan')).message).toContain('new_aan_pairs.train.tsv');
    expect((await refusal('design-lra-listops-fixed')).message).toContain('basic_train.tsv');
    expect((await refusal('compose-mad-3p')).remedy).toContain('climbmix');
    expect((await refusal('../outside')).code).toBe('data-unknown');
    rmSync(join(source, 'train'), { recursive: true });
    expect((await refusal('climbmix')).message).toContain('is empty');
    put('notes.md', 'x');
    expect((await refusal('climbmix')).message).toContain('holds no text');
    expect(existsSync(folder)).toBe(false);
  });

  it('copies no link', async () => {
    put('a.txt', 'one');
    symlinkSync('/etc/hostname', join(source, 'b.txt'));
    expect((await refusal('climbmix')).message).toContain('b.txt is no plain file');
    expect(readdirSync(folder)).toEqual(['.imported']);
  });
});
