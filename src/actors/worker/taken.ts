import type { Delivery } from '../../bus/index.ts';
import type { Outcome } from '../../domain/evaluation.ts';
import type { EvaluationKey } from '../../domain/ids.ts';

/** A job in hand, with the worker's own number for the training of it. */
export interface Taken {
  readonly delivery: Delivery;
  readonly attempt: number;
}

/** What came of each job of a training. */
export type Outcomes = ReadonlyMap<EvaluationKey, Outcome>;
