import type { Arm, Study } from './spec.ts';

/** One run before it is run. */
export interface PlannedRun<T> {
  readonly arm: Arm;
  readonly task: T;
  readonly seed: number;
}

/**
 * The runs of a study in the order in which they are made: seed by seed, and within a seed task by task with the arms side
 * by side, another arm first each time. What changes while a study runs, such as a machine that grows slower or a model
 * that is replaced, then meets all arms alike; and a study that is cut short has whole pairs.
 */
export function interleaved<T>(study: Study, tasks: readonly T[]): PlannedRun<T>[] {
  return Array.from({ length: study.seeds }, (_, index) => index).flatMap((index) =>
    tasks.flatMap((task) =>
      study.arms.map((_arm, place) => {
        const arm = study.arms[(place + index) % study.arms.length] as Arm;
        return { arm, task, seed: index + 1 };
      }),
    ),
  );
}
