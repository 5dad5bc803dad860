import type { SpaceKind } from '../domain/candidate.ts';
import type { DeviceClass } from '../domain/task.ts';
import type { Clock, Device, Logger, Timers } from '../platform/index.ts';
import { ContentGuard } from './contentGuard.ts';
import type { Evaluator } from './evaluator.ts';
import { OwnTasks } from './ownTasks.ts';
import { ProgramEvaluator } from './programs/programEvaluator.ts';
import { designVersion } from './programs/version.ts';
import { engineFor, evaluatorVersion } from './stacks/engine.ts';
import { NativeWorker } from './stacks/nativeWorker.ts';
import { workerCommand } from './stacks/workerCommand.ts';

export interface EvaluatorOptions {
  readonly device: Device;
  /** The interpreter, absolute. */
  readonly python: string;
  /** Imported data; null where there are none. */
  readonly data: string | null;
  /** Task directories by others that this machine runs, beside the shipped ones. Absolute. */
  readonly tasks: readonly string[];
  /** Run programs without a sandbox, with this user's rights. */
  readonly unsafe: boolean;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** The evaluator of a device for candidates of that kind. Nothing is started before `start`. */
export function openEvaluator(kind: SpaceKind, setting: EvaluatorOptions): Evaluator {
  const guarded = new ContentGuard(() => openTrainer(kind, setting), setting.data);
  return kind === 'program' ? new OwnTasks(guarded, setting.tasks) : guarded;
}

function openTrainer(kind: SpaceKind, setting: EvaluatorOptions): Evaluator {
  if (kind === 'program') return new ProgramEvaluator(setting);
  const { device, python, data, clock, timers, log } = setting;
  const command = workerCommand({ python, device: device.name, data });
  return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes, clock, timers, log });
}

/** The version that evaluators of that kind have here, known before one is started. */
export function versionFor(kind: SpaceKind, deviceClass: DeviceClass): string {
  if (kind === 'program') return designVersion();
  return evaluatorVersion(engineFor(deviceClass).engine);
}
