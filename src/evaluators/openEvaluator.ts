import { PrerequisiteError } from '../domain/errors.ts';
import type { SpaceKind } from '../domain/space.ts';
import type { DeviceClass } from '../domain/task.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { Timers } from '../platform/timers.ts';
import type { Device } from './devices.ts';
import { engineFor } from './engine.ts';
import type { Evaluator } from './evaluator.ts';
import { evaluatorVersion } from './evaluatorVersion.ts';
import { NativeWorker } from './nativeWorker.ts';
import { workerCommand } from './workerCommand.ts';

export interface EvaluatorSetting {
  readonly device: Device;
  /** The interpreter, absolute. */
  readonly python: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

const missing = () =>
  new PrerequisiteError('design', 'this Aira cannot run programs', 'choose a task that arranges layers');

/** The evaluator of a device for candidates of that kind. Nothing is started before `start`. */
export function openEvaluator(kind: SpaceKind, { device, python, ...host }: EvaluatorSetting): Evaluator {
  if (kind === 'program') throw missing();
  const command = workerCommand({ python, device: device.name });
  return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes, ...host });
}

/** The version that evaluators of that kind have here, known before one is started. */
export function versionFor(kind: SpaceKind, deviceClass: DeviceClass): string {
  if (kind === 'program') throw missing();
  return evaluatorVersion(engineFor(deviceClass).engine);
}
