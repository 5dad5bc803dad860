import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { score } from '../../../src/evaluators/programs/trial.ts';
import { probeSandbox, Sandbox } from '../../../src/sandbox/index.ts';

/** A scorer that prints a given text. */
const python = '/usr/bin/python3';
let folder = '';
let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = new Sandbox({ capability: await probeSandbox({ python, unsafe: true }) });
  folder = mkdtempSync(join(tmpdir(), 'aira-score-'));
  mkdirSync(join(folder, 'parrot'));
  writeFileSync(
    join(folder, 'parrot/__main__.py'),
    [
      'import os, sys',
      'said = open(sys.argv[sys.argv.index("--settings") + 1]).read()',
      'if said == "killed": os.kill(os.getpid(), 9)',
      'print(said)',
    ].join('\n'),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function scored(line: string) {
  const settings = join(folder, 'said');
  writeFileSync(settings, line);
  const design = { folder, packages: [], module: 'parrot', hosted: [], scripts: [] };
  const splits = { validation: { file: 'predictions.f32', bytes: 4 }, test: { file: 'predictions.f32', bytes: 4 } };
  const given = { settings, predictions: 'none', state: 'none', split: 'validation' } as const;
  const prepared = { folder, manifest: { splits }, scoring: [] };
  return score(python, design, prepared, given, { sandbox, memoryBytes: 2 ** 30 });
}

it('a scorer that says nothing is described by how it ended, not by its command line', async () => {
  await expect(scored('killed')).rejects.toThrow(/^scoring failed: it was killed by SIGKILL$/);
});

it('a score is one line with finite numbers', async () => {
  expect(await scored('{"status": "ok", "score": 0.5, "metrics": {"loss": 1.5}}')).toEqual({
    score: 0.5,
    metrics: { loss: 1.5 },
  });
  const failure = '{"status": "failed", "reason": "noncausal", "message": "looks ahead"}';
  expect(await scored(failure)).toEqual({ reason: 'noncausal', message: 'looks ahead' });
});

it.each([
  '{"status": "ok", "score": NaN, "metrics": {}}',
  '{"status": "ok", "score": 1e999, "metrics": {}}',
  '{"status": "ok", "score": null, "metrics": {}}',
  '{"status": "ok", "score": "0.9", "metrics": {}}',
  '{"status": "ok", "score": true, "metrics": {}}',
  '{"status": "ok", "score": [0.9], "metrics": {}}',
  '{"status": "ok", "score": 0.9, "metrics": {"loss": -1e999}}',
  '{"status": "ok", "score": 0.9, "metrics": {}, "more": 1}',
  '{"status": "ok", "score": 0.9, "metrics": {}}\n{"status": "ok", "score": 1, "metrics": {}}',
  '{"status": "failed", "reason": "cancelled", "message": ""}',
  '',
])('%s is no score', async (line) => {
  await expect(scored(line)).rejects.toThrow('scoring failed');
});
