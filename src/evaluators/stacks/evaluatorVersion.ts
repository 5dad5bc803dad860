import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { PrerequisiteError } from '../../domain/errors.ts';
import { trainersDirectory } from '../../platform/packageRoot.ts';
import type { Engine } from './engine.ts';

/** The parts of `aira_workers` that decide a score. The rest, such as the protocol, may change and keep every result. */
const decisiveFolders = ['mad', 'optim', 'primitives', 'proxies', 'text'];
const decisiveFiles = ['model.py'];

/** A source that decides: its name in the hash, and where it lies. */
type Source = readonly [name: string, path: string];

function sourcesOf(engine: Engine, trainers: string): Source[] {
  const root = join(trainers, 'aira_workers');
  const compiles = engine === 'native' || engine === 'native-bf16';
  const own = compiles ? ['native'] : engine === 'population' ? ['population'] : [];
  const folders = [...decisiveFolders, ...own];
  const inFolders = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.py'))
      .map((path): Source => [`${folder}/${path.split(sep).join('/')}`, join(root, folder, path)]),
  );
  const files = decisiveFiles.map((name): Source => [name, join(root, name)]);
  const compiled = compiles ? readdirSync(join(trainers, 'engine')) : [];
  const inEngine = compiled
    .filter((name) => /\.(cpp|hpp)$/.test(name))
    .map((name): Source => [`engine/${name}`, join(trainers, 'engine', name)]);
  // Names are ASCII, for which this order equals Python's order by code point.
  return [...inFolders, ...files, ...inEngine].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * `<engine>-<12 hexadecimal digits>`: SHA-256 over every deciding source in the order of its path, each as its path
 * relative to `aira_workers` (of the compiled engine: to the folder of both), a NUL, its bytes, a NUL. `aira_workers/version.py` states the same rule; a worker announces
 * what it computed itself, and a job is only given to a worker of the job's own version (I2).
 *
 * @throws PrerequisiteError `trainers-missing` when the sources cannot be read.
 */
export function evaluatorVersion(engine: Engine, trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    for (const [name, path] of sourcesOf(engine, trainers)) {
      hash.update(`${name}\0`).update(readFileSync(path)).update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError(
      'trainers-missing',
      `the trainers in ${trainers} are incomplete`,
      'install Aira again',
      {
        cause: thrown,
      },
    );
  }
  return `${engine}-${hash.digest('hex').slice(0, 12)}`;
}
