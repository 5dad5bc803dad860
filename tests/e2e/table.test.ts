import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readTable } from '../../src/evaluators/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { aira, jsonLines } from '../support/program.ts';
import { toyTask } from '../support/toySearch.ts';

it('measures a whole space with the real trainer, and goes on with further seeds', async () => {
  const out = join(temporaryFolder(), 'table.json');
  const build = (seeds: number) =>
    aira(['table', 'build', '--task', toyTask, '--layers', '1', '--seeds', `${seeds}`, '--out', out, '--json']);
  const first = await build(2);
  expect(first).toMatchObject({ code: 0 });
  expect(jsonLines(first.stdout).at(-1)).toEqual({ event: 'table', v: 1, path: out });
  const { file } = readTable(out);
  expect(Object.keys(file.scores)).toEqual(['M', 'mA', 'Mb']);

  const second = await build(3);
  expect(jsonLines(second.stdout)[0]).toMatchObject({ done: 6, total: 9 });
  const more = readTable(out).file;
  for (const [candidate, row] of Object.entries(file.scores)) expect(more.scores[candidate]?.slice(0, 2)).toEqual(row);
  expect((await aira(['table', 'show', out])).stdout).toContain('3 architectures x 3 seeds');
});

it('says what is wrong with a space that is too large, and starts nothing', async () => {
  const { code, stderr } = await aira(['table', 'build', '--task', toyTask, '--layers', '12']);
  expect(code).toBe(2);
  expect(stderr).toContain('531441 architectures');
});
