import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { score } from '../../../src/evaluators/design/score.ts';

/** A scorer that prints what it is told to. */
const python = '/usr/bin/python3';
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aira-score-'));
  mkdirSync(join(folder, 'parrot'));
  writeFileSync(
    join(folder, 'parrot/__main__.py'),
    'import sys\nprint(open(sys.argv[sys.argv.index("--settings") + 1]).read())\n',
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

function scored(line: string) {
  const settings = join(folder, 'said');
  writeFileSync(settings, line);
  const design = { folder, packages: [], module: 'parrot', hosted: [], scripts: [] };
  const splits = { validation: { file: 'predictions.f32', bytes: 4 }, test: { file: 'predictions.f32', bytes: 4 } };
  const given = { settings, predictions: 'none', state: 'none', split: 'validation' } as const;
  return score(python, design, { folder, manifest: { splits } }, given);
}

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
