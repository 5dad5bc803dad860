/**
 * Killed at random moments and resumed, a search ends with the nodes of an undisturbed one. At length, and for programs:
 * tests/long/resume.test.ts.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { toySearch } from '../support/toySearch.ts';
import { calmRun, killedRun } from './killedRuns.ts';

it('a search of stacks, killed four times', { timeout: 900_000 }, async () => {
  const folder = temporaryFolder();
  const file = toySearch(folder, { profile: 'steady', budget: { evaluations: 20, minutes: 120 }, workers: 2 });
  const subject = { file, search: 'killed', workers: 2 };
  const calm = await calmRun(subject, join(folder, 'calm'));
  expect(await killedRun(subject, join(folder, 'home'), calm, 4, 1)).toBeGreaterThan(1);
});
