import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from './childProcess.ts';

/** Where Aira is installed. `src/evaluators` and `dist/evaluators` are equally deep below it. */
export const packageRoot = resolve(import.meta.dirname, '../..');

/** Where the Python package of the trainers lies. */
export const trainersDirectory = join(packageRoot, 'gpu-workers');

/** Where Aira's own tasks lie. */
export const taskRoots: readonly string[] = [join(packageRoot, 'tasks')];

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
