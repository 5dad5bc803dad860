import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { secretFile, trainersDirectory } from '../../platform/index.ts';

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

/**
 * The secret that decides which rows are hidden.
 *
 * Generators and seeds of the tasks are public, so that a program could contain a generator and draw the very rows that it
 * will be asked about. A secret of the laboratory goes into those draws. It is made once per user; machines that share a
 * search need the same file. Its fingerprint is part of the evaluator's version, so that scores on different rows never meet.
 */

const bytes = 32;

/** @throws PrerequisiteError `secret` where it can neither be read nor made. */
export function hiddenRowsSecret(path: string): Buffer {
  try {
    return existing(path) ?? make(path);
  } catch (thrown) {
    throw new PrerequisiteError(
      'secret',
      `the secret of the hidden rows cannot be kept in ${path}: ${errorMessage(thrown)}`,
      'name another file in AIRA_SECRET_FILE',
      { cause: thrown },
    );
  }
}

function existing(path: string): Buffer | null {
  try {
    const found = readFileSync(path);
    if (found.length >= 16) return found;
    throw new Error('it is too short to be one');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** Of several that make one at the same moment, one wins and all take that one's. */
function make(path: string): Buffer {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, randomBytes(bytes), { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path);
}

/** What may be told of a secret. */
export const fingerprint = (secret: Buffer): string =>
  createHash('sha256').update('fingerprint\0').update(secret).digest('hex').slice(0, 12);
