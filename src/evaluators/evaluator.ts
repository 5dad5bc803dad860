import type { Job } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import type { OnOutcome } from './population.ts';

/** What an evaluator says of itself before it is given work. */
export interface EvaluatorHello {
  /** What decides a score, as `<name>-<hash>`: equal to that of every job it takes (I2). */
  readonly evaluator: string;
  /** As torch names it: `cpu`, `cuda:0`. */
  readonly device: string;
  readonly deviceName: string;
  /** How many jobs with equal `batchKey` it trains together; default: one after the other. */
  readonly populationSize?: number;
}

export interface Progress {
  readonly key: EvaluationKey;
  readonly step: number;
  readonly steps: number;
  /** The score so far; null before there is one. */
  readonly score: number | null;
}

/** Called while a request runs. They must not throw. */
export interface EvaluateHandlers {
  readonly onOutcome: OnOutcome;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the request early; jobs without an outcome are `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * One device's judge of one kind of candidate: give it jobs, get outcomes. Nothing of it knows queues or deliveries.
 *
 *   E1  `evaluate` resolves when every job has got exactly one outcome, whatever the candidate does. It rejects only
 *       while no job has begun.
 *   E2  When `evaluate` resolves, nothing of its candidates runs any more. After `stop` nothing at all does.
 *   E3  Figures of an outcome are fitness: more is better (`fitnessOf` of domain/metric.ts).
 */
export interface Evaluator {
  /**
   * The hello; starts what has to be started. May be asked again at no cost.
   *
   * @throws RetryableError where another try may succeed; PrerequisiteError where a person has to mend something.
   */
  start(): Promise<EvaluatorHello>;
  /** @throws all that `start` throws; TerminalError for jobs that are not for this evaluator. */
  evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void>;
  /** Ends what is under way. Never rejects. */
  stop(): Promise<void>;
}
