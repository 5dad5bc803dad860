/**
 * Where Aira is installed, where its user's data lies, and where the programs are that it starts.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { allOnPath, type Environment, isExecutable, runProgram } from './processes.ts';

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

// Programs.

/** Where to find the programs that Aira starts. */
export interface ToolchainPaths {
  readonly env: Environment;
  readonly packageRoot: string;
  /** Programs outside PATH, tried last. */
  readonly systemPython: readonly string[];
  readonly systemNatsServer: readonly string[];
}

export const machinePaths = (env: Environment = process.env): ToolchainPaths => ({
  env,
  packageRoot,
  systemPython: ['/usr/bin/python3'],
  // Debian's location, which is not on an ordinary user's PATH.
  systemNatsServer: ['/usr/sbin/nats-server', '/usr/local/sbin/nats-server'],
});

/**
 * The Python that trains: AIRA_PYTHON, else the first of set-up's record, the active virtual or conda environment, PATH and
 * the system's own which has the modules that are needed: torch and numpy to train.
 *
 * @throws PrerequisiteError `toolchain` naming those that were tried and what each lacks.
 */
export async function findPython(places: ToolchainPaths = machinePaths(), needs = toTrain): Promise<string> {
  const { env } = places;
  if (env.AIRA_PYTHON) {
    const found = await examinePython(explicitProgram('AIRA_PYTHON', env.AIRA_PYTHON, env), needs, env);
    if ('python' in found) return found.python;
    throw new PrerequisiteError(
      'toolchain',
      `AIRA_PYTHON is ${env.AIRA_PYTHON}, which ${found.problem}`,
      needs.remedy(env.AIRA_PYTHON),
    );
  }
  const candidates = unique([
    recorded(places).python,
    env.VIRTUAL_ENV ? join(env.VIRTUAL_ENV, 'bin', 'python3') : undefined,
    env.CONDA_PREFIX ? join(env.CONDA_PREFIX, 'bin', 'python3') : undefined,
    ...allOnPath('python3', env),
    ...places.systemPython,
  ]);
  const problems: string[] = [];
  for (const candidate of candidates) {
    const found = await examinePython(candidate, needs, env);
    if ('python' in found) return found.python;
    problems.push(`${candidate} ${found.problem}`);
  }
  const tried = problems.length > 0 ? ` (${problems.join('; ')})` : '';
  throw new PrerequisiteError(
    'toolchain',
    `there is no Python with ${needs.modules.join(' and ')}${tried}`,
    needs.remedy(null),
  );
}

/**
 * The nats-server to embed: AIRA_NATS_SERVER, else set-up's record, PATH, or Debian's own place.
 *
 * @throws PrerequisiteError `toolchain` when there is none.
 */
export function findNatsServer(places: ToolchainPaths = machinePaths()): string {
  const { env } = places;
  if (env.AIRA_NATS_SERVER) return explicitProgram('AIRA_NATS_SERVER', env.AIRA_NATS_SERVER, env);
  const [found] = unique([recorded(places).natsServer, ...allOnPath('nats-server', env), ...places.systemNatsServer]);
  if (found) return found;
  throw new PrerequisiteError('toolchain', 'there is no nats-server', setupRemedy);
}

/** What a Python must have, and the remedy if this one, or none (null), has it. */
interface PythonNeeds {
  readonly modules: readonly string[];
  readonly remedy: (python: string | null) => string;
}

const toTrain: PythonNeeds = {
  modules: ['torch', 'numpy'],
  remedy: (python) => (python === null ? setupRemedy : 'install torch and numpy there, or unset AIRA_PYTHON'),
};

/** The interpreter behind `program` (a shim or a link may stand before it), or why it will not do. */
async function examinePython(
  program: string,
  { modules }: PythonNeeds,
  env: Environment,
): Promise<{ python: string } | { problem: string }> {
  const { ok, stdout, stderr } = await runProgram(program, ['-c', probe, ...modules], env, 20_000);
  if (!ok) return { problem: `cannot be run: ${stderr.trim().split('\n').at(-1) ?? ''}` };
  try {
    const { executable, missing } = probedSchema.parse(JSON.parse(stdout));
    return missing.length > 0 ? { problem: `lacks ${missing.join(' and ')}` } : { python: executable || program };
  } catch {
    return { problem: 'does not behave like Python' };
  }
}

/** Finds modules without importing them: 0.1 s instead of torch's 2 s. */
const probe = `
import importlib.util, json, sys
missing = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is None]
print(json.dumps({"executable": sys.executable, "missing": missing}))`;

const probedSchema = z.object({ executable: z.string(), missing: z.array(z.string()) });

/** A program named by a variable: a path, or a name on PATH. */
function explicitProgram(variable: string, given: string, env: Environment): string {
  const path = given.includes('/') ? given : allOnPath(given, env)[0];
  if (path !== undefined && isExecutable(path)) return path;
  throw new PrerequisiteError(
    'toolchain',
    `${variable} is ${given}, which is not a program that can be run`,
    `correct ${variable}, or unset it`,
  );
}

const recordedSchema = z.object({ python: z.string().optional(), natsServer: z.string().optional() });

/** The findings of set-up; an unreadable record counts as missing, since everything is searched for anyway. */
function recorded({ packageRoot }: ToolchainPaths): z.infer<typeof recordedSchema> {
  try {
    return recordedSchema.parse(JSON.parse(readFileSync(join(packageRoot, 'dist', 'toolchain.json'), 'utf8')));
  } catch {
    return {};
  }
}

const unique = (paths: readonly (string | undefined)[]) => [
  ...new Set(paths.filter((path): path is string => path !== undefined && isAbsolute(path) && isExecutable(path))),
];
