import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { DeviceClass } from '../../domain/task.ts';
import { type Environment, packageRoot, printable, runProgram, trainersDirectory } from '../../platform/index.ts';

/** What set-up can find for CPUs. */
const cpuEngineSchema = z.enum(['native', 'torch']);

/** What a person can ask for by `AIRA_ENGINE`, for CPUs. */
const wantedSchema = z.enum(['native', 'native-bf16', 'torch']);

/**
 * Whose code runs the arithmetic of a training: our compiled engine, the same with dense products of operands rounded to
 * bfloat16, torch one candidate at a time, or torch with many candidates in one loop.
 */
export type Engine = z.infer<typeof wantedSchema> | 'population';

export interface EngineChoice {
  readonly engine: Engine;
  /** Why a CPU trains with torch; null where nothing is amiss. */
  readonly reason: string | null;
}

/** Why this process does without the engine that set-up chose. */
let declined: string | null = null;

/** From now on CPU workers of this process train with torch (see engineProbe.ts). */
export function declineNative(reason: string): void {
  declined = reason;
}

const recordSchema = z.object({ engine: cpuEngineSchema, reason: z.string().nullable() });

/**
 * The engine that workers of a device class use. For CPUs it is what set-up found by compiling the engine and testing it
 * against torch, unless it cannot be loaded now; the evaluator version, which must be known before a worker starts, depends
 * on it. A worker that then cannot use the engine refuses to start rather than train with another one. `AIRA_ENGINE` overrules what was found.
 *
 * @throws PrerequisiteError `engine` where `AIRA_ENGINE` names none.
 */
export function engineFor(
  deviceClass: DeviceClass,
  root: string = packageRoot,
  env: Environment = process.env,
): EngineChoice {
  if (deviceClass !== 'cpu') return { engine: 'population', reason: null };
  if (env.AIRA_ENGINE) {
    const wanted = wantedSchema.safeParse(env.AIRA_ENGINE);
    if (wanted.success) return { engine: wanted.data, reason: null };
    const remedy = `set it to ${wantedSchema.options.join(', ')}, or not at all`;
    throw new PrerequisiteError('engine', `AIRA_ENGINE=${env.AIRA_ENGINE} names no engine`, remedy);
  }
  try {
    const found = recordSchema.parse(JSON.parse(readFileSync(join(root, 'dist', 'engine.json'), 'utf8')));
    return declined !== null && found.engine === 'native' ? { engine: 'torch', reason: declined } : found;
  } catch {
    return { engine: 'torch', reason: 'set-up has not tried the native engine here: run `npm run setup`' };
  }
}

/** Compiling takes 300 s at most, which the builder sees to itself. */
const longestMs = 330_000;

/** Without the package, which imports torch: the builder needs the standard library alone. */
const load = `
import ctypes, runpy, sys
build = runpy.run_path(sys.argv[1])
try:
    ctypes.CDLL(str(build["library"](build["best_variant"](build["cpu_flags"]()))))
except (build["Unavailable"], OSError) as error:
    sys.exit(str(error))
`;

/**
 * Whether the engine that set-up chose can be loaded by this user, here and now: the cache folder may be another one than
 * set-up's, not writable, or on a file system from which nothing may be run. Where it cannot, CPU workers of this process
 * train with torch, and `engineFor` says why.
 */
export async function probeEngine(python: string, env: Environment = process.env): Promise<void> {
  if (env.AIRA_ENGINE || engineFor('cpu').engine !== 'native') return;
  const builder = join(trainersDirectory, 'aira_workers', 'native', 'build.py');
  const { ok, stderr } = await runProgram(python, ['-I', '-c', load, builder], env, longestMs);
  if (ok) return;
  const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 300 });
  declineNative(
    `the compiled engine cannot be used: ${last}; set XDG_CACHE_HOME to a folder that can be written and run from`,
  );
}

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
