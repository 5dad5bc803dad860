import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { Environment } from './childProcess.ts';

/** A folder as the XDG base directory specification finds it: by its variable if that is absolute, else below the home. */
function base(env: Environment, variable: string, fallback: string): string {
  const given = env[variable];
  return given !== undefined && isAbsolute(given) ? given : join(env.HOME || homedir(), fallback);
}

/** Prepared splits: can be made again, and hold hidden targets. */
export const preparedFolder = (env: Environment = process.env): string =>
  join(base(env, 'XDG_CACHE_HOME', '.cache'), 'aira', 'design');

/** The file whose bytes go into the draws of hidden rows. */
export const secretFile = (env: Environment = process.env): string =>
  env.AIRA_SECRET_FILE || join(base(env, 'XDG_DATA_HOME', join('.local', 'share')), 'aira', 'hidden-rows.secret');
