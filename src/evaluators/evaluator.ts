import { type FailureReason, failureReasonSchema, type Job, type Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import type { Checkpoint } from '../domain/scale.ts';

/** The interface of all evaluators. */

/** An evaluator's self-description, before it gets work. */
export interface EvaluatorHello {
  /** Version of everything that determines a score, as `<name>-<hash>`: it `serves` every job it takes (I2). */
  readonly evaluator: string;
  /** Torch's name: `cpu`, `cuda:0`. */
  readonly device: string;
  readonly deviceName: string;
  /** Number of jobs with equal `batchKey` to train together; default: one at a time. */
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
  /** A training's state is on the user's storage. */
  readonly onCheckpoint?: (key: EvaluationKey, checkpoint: Checkpoint) => void;
  /** Ends the request early; jobs without an outcome are `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * Evaluates one kind of candidate on one device: takes jobs, returns outcomes. It knows no queues or deliveries.
 *
 * EVL-1. `evaluate` resolves when every job has exactly one outcome, whatever the candidate does. It rejects only while no job
 *        has started.
 * EVL-2. When `evaluate` resolves, nothing of its candidates runs any more. After `stop`, nothing at all does.
 * EVL-3. Scores of an outcome are fitness: more is better (`fitnessOf` of domain/task.ts).
 */
export interface Evaluator {
  /**
   * Starts what is needed and returns the hello. Repeated calls are free.
   *
   * @throws RetryableError if a retry may succeed; PrerequisiteError if a person must fix something.
   */
  start(): Promise<EvaluatorHello>;
  /** @throws the errors of `start`; TerminalError for jobs of another evaluator. */
  evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void>;
  /** Why this device cannot train the job, which then stays in the queue for another one; null if it can. */
  refuses?(job: Job): string | null;
  /** Ends the current request. Never rejects. */
  stop(): Promise<void>;
}

/** Why members have no score. */
export interface Verdict {
  readonly reason: FailureReason;
  readonly message: string;
}

/** Reasons that the processes around a program may give (`gpu-workers/aira_design/failures.py`). */
export const programReasonSchema = failureReasonSchema.extract([
  ...(['invalid', 'nan', 'oom', 'crash', 'toobig', 'noncausal', 'tampered', 'over-budget'] as const),
]);

export type OnOutcome = (key: EvaluationKey, outcome: Outcome) => void;

/** Equal for jobs that one request can train: they share space, settings and data, and differ in candidate and seed. */
export function batchKey({
  evaluator,
  space,
  settings,
  content,
}: Pick<Job, 'evaluator' | 'space' | 'settings' | 'content'>): string {
  return canonicalJson({ evaluator, space, settings: settings as Json, data: content?.data ?? null });
}
