import { createHash, type Hash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { type OwnPrimitive, versionWith } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { DeviceClass } from '../domain/task.ts';
import { secretFile, trainersDirectory } from '../platform/index.ts';
import { type Engine, engineFor } from './stacks/engine.ts';

/**
 * Versions of evaluators: `<name>-<12 hexadecimal digits>`, a hash of the sources that decide a score (I10). A search records one, and a
 * worker gets only jobs that its own version serves (I2). No source of the host is among them.
 */

/** The version of this machine's evaluators of that kind, without starting one; `own` are the primitives of the search. */
export function versionFor(kind: SpaceKind, deviceClass: DeviceClass, own: readonly OwnPrimitive[] = []): string {
  if (kind === 'program') return designVersion();
  const digests = Object.fromEntries(own.map(({ token, digest }) => [token, digest]));
  return versionWith(kind === 'scale' ? scaleVersion() : evaluatorVersion(engineFor(deviceClass).engine), digests);
}

/** A source that decides scores: its name in the hash, and its path. */
type Source = readonly [name: string, path: string];

/** The Python sources of a folder below `root`, by their paths from there. */
function pythonIn(root: string, folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.py'))
    .map((path): Source => [`${folder}/${path.split(sep).join('/')}`, join(root, folder, path)]);
}

/** SHA-256 over sources in order of their names, each as its name, a NUL, its bytes, a NUL. */
function hashOf(sources: readonly Source[]): Hash {
  const hash = createHash('sha256');
  // Names are ASCII, for which this order equals Python's order by code point.
  for (const [name, path] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name}\0`).update(readFileSync(path)).update('\0');
  }
  return hash;
}

const digits = (hash: Hash): string => hash.digest('hex').slice(0, 12);

const incomplete = (trainers: string, cause: unknown) =>
  new PrerequisiteError('trainers-missing', `the trainers in ${trainers} are incomplete`, 'reinstall Aira', { cause });

/** The parts of `aira_workers` that determine a score. Changes of the rest, such as the protocol, keep results valid. */
const stackFolders = ['mad', 'optim', 'primitives', 'proxies', 'text'];
const stackFiles = ['model.py'];

function stackSources(engine: Engine, trainers: string): Source[] {
  const root = join(trainers, 'aira_workers');
  const compiles = engine === 'native' || engine === 'native-bf16';
  const own = compiles ? ['native'] : engine === 'population' ? ['population'] : [];
  const files = stackFiles.map((name): Source => [name, join(root, name)]);
  const compiled = compiles ? readdirSync(join(trainers, 'engine')) : [];
  const inEngine = compiled
    .filter((name) => /\.(cpp|hpp)$/.test(name))
    .map((name): Source => [`engine/${name}`, join(trainers, 'engine', name)]);
  return [...[...stackFolders, ...own].flatMap((folder) => pythonIn(root, folder)), ...files, ...inEngine];
}

/**
 * The version of a trainer of stacks, `<engine>-<digits>`. Names are relative to `aira_workers`, for the compiled engine to the parent of
 * both. `aira_workers/version.py` implements the same rule; a worker announces the version that it computed itself.
 *
 * @throws PrerequisiteError `trainers-missing` if the sources cannot be read.
 */
export function evaluatorVersion(engine: Engine, trainers: string = trainersDirectory): string {
  try {
    return `${engine}-${digits(hashOf(stackSources(engine, trainers)))}`;
  } catch (thrown) {
    throw incomplete(trainers, thrown);
  }
}

/** Sources that decide a loss: those of `gpu-workers/aira_scale/version.py`, whose rule this repeats. */
const scaleModules = [
  'shapes',
  'model',
  'initial',
  'optimiser',
  'schedule',
  'trainer',
  'parallel',
  'job',
  'data/shards',
];
const scaleShared = ['aira_workers/primitives/ssd.py', 'aira_workers/optim/muon.py'];

/**
 * The version of the trainer of runs at scale, `scale-<digits>`, known before one starts. The trainer announces its own, and a run is
 * ended unless both are equal (I2).
 *
 * @throws PrerequisiteError `trainers-missing` if the package is incomplete.
 */
export function scaleVersion(trainers: string = trainersDirectory): string {
  try {
    const layers = readdirSync(join(trainers, 'aira_scale', 'layers')).filter((name) => name.endsWith('.py'));
    const files = [
      ...scaleModules.map((name) => `aira_scale/${name}.py`),
      ...layers.map((name) => `aira_scale/layers/${name}`),
      ...scaleShared,
    ];
    return `scale-${digits(hashOf(files.map((name): Source => [name, join(trainers, name)])))}`;
  } catch (thrown) {
    throw incomplete(trainers, thrown);
  }
}

/** The sources that determine the score of a program. `aira_tasks` runs the scripts of third-party tasks. */
const designFolders = ['aira_design', 'aira_tasks', 'aira_workers/text'];
const designFiles = ['aira_workers/strict.py'];

/**
 * The version of the evaluator of programs, `design-<digits>`: also over the fingerprint of the secret that selects the hidden rows.
 *
 * @throws PrerequisiteError `trainers-missing` if the package is incomplete; `secret`.
 */
export function designVersion(secret: string = secretFile(), trainers: string = trainersDirectory): string {
  let hash: Hash;
  try {
    const files = designFiles.map((name): Source => [name, join(trainers, name)]);
    hash = hashOf([...designFolders.flatMap((folder) => pythonIn(trainers, folder)), ...files]);
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', errorMessage(thrown), 'reinstall Aira', { cause: thrown });
  }
  return `design-${digits(hash.update(fingerprint(hiddenRowsSecret(secret))))}`;
}

const secretBytes = 32;

/**
 * The secret that selects the hidden rows.
 *
 * Generators and seeds of the tasks are public, so a program could contain a generator and reproduce the rows that it will be
 * asked about. The secret is an input of those draws. It is created once per user; machines that share a search need the
 * same file. Its fingerprint is part of the evaluator's version, so that scores on different rows are never compared.
 *
 * @throws PrerequisiteError `secret` if it can neither be read nor created.
 */
export function hiddenRowsSecret(path: string): Buffer {
  try {
    return existingSecret(path) ?? makeSecret(path);
  } catch (thrown) {
    throw new PrerequisiteError(
      'secret',
      `cannot use ${path} for the secret of the hidden rows: ${errorMessage(thrown)}`,
      'set AIRA_SECRET_FILE to another file',
      { cause: thrown },
    );
  }
}

function existingSecret(path: string): Buffer | null {
  try {
    const secret = readFileSync(path);
    if (secret.length >= 16) return secret;
    throw new Error('too short for a secret');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

/** Of several processes that create one at the same time, the first wins and all use its secret. */
function makeSecret(path: string): Buffer {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, randomBytes(secretBytes), { mode: 0o600 });
  try {
    linkSync(temporary, path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path);
}

/** A public identifier of a secret. */
export const fingerprint = (secret: Buffer): string =>
  createHash('sha256').update('fingerprint\0').update(secret).digest('hex').slice(0, 12);
