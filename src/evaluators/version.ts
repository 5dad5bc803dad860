import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { type OwnPrimitive, versionWith } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { DeviceClass } from '../domain/task.ts';
import { secretFile, trainersDirectory } from '../platform/index.ts';
import { type Engine, engineFor } from './stacks/engine.ts';

/** The sources that determine a score: folders and single files. `aira_tasks` runs the scripts of third-party tasks. */
const deciding = ['aira_design', 'aira_tasks', 'aira_workers/text'];
const decidingFiles = ['aira_workers/strict.py'];

/**
 * `design-<12 hex digits>`: a hash over the Python sources that determine a score, and the fingerprint of the secret that
 * selects the hidden rows.
 *
 * @throws PrerequisiteError `trainers-missing` if the package is incomplete; `secret`.
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
    throw new PrerequisiteError('trainers-missing', errorMessage(thrown), 'reinstall Aira', { cause: thrown });
  }
  hash.update(fingerprint(hiddenRowsSecret(secret)));
  return `design-${hash.digest('hex').slice(0, 12)}`;
}

/**
 * The secret that selects the hidden rows.
 *
 * Generators and seeds of the tasks are public, so a program could contain a generator and reproduce the rows that it will be
 * asked about. The secret is an input of those draws. It is created once per user; machines that share a search need the
 * same file. Its fingerprint is part of the evaluator's version, so that scores on different rows are never compared.
 */

const bytes = 32;

/** @throws PrerequisiteError `secret` if it can neither be read nor created. */
export function hiddenRowsSecret(path: string): Buffer {
  try {
    return existing(path) ?? make(path);
  } catch (thrown) {
    throw new PrerequisiteError(
      'secret',
      `cannot use ${path} for the secret of the hidden rows: ${errorMessage(thrown)}`,
      'set AIRA_SECRET_FILE to another file',
      { cause: thrown },
    );
  }
}

function existing(path: string): Buffer | null {
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

/** A public identifier of a secret. */
export const fingerprint = (secret: Buffer): string =>
  createHash('sha256').update('fingerprint\0').update(secret).digest('hex').slice(0, 12);

/** Sources that decide a loss: those of `gpu-workers/aira_scale/version.py`, whose rule this repeats. */
const modules = ['shapes', 'model', 'initial', 'optimiser', 'schedule', 'trainer', 'parallel', 'job', 'data/shards'];
const shared = ['aira_workers/primitives/ssd.py', 'aira_workers/optim/muon.py'];

/**
 * `scale-<12 hex digits>`: the version of the trainer of runs at scale, known before one starts. The trainer announces its own,
 * and a run is ended unless both are equal (I2).
 *
 * @throws PrerequisiteError `trainers-missing` if the package is incomplete.
 */
export function scaleVersion(trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    const layers = readdirSync(join(trainers, 'aira_scale', 'layers')).filter((name) => name.endsWith('.py'));
    const files = [
      ...modules.map((name) => `aira_scale/${name}.py`),
      ...layers.map((name) => `aira_scale/layers/${name}`),
      ...shared,
    ];
    for (const name of files.sort()) {
      hash
        .update(`${name}\0`)
        .update(readFileSync(join(trainers, name)))
        .update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', `the trainers in ${trainers} are incomplete`, 'reinstall Aira', {
      cause: thrown,
    });
  }
  return `scale-${hash.digest('hex').slice(0, 12)}`;
}

/** The parts of `aira_workers` that determine a score. Changes of the rest, such as the protocol, keep results valid. */
const decisiveFolders = ['mad', 'optim', 'primitives', 'proxies', 'text'];
const decisiveFiles = ['model.py'];

/** A source that determines scores: its name in the hash, and its path. */
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
 * `<engine>-<12 hexadecimal digits>`: SHA-256 over every such source in order of its path, each as its path relative to
 * `aira_workers` (for the compiled engine: to the parent of both), a NUL, its bytes, a NUL. `aira_workers/version.py`
 * implements the same rule; a worker announces the version that it computed itself, and gets only jobs of that version (I2).
 *
 * @throws PrerequisiteError `trainers-missing` if the sources cannot be read.
 */
export function evaluatorVersion(engine: Engine, trainers: string = trainersDirectory): string {
  const hash = createHash('sha256');
  try {
    for (const [name, path] of sourcesOf(engine, trainers)) {
      hash.update(`${name}\0`).update(readFileSync(path)).update('\0');
    }
  } catch (thrown) {
    throw new PrerequisiteError('trainers-missing', `the trainers in ${trainers} are incomplete`, 'reinstall Aira', {
      cause: thrown,
    });
  }
  return `${engine}-${hash.digest('hex').slice(0, 12)}`;
}

/** The version of this machine's evaluators of that kind, without starting one; `own` are the primitives of the search. */
export function versionFor(kind: SpaceKind, deviceClass: DeviceClass, own: readonly OwnPrimitive[] = []): string {
  if (kind === 'program') return designVersion();
  const digests = Object.fromEntries(own.map(({ token, digest }) => [token, digest]));
  return versionWith(kind === 'scale' ? scaleVersion() : evaluatorVersion(engineFor(deviceClass).engine), digests);
}
