/** Killed at random moments and resumed, a search ends with the nodes of an undisturbed one. At length: tests/long/resume.test.ts. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { toySearch } from '../support/toySearch.ts';
import { calmRun, killedRun, smallListops, withTime } from './killedRuns.ts';

it('a search of stacks, killed four times', { timeout: 900_000 }, async () => {
  const folder = temporaryFolder();
  const file = toySearch(folder, { profile: 'steady', budget: { evaluations: 20, minutes: 120 }, workers: 2 });
  const subject = { file, search: 'killed', workers: 2 };
  const calm = await calmRun(subject, join(folder, 'calm'));
  expect(await killedRun(subject, join(folder, 'home'), calm, 4, 1)).toBeGreaterThan(1);
});

it('a search of programs, killed twice', { timeout: 900_000 }, async () => {
  const folder = temporaryFolder();
  const task = smallListops(folder);
  const file = withTime('searches/design-listops.yaml', folder, {
    task,
    budget: { evaluations: 4, minutes: 120 },
    ladder: { promote: 0.2, finalists: 1, finalSeeds: 2 },
  });
  const subject = { file, search: 'killed', workers: 2 };
  const calm = await calmRun(subject, join(folder, 'calm'));
  expect(await killedRun(subject, join(folder, 'home'), calm, 2, 1)).toBeGreaterThan(0);
});
