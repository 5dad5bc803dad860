import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { PrerequisiteError } from '../domain/errors.ts';
import { trainersDirectory } from './packageRoot.ts';

/** Whose code runs the arithmetic of a training. */
export type Engine = 'torch';

/** The parts of `aira_workers` that decide a score. The rest, such as the protocol, may change and keep every result. */
const decisiveFolders = ['mad', 'optim', 'primitives', 'proxies'];
const decisiveFiles = ['model.py'];

function sourcesBelow(root: string): string[] {
  const inFolders = decisiveFolders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.py'))
      .map((path) => `${folder}/${path.split(sep).join('/')}`),
  );
  // Paths are ASCII, for which this order equals Python's order by code point.
  return [...inFolders, ...decisiveFiles].sort();
}

/**
 * `<engine>-<12 hexadecimal digits>`: SHA-256 over every deciding source in the order of its path, each as its path
 * relative to `aira_workers`, a NUL, its bytes, a NUL. `aira_workers/version.py` states the same rule; a worker announces
 * what it computed itself, and a job is only given to a worker of the job's own version (I2).
 *
 * @throws PrerequisiteError `trainers-missing` when the sources cannot be read.
 */
export function evaluatorVersion(engine: Engine, trainers: string = trainersDirectory): string {
  const root = join(trainers, 'aira_workers');
  const hash = createHash('sha256');
  try {
    for (const path of sourcesBelow(root)) {
      hash
        .update(`${path}\0`)
        .update(readFileSync(join(root, path)))
        .update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', `the trainers in ${root} are incomplete`, 'install Aira again', {
      cause: thrown,
    });
  }
  return `${engine}-${hash.digest('hex').slice(0, 12)}`;
}
