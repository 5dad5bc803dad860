import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import type { DeviceClass } from '../../domain/task.ts';
import {
  childEnvironment,
  deviceClassOf,
  type Environment,
  packageRoot,
  printable,
  runProgram,
  setupRemedy,
  trainersDirectory,
} from '../../platform/index.ts';
import { primitivesEnvironment } from '../primitives.ts';
import type { WorkerCommand } from './trainer.ts';

/** Which engine a device trains stacks with, and the command and the environment that start its trainer. */

/** The CPU engines that set-up chooses from. */
const cpuEngineSchema = z.enum(['native', 'torch']);

/** The CPU engines that `AIRA_ENGINE` may select. */
const selectableSchema = z.enum(['native', 'native-bf16', 'torch']);

/**
 * The implementation of a training's arithmetic: the compiled engine, the same with operands of dense products rounded to
 * bfloat16, torch with one candidate at a time, or torch with many candidates in one loop.
 */
export type Engine = z.infer<typeof selectableSchema> | 'population';

export interface EngineChoice {
  readonly engine: Engine;
  /** Why a CPU trains with torch; null if no problem was found. */
  readonly reason: string | null;
}

/** Why this process does not use the engine that set-up chose. */
let declined: string | null = null;

/** Makes CPU workers of this process train with torch from now on. */
export function declineNative(reason: string): void {
  declined = reason;
}

const recordSchema = z.object({ engine: cpuEngineSchema, reason: z.string().nullable() });

/**
 * The engine of a device class. For CPUs, set-up chose it by compiling the engine and testing it against torch, unless it
 * cannot be loaded now; the evaluator version, which must be known before a worker starts, depends on it. A worker that
 * cannot use the engine refuses to start rather than train with another one. `AIRA_ENGINE` overrides the choice.
 *
 * @throws PrerequisiteError `engine` for an unknown `AIRA_ENGINE`.
 */
export function engineFor(
  deviceClass: DeviceClass,
  root: string = packageRoot,
  env: Environment = process.env,
): EngineChoice {
  if (deviceClass !== 'cpu') return { engine: 'population', reason: null };
  if (env.AIRA_ENGINE) {
    const selected = selectableSchema.safeParse(env.AIRA_ENGINE);
    if (selected.success) return { engine: selected.data, reason: null };
    const remedy = `set it to ${selectableSchema.options.join(', ')}, or unset it`;
    throw new PrerequisiteError('engine', `unknown engine AIRA_ENGINE=${env.AIRA_ENGINE}`, remedy);
  }
  try {
    const found = recordSchema.parse(JSON.parse(readFileSync(join(root, 'dist', 'engine.json'), 'utf8')));
    return declined !== null && found.engine === 'native' ? { engine: 'torch', reason: declined } : found;
  } catch {
    return { engine: 'torch', reason: `set-up has not tested the native engine here: ${setupRemedy}` };
  }
}

/** Compiling takes at most 300 s, which the builder enforces. */
const longestMs = 330_000;

/** Runs the builder without its package, which imports torch; it needs the standard library only. */
const load = `
import ctypes, runpy, sys
build = runpy.run_path(sys.argv[1])
try:
    ctypes.CDLL(str(build["library"](build["best_variant"](build["cpu_flags"]()))))
except (build["Unavailable"], OSError) as error:
    sys.exit(str(error))
`;

/**
 * Checks whether this user can load the engine that set-up chose: the cache folder may differ from set-up's, be read-only, or
 * be on a noexec file system. If it fails, CPU workers of this process train with torch, and `engineFor` tells why.
 */
export async function probeEngine(python: string, env: Environment = process.env): Promise<void> {
  if (env.AIRA_ENGINE || engineFor('cpu').engine !== 'native') return;
  const builder = join(trainersDirectory, 'aira_workers', 'native', 'build.py');
  const { ok, stderr } = await runProgram(python, ['-I', '-c', load, builder], env, longestMs);
  if (ok) return;
  const last = printable(stderr.trim().split('\n').at(-1) ?? '', { width: 300 });
  declineNative(
    `cannot load the compiled engine: ${last}; set XDG_CACHE_HOME to a writable folder on a file system without noexec`,
  );
}

const variables = z.record(z.string(), z.string());

/** `gpu-workers/worker-env.json`: variables that libraries read once, before the program's first line. */
const workerEnvSchema = z.strictObject({
  description: z.string(),
  cpu: variables,
  cuda: variables,
  /** The first entry whose flag the processor has; torch 1.13 by itself chooses a lower one. */
  atenCpuCapability: z.array(z.strictObject({ cpuFlag: z.string(), value: z.string() })),
});

function readWorkerEnv(trainers: string): z.infer<typeof workerEnvSchema> {
  const path = join(trainers, 'worker-env.json');
  const refuse = (problem: string, cause: unknown) =>
    new PrerequisiteError('trainers-missing', `${path}: ${problem}`, 'reinstall Aira', { cause });
  let raw: unknown;
  try {
    raw = JSON.parse(readFileSync(path, 'utf8'));
  } catch (thrown) {
    throw refuse(errorMessage(thrown), thrown);
  }
  const parsed = workerEnvSchema.safeParse(raw);
  if (!parsed.success) throw refuse(formatZodError(parsed.error, workerEnvSchema).join('; '), parsed.error);
  return parsed.data;
}

/** The processor's instruction sets by Linux's names; empty if unknown. */
function cpuFlags(): ReadonlySet<string> {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    return new Set(flags.split(' ').filter((flag) => flag !== ''));
  } catch {
    return new Set();
  }
}

interface WorkerCommandOptions {
  /** The interpreter, absolute. */
  readonly python: string;
  /** Torch's name: `cpu`, `cuda`, `cuda:1`. */
  readonly device: string;
  readonly env?: Environment;
  readonly trainers?: string;
  readonly flags?: ReadonlySet<string>;
  /** Folder of imported data. */
  readonly data?: string | null;
  /** Folders of the user's own primitives. */
  readonly primitives?: readonly string[];
  /** Default: the choice of set-up for the device's class. */
  readonly engine?: Engine;
}

/** The variables of `worker-env.json` for a device. @throws PrerequisiteError `trainers-missing`. */
export function trainerVariables(
  device: string,
  flags = cpuFlags(),
  trainers = trainersDirectory,
): Record<string, string> {
  const workerEnv = readWorkerEnv(trainers);
  const capability = workerEnv.atenCpuCapability.find(({ cpuFlag }) => flags.has(cpuFlag));
  return {
    ...workerEnv[deviceClassOf(device)],
    ...(capability ? { ATEN_CPU_CAPABILITY: capability.value } : {}),
  };
}

/**
 * The command that starts the trainer of a device. Its environment consists of `worker-env.json` and the few inherited
 * variables of `childEnvironment` (I7).
 *
 * @throws PrerequisiteError `trainers-missing` if the Python package is incomplete.
 */
export function workerCommand(options: WorkerCommandOptions): WorkerCommand {
  const { python, device, env = process.env, trainers = trainersDirectory, flags = cpuFlags() } = options;
  const { engine = engineFor(deviceClassOf(device)).engine } = options;
  return {
    program: python,
    args: ['-m', 'aira_workers', '--device', device, '--engine', engine],
    cwd: trainers,
    env: {
      ...childEnvironment(env),
      ...trainerVariables(device, flags, trainers),
      PYTHONPATH: trainers,
      ...(options.data == null ? {} : { AIRA_DATA: options.data }),
      ...primitivesEnvironment(options.primitives ?? []),
    },
  };
}
