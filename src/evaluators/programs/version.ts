import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { secretFile, trainersDirectory } from '../../platform/packageRoot.ts';
import { fingerprint, hiddenRowsSecret } from './secret.ts';

/** What decides a score: folders of sources, and single ones. `aira_tasks` runs the scripts of tasks by others. */
const deciding = ['aira_design', 'aira_tasks', 'aira_workers/text'];
const decidingFiles = ['aira_workers/strict.py'];

/**
 * `design-<12 hex digits>`: a hash over the Python sources that decide a score, and the fingerprint of the
 * secret that decides which rows are hidden.
 *
 * @throws PrerequisiteError `trainers-missing` when the package is not complete; `secret`.
 */
export function designVersion(secret: string = secretFile(), trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    const own = deciding.flatMap((folder) =>
      readdirSync(join(trainers, folder), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.py'))
        .map((path) => `${folder}/${path.split(sep).join('/')}`),
    );
    for (const name of [...own, ...decidingFiles].sort()) {
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
