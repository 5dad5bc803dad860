import { join } from 'node:path';
import { expect } from 'vitest';
import type { Contents } from '../support/ledger.ts';
import { Program } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';
import { audit } from './audit.ts';
import { violations } from './checker.ts';

/**
 * What one death of a launcher with one worker may cost: the training under way. A result that was published and not
 * recorded is delivered again, so that nothing has to be trained for it.
 */
const cutOff = 1;

/** Launches the toy search, lets it die at an armed failpoint, and resumes it. Answers what the checker finds. */
export async function dieAndResume(armed: string, folder: string, calm: Contents): Promise<string[]> {
  const home = join(folder, 'home');
  const common = ['--home', home, '--json'];
  const launch = ['launch', toySearch(folder), '--name', 'toy', ...common];
  const first = new Program(launch, { env: { AIRA_FAILPOINT: armed } });
  expect(await first.ended).toMatchObject({ code: null, signal: 'SIGKILL' });

  const second = new Program(['launch', '--resume', 'toy', '--workers', '1', ...common], {});
  const { code, stderr } = await second.ended;
  expect(code, stderr).toBe(0);
  expect(second.events.at(-1)).toMatchObject({ event: 'finished', search: 'toy' });
  await audit(home, 'toy');
  return violations(home, 'toy', { undisturbed: calm, told: [...first.events, ...second.events], cutOff });
}
