import type { Architecture } from '../domain/architecture.ts';
import { type Candidate, stackSpace } from '../domain/candidate.ts';
import { TerminalError } from '../domain/errors.ts';
import {
  type FailureReason,
  failureReasonSchema,
  failureSchema,
  type Job,
  type Measurement,
  type Outcome,
} from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import type { Checkpoint } from '../domain/scale.ts';
import { fitnessOf } from '../domain/task.ts';
import { type Clock, printable } from '../platform/index.ts';
import type { FailedEvent, ProgressEvent, ResultEvent, WorkerRequest } from './protocol.ts';

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

/**
 * The candidates of one request, and which of them still lack an outcome.
 *
 * Role: turns the worker's events for a member into the member's outcome. Non-role: the process, deadlines.
 *
 * POP-1. Each member gets exactly one outcome.
 * POP-2. The worker determines a score only by a complete, finite result for a requested member. A test score that was not
 *        requested is rejected, as is a result without the requested score (I3, I4).
 * POP-3. The seconds of failures and the gaps between results add up to the wall-clock time of the request.
 */

const longestMessage = 2000;

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

function layersOf(candidate: Candidate): Architecture {
  if (candidate.kind !== 'stack') throw new TerminalError('population', 'expected a stack candidate, got a program');
  return candidate.architecture;
}

/** Sub-task scores without those that were not measured. */
function measured(tasks: ResultEvent['tasks']): Measurement['tasks'] {
  const present = (entry: [string, number | null]): entry is [string, number] => entry[1] !== null;
  return Object.fromEntries(
    Object.entries(tasks).map(([name, figures]) => [name, Object.fromEntries(Object.entries(figures).filter(present))]),
  );
}

export class Population {
  readonly #request: Extract<WorkerRequest, { op: 'evaluate' }>;
  readonly #pending: Map<EvaluationKey, Job>;
  readonly #device: string;
  readonly #clock: Clock;
  readonly #onOutcome: OnOutcome;
  /** Last reported progress of each member. */
  readonly #reached = new Map<EvaluationKey, string>();
  /** Time up to which the request's wall-clock time is attributed to members. */
  #attributed: number;

  /** @throws TerminalError for an empty population, a repeated key, or jobs that one request cannot train. */
  constructor(id: string, jobs: readonly Job[], device: string, clock: Clock, onOutcome: OnOutcome) {
    const [first] = jobs;
    if (!first) throw new TerminalError('population', 'a request needs at least one job');
    this.#pending = new Map(jobs.map((job) => [job.key, job]));
    if (this.#pending.size !== jobs.length) throw new TerminalError('population', 'a request names a job twice');
    if (jobs.some((job) => batchKey(job) !== batchKey(first))) {
      throw new TerminalError('population', 'jobs of one request must share evaluator, space and settings');
    }
    const { layers, primitives } = stackSpace(first.space);
    this.#request = {
      op: 'evaluate',
      id,
      proxy: first.settings as { [key: string]: Json },
      space: { layers, primitives },
      population: jobs.map(({ key, candidate, seed, measure }) => ({
        key,
        architecture: layersOf(candidate),
        seed,
        measure,
      })),
    };
    this.#device = device;
    this.#clock = clock;
    this.#onOutcome = onOutcome;
    this.#attributed = clock.monotonic();
  }

  get request() {
    return this.#request;
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Handles a progress event. Returns its problem, if any. */
  progress({ key, step, steps, score }: ProgressEvent): string | null {
    const job = this.#pending.get(key);
    if (!job) return 'progress of a candidate that is not training';
    const figure = score === null || job.measure === 'test' ? '' : `, score ${Number(score.toPrecision(3))}`;
    this.#reached.set(key, `reached step ${step} of ${steps}${figure}`);
    return null;
  }

  /** Handles a result. Returns its problem, if any (POP-2). */
  result({ event: _, id: __, key, ...figures }: ResultEvent): string | null {
    const job = this.#pending.get(key);
    if (!job) return 'a result for a candidate without a pending training';
    const tasks = measured(figures.tasks);
    const testFigures = [figures.test, ...Object.values(tasks).map((task) => task.test)].some((test) => test != null);
    if (job.measure === 'validation' && testFigures) return 'a test score that was not requested';
    if (job.measure === 'validation' && figures.validation === null) return 'a result without a validation score';
    if (job.measure === 'test' && figures.test === null) return 'a result without the test score';
    // Metrics of which more is better are fractions of correct answers.
    const outside = (figure: number | null) => figure !== null && !job.lowerIsBetter && (figure < 0 || figure > 1);
    if (outside(figures.validation) || outside(figures.test)) return 'a score outside [0, 1]';
    this.#take(1);
    const fitness = (figure: number | null) => (figure === null ? null : fitnessOf(figure, job.lowerIsBetter));
    const scores = { validation: fitness(figures.validation), test: fitness(figures.test) };
    this.#give(key, { status: 'ok', ...figures, ...scores, tasks } satisfies Measurement);
    return null;
  }

  /** Handles a failure event. A cancellation gets the host's reason for it. */
  failed(event: FailedEvent, interrupted: Verdict | null): string | null {
    if (!this.#pending.has(event.key)) return 'a failure of a candidate without a pending training';
    const verdict = event.reason === 'cancelled' && interrupted ? interrupted : event;
    this.#fail(event.key, verdict, this.#take(1));
    return null;
  }

  /** Gives all members without an outcome this one, with equal shares of the time. */
  settle(verdict: Verdict): void {
    const seconds = this.#take(this.#pending.size);
    for (const key of [...this.#pending.keys()]) this.#fail(key, verdict, seconds);
  }

  /** Attributes the remaining wall-clock time to `heads` members; returns the seconds of each. */
  #take(heads: number): number {
    const now = this.#clock.monotonic();
    const seconds = (now - this.#attributed) / 1000 / Math.max(1, heads);
    this.#attributed = now;
    return seconds;
  }

  #fail(key: EvaluationKey, { reason, message }: Verdict, seconds: number): void {
    // The progress helps to debug a timeout.
    const reached = reason === 'timeout' ? this.#reached.get(key) : undefined;
    const text = printable(reached ? `${message}; ${reached}` : message, { lines: true, width: longestMessage }).trim();
    this.#give(key, failureSchema.parse({ status: 'failed', reason, message: text, seconds, device: this.#device }));
  }

  #give(key: EvaluationKey, outcome: Outcome): void {
    this.#pending.delete(key);
    this.#onOutcome(key, outcome);
  }
}
