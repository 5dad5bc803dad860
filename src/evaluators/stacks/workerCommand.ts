import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import { childEnvironment, deviceClassOf, type Environment, trainersDirectory } from '../../platform/index.ts';
import { primitivesEnvironment } from '../primitives.ts';
import { type Engine, engineFor } from './engine.ts';
import type { WorkerCommand } from './workerProcess.ts';

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
export function cpuFlags(): ReadonlySet<string> {
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
    return new Set(flags.split(' ').filter((flag) => flag !== ''));
  } catch {
    return new Set();
  }
}

export interface WorkerCommandOptions {
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
