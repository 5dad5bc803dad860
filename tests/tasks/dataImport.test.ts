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
import { changedData, importData } from '../../src/tasks/dataImport.ts';
import { importedData } from '../../src/tasks/dataSets.ts';

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
      expect.stringContaining('b.jsonl is missing'),
    ]);
    writeFileSync(join(folder, 'climbmix', 'more.txt'), 'not imported, and read all the same');
    expect(await changedData(folder, record)).toContainEqual(expect.stringContaining('more.txt was not imported'));
  });

  it('takes a task for the data set that it reads, and names of others as they are', async () => {
    put('part.txt', 'x');
    expect((await bring('autoresearch-literature')).name).toBe('climbmix');
    expect((await bring('compose-dclm-2p')).name).toBe('dclm');
    expect((await bring('org/set/default')).name).toBe('org/set/default');
    expect(existsSync(join(folder, 'org', 'set', 'default', 'part.txt'))).toBe(true);
  });

  it('does not overwrite existing data without --replace', async () => {
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
    expect((await refusal('climbmix')).message).toContain('contains no text');
    expect(existsSync(folder)).toBe(false);
  });

  it('copies no link', async () => {
    put('a.txt', 'one');
    symlinkSync('/etc/hostname', join(source, 'b.txt'));
    expect((await refusal('climbmix')).message).toContain('b.txt is not a regular file');
    expect(existsSync(folder)).toBe(false);
  });
});

