import { type OwnPrimitive, versionWith } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import type { DeviceClass } from '../domain/task.ts';
import type { Clock, Device, Logger, Timers } from '../platform/index.ts';
import { ContentGuard, OwnTasks } from './contentGuard.ts';
import type { Evaluator } from './evaluator.ts';
import { ProgramEvaluator } from './programs/programEvaluator.ts';
import { ScaleEvaluator } from './scale/evaluator.ts';
import type { ScaleWorkerOptions } from './scale/trainerJob.ts';
import { engineFor, evaluatorVersion, workerCommand } from './stacks/engine.ts';
import { NativeWorker } from './stacks/nativeWorker.ts';
import { designVersion, scaleVersion } from './version.ts';

export interface EvaluatorOptions {
  readonly device: Device;
  /** The interpreter, absolute. */
  readonly python: string;
  /** Folder of imported data, or null. */
  readonly data: string | null;
  /** Third-party task directories on this machine, in addition to the shipped ones. Absolute. */
  readonly tasks: readonly string[];
  /** Folders of the user's own primitives that it may train. Absolute. */
  readonly primitives?: readonly string[];
  /** Run programs without a sandbox, with this user's rights. */
  readonly unsafe: boolean;
  /** What a worker of runs at scale has declared; without it there is no such worker. */
  readonly scale?: ScaleWorkerOptions | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** Opens the evaluator of a device for one kind of candidate. Nothing starts before `start`. */
export function openEvaluator(kind: SpaceKind, options: EvaluatorOptions): Evaluator {
  const guarded = new ContentGuard(() => openTrainer(kind, options), options.data);
  return kind === 'program' ? new OwnTasks(guarded, options.tasks) : guarded;
}

function openTrainer(kind: SpaceKind, options: EvaluatorOptions): Evaluator {
  if (kind === 'program') return new ProgramEvaluator(options);
  if (kind === 'scale') return new ScaleEvaluator(options);
  const { device, python, data, primitives = [], clock, timers, log } = options;
  // A part of a divided GPU is chosen by the environment.
  const env = device.visible === undefined ? process.env : { ...process.env, CUDA_VISIBLE_DEVICES: device.visible };
  const command = workerCommand({ python, device: device.name, data, primitives, env });
  return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes, clock, timers, log });
}

/** The version of this machine's evaluators of that kind, without starting one; `own` are the primitives of the search. */
export function versionFor(kind: SpaceKind, deviceClass: DeviceClass, own: readonly OwnPrimitive[] = []): string {
  if (kind === 'program') return designVersion();
  const digests = Object.fromEntries(own.map(({ token, digest }) => [token, digest]));
  return versionWith(kind === 'scale' ? scaleVersion() : evaluatorVersion(engineFor(deviceClass).engine), digests);
}
