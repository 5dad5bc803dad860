import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { evaluatorVersion } from '../../src/evaluators/index.ts';

const sources = {
  'mad/recall.py': 'b = 2\n',
  'model.py': 'a = 1\n',
  'optim/deep/muon.py': 'c = 3\n',
  'primitives/ssd.py': '',
  'proxies/joint.py': 'd = 4\n',
  'text/stories.py': 'e = 5\n',
};

let trainers: string;

function put(path: string, text: string): void {
  const file = join(trainers, 'aira_workers', path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

beforeEach(() => {
  trainers = mkdtempSync(join(tmpdir(), 'aira-trainers-'));
  for (const [path, text] of Object.entries(sources)) put(path, text);
});
afterEach(() => rmSync(trainers, { recursive: true, force: true }));

describe('the version of the evaluator', () => {
  it('is the hash of paths and bytes in the order of the paths', () => {
    const text = Object.entries(sources)
      .map(([path, source]) => `${path}\0${source}\0`)
      .join('');
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
    expect(evaluatorVersion('torch', trainers)).toBe(`torch-${digest}`);
  });

  it('changes with whatever decides a score, and with nothing else', () => {
    const before = evaluatorVersion('torch', trainers);
    put('worker/server.py', 'x = 1\n');
    put('version.py', 'x = 1\n');
    put('mad/notes.txt', 'x');
    put('mad/__pycache__/recall.cpython-311.pyc', 'x');
    expect(evaluatorVersion('torch', trainers)).toBe(before);
    const seen = new Set([before]);
    for (const path of [...Object.keys(sources), 'optim/new.py', 'mad/tasks/new.py']) {
      put(path, 'changed = True\n');
      seen.add(evaluatorVersion('torch', trainers));
    }
    expect(seen.size).toBe(1 + Object.keys(sources).length + 2);
  });

  it('of the native engine covers its sources too, compiled ones included', () => {
    mkdirSync(join(trainers, 'engine'));
    writeFileSync(join(trainers, 'engine', 'norm.hpp'), 'e');
    put('native/build.py', 'f');
    const all: Record<string, string> = { ...sources, 'engine/norm.hpp': 'e', 'native/build.py': 'f' };
    const text = Object.keys(all)
      .sort()
      .map((path) => `${path}\0${all[path]}\0`)
      .join('');
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 12);
    expect(evaluatorVersion('native', trainers)).toBe(`native-${digest}`);
    expect(evaluatorVersion('native-bf16', trainers)).toBe(`native-bf16-${digest}`);
    const torch = evaluatorVersion('torch', trainers);
    writeFileSync(join(trainers, 'engine', 'norm.hpp'), 'g');
    expect(evaluatorVersion('native', trainers)).not.toBe(`native-${digest}`);
    expect(evaluatorVersion('torch', trainers)).toBe(torch);
  });

  it('of incomplete sources is an error', () => {
    rmSync(join(trainers, 'aira_workers', 'model.py'));
    expect(() => evaluatorVersion('torch', trainers)).toThrow(PrerequisiteError);
  });
});