describe('looking into data', () => {
  it('says what is in them: rows, columns, types, nulls, encoding', async () => {
    put('rows.csv', '\ufeffid,price,note,series\n1,2.5,plain,"[1, 2]"\n2,,"a\nb","[3]"\n\n');
    put('latin.csv', '');
    writeFileSync(join(source, 'latin.csv'), Buffer.from('name\nM\xfcller\n', 'latin1'));
    put('more.jsonl', '{"a": 1, "b": null}\n{"a": 2.5}\n');
    const record = await bring('org/set');
    expect(record).toMatchObject({
      ...{ v: 2, kind: 'raw' },
      tables: [
        { file: 'latin.csv', rows: 1, encoding: 'not UTF-8', columns: [{ name: 'name', type: 'text', nulls: 0 }] },
        { file: 'more.jsonl', rows: 2, encoding: 'UTF-8' },
        { file: 'rows.csv', rows: 2, encoding: 'UTF-8' },
      ],
      notes: ['latin.csv is not UTF-8, at line 2 first'],
    });
    expect(record.v === 2 && record.tables[2]?.columns).toEqual([
      { name: 'id', type: 'integer', nulls: 0 },
      { name: 'price', type: 'number', nulls: 1 },
      { name: 'note', type: 'text', nulls: 0 },
      { name: 'series', type: 'list', nulls: 0 },
    ]);
  });

  const lines = (count: number, line: string) => `${line}\n`.repeat(count);
  const listops = {
    'basic_train.tsv': 'Source\tTarget\n',
    'basic_val.tsv': 'Source\tTarget\n',
    'basic_test.tsv': 'Source\tTarget\n',
  };
  const expression = '( ( ( [MAX 2 ) 9 ) ] )\t9';
  const pairs = { 'new_aan_pairs.train.tsv': '', 'new_aan_pairs.eval.tsv': '', 'new_aan_pairs.test.tsv': '' };
  const pair = '1.0\ta\tb\ttext "one"\ttext two';
  const reviews = { 'train/pos/1.txt': 'a', 'train/neg/1.txt': 'b', 'test/pos/1.txt': 'c', 'test/neg/1.txt': 'd' };

  it.each<[string, string, Record<string, string | Buffer>, RegExp]>([
    [
      'a line without text',
      'climbmix',
      { 'a.jsonl': '{"text":"x"}\n{"txt":"y"}\n' },
      /a\.jsonl line 2 is not an object/,
    ],
    [
      'a line that is not JSON',
      'dclm',
      { 'a.jsonl': `${lines(3, '{"text":"x"}')}{"text":\n` },
      /a\.jsonl line 4 is not JSON/,
    ],
    ['an empty line', 'dclm', { 'a.jsonl': '{"text":"x"}\n\n{"text":"y"}\n' }, /a\.jsonl line 2 is empty/],
    [
      'another encoding',
      'dclm',
      { 'a.jsonl': Buffer.from('{"text":"\xfc"}\n', 'latin1') },
      /line 1 is not UTF-8 at byte 10/,
    ],
    [
      'half a surrogate pair',
      'dclm',
      { 'a.jsonl': '{"text":"\\ud800"}\n' },
      /line 1 contains half of a surrogate pair/,
    ],
    ['no text at all', 'dclm', { 'a.txt': '' }, /source contains no document/],
    ['a broken parquet file', 'dclm', { 'a.parquet': 'PAR1 and no end' }, /a\.parquet is not a complete parquet file/],
    [
      'a file without rows',
      'listops',
      { ...listops, 'basic_val.tsv': `Source\tTarget\n${expression}\n[ADD 1 ]\t1\n` },
      /basic_train\.tsv has no rows/,
    ],
    [
      'a value that is no digit',
      'listops',
      { ...listops, 'basic_train.tsv': `Source\tTarget\n${expression}\n[MAX 1 2 ]\t12\n` },
      /basic_train\.tsv line 3 has the value '12'/,
    ],
    [
      'a symbol of no operator',
      'listops',
      { ...listops, 'basic_train.tsv': `Source\tTarget\n[ADD 1 2 ]\t3\n` },
      /basic_train\.tsv line 2 contains '\[ADD', which is not a symbol/,
    ],
    [
      'a column that is missing',
      'listops',
      { ...listops, 'basic_train.tsv': `Source\tValue\n${expression}\n` },
      /basic_train\.tsv line 1 has no column Target/,
    ],
    [
      'a label of neither class',
      'aan',
      { ...pairs, 'new_aan_pairs.train.tsv': `${pair}\n2\ta\tb\tc\td\n` },
      /train\.tsv line 2 has the label '2'/,
    ],
    [
      'a field too few',
      'aan',
      { ...pairs, 'new_aan_pairs.train.tsv': `${pair}\n1\ta\tb\tc\n` },
      /train\.tsv line 2 has 4 fields/,
    ],
    ['an empty review', 'imdb', { ...reviews, 'test/neg/2.txt': '' }, /test\/neg\/2\.txt is empty/],
    [
      'a row too long',
      'org/set',
      { 'a.csv': `a,b\n${lines(20, '1,2')}1,2,3\n` },
      /a\.csv line 22 has 3 fields where the header has 2/,
    ],
    ['a quote that stays open', 'org/set', { 'a.csv': 'a,b\n1,2\n3,"4\n5,6\n' }, /a\.csv line 3 opens a quote/],
    ['a NUL', 'org/set', { 'a.csv': 'a,b\n1,\0\n' }, /a\.csv line 2 contains a NUL byte/],
    [
      'arrays cut off',
      'org/set',
      { 'deep/a.npz': 'PK\u0003\u0004 and no end' },
      /deep\/a\.npz cannot be read as arrays/,
    ],
    ['JSON cut off', 'org/set', { 'a.json': '{"a": [1,\n2' }, /a\.json line 2 is not JSON/],
    ['a zip cut off', 'org/set', { 'a.zip': 'PK\u0003\u0004' }, /a\.zip is not a readable zip file/],
  ])('refuses %s, and leaves nothing behind', async (_, name, files, saying) => {
    for (const [path, content] of Object.entries(files)) {
      put(path, '');
      writeFileSync(join(source, path), content);
    }
    const error = await refusal(name);
    expect(error.message).toMatch(saying);
    expect(error.remedy).not.toBe('');
    expect(readdirSync(folder)).toEqual(['.imported']);
    expect(importedData(folder)).toEqual([]);
  });

  it('accepts the published forms', async () => {
    for (const name of Object.keys(listops)) put(name, `Source\tTarget\n${expression}\n`);
    expect(await bring('listops')).toMatchObject({ kind: 'listops', tables: [{ rows: 1 }, { rows: 1 }, { rows: 1 }] });
    rmSync(source, { recursive: true });
    for (const name of Object.keys(pairs)) put(name, `${pair}\n`);
    expect(await bring('aan')).toMatchObject({ kind: 'aan', notes: [] });
    rmSync(source, { recursive: true });
    for (const [path, text] of Object.entries(reviews)) put(path, text);
    expect(await bring('imdb')).toMatchObject({ kind: 'imdb', documents: 4 });
  });

  it('leaves raw data to their scripts where readers differ', async () => {
    put('a.csv', 'a;b\n1,5;2\n"x"y;3\n');
    put('b.csv', 'one line of free text\nand, another, one\n');
    const record = await bring('org/odd');
    expect(record).toMatchObject({ kind: 'raw' });
    expect(record.v === 2 && record.notes.length).toBe(2);
  });

  it('takes shards under a name of the user’s own for text, where they are', async () => {
    put('a.jsonl', '{"text":"x"}\n');
    expect(await bring('mine')).toMatchObject({ kind: 'corpus', documents: 1 });
    put('a.jsonl', '{"question":"x"}\n');
    const record = await bring('other');
    expect(record).toMatchObject({ kind: 'raw' });
    expect(record.v === 2 && record.notes[0]).toMatch(/not usable as training text: .*a\.jsonl line 1/);
  });
});

