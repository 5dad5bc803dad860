import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { Environment } from './processes.ts';

/** Aira's installation. `src/evaluators` and `dist/evaluators` are equally deep below it. */
export const packageRoot = resolve(import.meta.dirname, '../..');

/** Whether this is a checkout with sources, rather than an installed package. */
export const isCheckout = existsSync(join(packageRoot, 'src'));

/** Remedy for anything that set-up installs. */
export const setupRemedy = isCheckout ? 'run `npm run setup`' : 'run `npx aira setup`';

/** The trainers' Python package. */
export const trainersDirectory = join(packageRoot, 'gpu-workers');

/** Aira's own tasks. */
export const taskRoots: readonly string[] = [join(packageRoot, 'tasks')];

/** A folder of the XDG base directory specification: from its variable if absolute, else below the home. */
function base(env: Environment, variable: string, fallback: string): string {
  const value = env[variable];
  return value !== undefined && isAbsolute(value) ? value : join(env.HOME || homedir(), fallback);
}

/** Prepared splits: reproducible, and contain hidden targets. */
export const preparedFolder = (env: Environment = process.env): string =>
  join(base(env, 'XDG_CACHE_HOME', '.cache'), 'aira', 'design');

/** The secret behind the draw of hidden rows. */
export const secretFile = (env: Environment = process.env): string =>
  env.AIRA_SECRET_FILE || join(base(env, 'XDG_DATA_HOME', join('.local', 'share')), 'aira', 'hidden-rows.secret');
