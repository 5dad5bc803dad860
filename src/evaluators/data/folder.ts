import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from '../program.ts';

/** Where imported data lie: AIRA_DATA, else below the user's data folder as the XDG base directory specification has it. */
export function dataFolder(env: Environment = process.env): string {
  if (env.AIRA_DATA) return resolve(env.AIRA_DATA);
  const given = env.XDG_DATA_HOME;
  const base = given !== undefined && isAbsolute(given) ? given : join(env.HOME || homedir(), '.local', 'share');
  return join(base, 'aira', 'data');
}
