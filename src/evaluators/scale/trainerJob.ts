/**
 * What a trainer of runs at scale is given: its job (`gpu-workers/aira_scale/job.py`), its folder and its command; and which jobs
 * a worker takes.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { readArchitecture } from '../../domain/architecture.ts';
import { errorMessage, PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { dataNamePattern, type Job } from '../../domain/evaluation.ts';
import { contentHash, type Json } from '../../domain/json.ts';
import type { Recipe, Resources, ScaleCandidate, ScaleModel } from '../../domain/scale.ts';
import type { DeviceClass } from '../../domain/task.ts';
import { childEnvironment, type Device, trainersDirectory } from '../../platform/index.ts';
import { primitivesEnvironment } from '../primitives.ts';
import { trainerVariables } from '../stacks/engine.ts';
import type { WorkerCommand } from '../stacks/trainer.ts';

/** What a worker of runs at scale declares. */
export interface ScaleWorkerOptions {
  /** Folder of checkpoints and weights, absolute; shared by workers that are to continue each other's runs. */
  readonly storage: string;
  /** Devices that one run may have. */
  readonly devices: number;
  /** Bytes on each device. */
  readonly memoryBytes: number;
  /** Estimated length of the longest training that it takes; null for any. */
  readonly longestSeconds: number | null;
}

export const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;

/** Why a worker that has declared this cannot train with these resources; null if it can. */
export function refusalOf(resources: Resources, declared: ScaleWorkerOptions): string | null {
  const { devices, memoryBytes, longestSeconds } = declared;
  if (resources.devices > devices) return `it needs ${resources.devices} devices; this worker has declared ${devices}`;
  if (resources.memoryBytes > memoryBytes) {
    const has = megabytes(memoryBytes);
    return `it needs ${megabytes(resources.memoryBytes)} on each device; this worker has declared ${has}`;
  }
  if (longestSeconds !== null && resources.seconds > longestSeconds) {
    return `it takes about ${Math.ceil(resources.seconds)} s; this worker takes trainings of up to ${longestSeconds} s`;
  }
  return null;
}

/** @throws TerminalError `scale-job` for a job of another kind. */
export function candidateOf({ candidate }: Job): ScaleCandidate {
  if (candidate.kind !== 'scale')
    throw new TerminalError('scale-job', `expected a run at scale, got a ${candidate.kind}`);
  return candidate;
}

/** Settings come from the bus: the name becomes a path below the data folder. */
const settingsSchema = z.looseObject({
  data: z.looseObject({
    corpus: z.string().max(256).regex(dataNamePattern),
    digest: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});

/** @throws TerminalError `scale-job` */
function dataOf({ settings }: Job): { readonly corpus: string; readonly digest: string } {
  const parsed = settingsSchema.safeParse(settings);
  if (parsed.success) return parsed.data.data;
  throw new TerminalError('scale-job', 'the settings of a run at scale name no data set with its digest');
}

/** The folder name of a run: all that decides its trunk, so that equal trunks meet and others never do (SCL-1). */
export function trunkOf(job: Job): string {
  const { model, recipe } = candidateOf(job);
  const { steps: _, ...trunk } = recipe;
  return contentHash({
    evaluator: job.evaluator,
    deviceClass: job.deviceClass,
    data: dataOf(job).digest,
    model,
    recipe: trunk,
    seed: job.seed,
  } as Json).slice(0, 32);
}

export interface TrainerJobParts {
  readonly model: ScaleModel;
  readonly recipe: Omit<Recipe, 'steps'>;
  /** Of each budget, ascending. */
  readonly steps: readonly number[];
  readonly data: { readonly folder: string; readonly digest: string };
  readonly seed: number;
  readonly device: DeviceClass;
  readonly resources?: Pick<Resources, 'parallel' | 'checkpointSeconds' | 'peakFlops'> | undefined;
}

/** The job of the trainer, of which one budget after the other is trained. */
export function trainerJob({ model, recipe, steps, data, seed, device, resources }: TrainerJobParts): Json {
  const { micro_batch, optimiser, precision, validation_sequences, ...schedule } = recipe;
  return {
    v: 1,
    model: { ...model, pattern: [...readArchitecture(model.pattern)] },
    data,
    schedule: { ...schedule, budgets: steps.map((each) => ({ name: `steps-${each}`, steps: each })) },
    optimiser,
    precision,
    validation_sequences,
    seed,
    machine: {
      device,
      threads: 1,
      micro_batch,
      parallel: resources?.parallel ?? 'none',
      checkpoint_seconds: resources?.checkpointSeconds ?? 600,
      peak_flops: resources?.peakFlops ?? 0,
    },
  };
}

export interface TrainerPlace {
  readonly device: Device;
  readonly python: string;
  /** The data folder, and the storage of the worker. */
  readonly data: string;
  readonly storage: string;
  /** Folders of own primitives. */
  readonly primitives: readonly string[];
}

/**
 * Writes the trainer's job into the folder of its run and returns the command that trains it.
 *
 * @param env environment of the host, of which a trainer inherits a few variables.
 * @throws PrerequisiteError `scale-storage` if the folder cannot be written.
 */
export function trainerCommand(
  job: Job,
  { device, python, data, storage, primitives }: TrainerPlace,
  env: Readonly<Record<string, string | undefined>> = process.env,
): WorkerCommand {
  const { model, recipe } = candidateOf(job);
  const { steps, ...rest } = recipe;
  const { corpus, digest } = dataOf(job);
  const folder = join(storage, trunkOf(job));
  const file = join(folder, `${job.key.slice(0, 16)}.json`);
  const { seed, deviceClass, resources } = job;
  const own = { folder: join(data, corpus), digest };
  const value = trainerJob({ model, recipe: rest, steps: [steps], data: own, seed, device: deviceClass, resources });
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, JSON.stringify(value));
  } catch (thrown) {
    const message = `${folder} cannot be written: ${errorMessage(thrown)}`;
    throw new PrerequisiteError('scale-storage', message, 'free space or choose another storage folder', {
      cause: thrown,
    });
  }
  const devices = resources?.devices ?? 1;
  const launcher = devices > 1 ? ['-m', 'torch.distributed.run', '--standalone', `--nproc_per_node=${devices}`] : [];
  const variables = childEnvironment(env);
  return {
    program: python,
    args: [...launcher, '-m', 'aira_scale', 'run', '--job', file, '--folder', folder, '--attached'],
    cwd: trainersDirectory,
    env: {
      ...variables,
      ...trainerVariables(device.name),
      ...primitivesEnvironment(primitives),
      ...visibleDevices(device, devices, variables.CUDA_VISIBLE_DEVICES),
      PYTHONPATH: trainersDirectory,
    },
  };
}

/** The GPUs of a worker, of those that its host may use: `cuda:2` with two devices has the third and the fourth. */
function visibleDevices(device: Device, count: number, inherited: string | undefined): Record<string, string> {
  if (device.class === 'cpu') return {};
  const first = Number(device.name.split(':')[1] ?? 0);
  const all = inherited?.split(',').map((each) => each.trim()) ?? [];
  const chosen = Array.from({ length: count }, (_, index) => all[first + index] ?? String(first + index));
  return { CUDA_VISIBLE_DEVICES: chosen.join(',') };
}
