import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { trainersDirectory } from '../packageRoot.ts';
import { secretFile } from './places.ts';
import { fingerprint, hiddenRowsSecret } from './secret.ts';

/** What decides a score beside the package itself. */
const fromWorkers = ['aira_workers/strict.py'];

/**
 * `design-<12 hex digits>`: a hash over the sources of the Python package that decide a score, and the fingerprint of the
 * secret that decides which rows are hidden.
 *
 * @throws PrerequisiteError `trainers-missing` when the package is not complete; `secret`.
 */
export function designVersion(secret: string = secretFile(), trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    const own = readdirSync(join(trainers, 'aira_design'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.py'))
      .map((path) => `aira_design/${path.split(sep).join('/')}`);
    for (const name of [...own, ...fromWorkers].sort()) {
      hash
        .update(`${name}\0`)
        .update(readFileSync(join(trainers, name)))
        .update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', errorMessage(thrown), 'install Aira again', { cause: thrown });
  }
  hash.update(fingerprint(hiddenRowsSecret(secret)));
  return `design-${hash.digest('hex').slice(0, 12)}`;
}