describe('names', () => {
  it.each([
    ['a/b', 'a__b'],
    ['Dclm-two', 'dclm-two'],
    ['a.b', 'a-b'],
    ['org/set', 'org/set/default'],
    ['org/set/default', 'org/set'],
  ])('that are too similar are refused: %s, then %s', async (first, second) => {
    put('a.txt', 'one');
    const record = await bring(first);
    const error = await refusal(second);
    expect(error).toMatchObject({ code: 'data-name', message: expect.stringContaining(`"${first}"`) });
    expect(importedData(folder)).toEqual([record]);
    expect(await changedData(folder, record)).toEqual([]);
  });

  it.each([
    ['a line break', 'a\nb.txt'],
    ['an escape', 'a\u001b[31mb.txt'],
    ['a direction mark', 'a\u202etxt.b'],
    ['a control of the second block', 'a\u009bb.txt'],
    ['bytes that are no text', Buffer.from([0x61, 0xff, 0x2e, 0x74, 0x78, 0x74])],
  ])('of files with %s are refused, and shown without it', async (_, name) => {
    put('a.txt', 'one');
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from(name)]), 'two');
    const error = await refusal('climbmix');
    expect(error.code).toBe('data-file-name');
    expect(error.message).toMatch(/^[\x20-\x7e]*$/);
    expect(existsSync(folder)).toBe(false);
  });

  it('keeps the records of a version that wrote them under other names, one for each data set', async () => {
    put('a.txt', 'one');
    await bring('org/set');
    const place = join(folder, '.imported');
    const [file = ''] = readdirSync(place);
    const { name, bytes, files } = JSON.parse(readFileSync(join(place, file), 'utf8'));
    rmSync(join(place, file));
    writeFileSync(join(place, 'org__set.json'), JSON.stringify({ v: 1, name, bytes, files }));
    expect(importedData(folder)).toEqual([{ v: 1, name, bytes, files }]);
    await bring('org/set', true);
    expect(importedData(folder)).toMatchObject([{ v: 2, name: 'org/set' }]);
  });

  it('says which record cannot be read', async () => {
    put('a.txt', 'one');
    await bring('dclm');
    writeFileSync(join(folder, '.imported', 'dclm.json'), '{');
    expect(() => importedData(folder)).toThrow(/cannot read .*dclm\.json, the record of an import/);
  });
});
