import type { Bus } from '../../bus/index.ts';
import type { WorkerId } from '../../domain/ids.ts';
import type { SpaceKind } from '../../domain/space.ts';
import type { DeviceClass } from '../../domain/task.ts';
import type { Evaluator } from '../../evaluators/index.ts';
import type { Clock } from '../../platform/clock.ts';
import type { Logger } from '../../platform/log.ts';
import type { Timers } from '../../platform/timers.ts';

/** What a worker is made of. */
export interface WorkerParts {
  readonly id: WorkerId;
  readonly deviceClass: DeviceClass;
  readonly bus: Bus;
  /** The judge of each kind of candidate that this worker takes. */
  readonly evaluators: ReadonlyMap<SpaceKind, Evaluator>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  /** How often a worker says of the jobs in its hands that they are not forgotten; well below the queue's patience. */
  readonly heartbeatMs: number;
}
