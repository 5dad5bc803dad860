import type { Architecture } from '../domain/architecture.ts';
import { type Candidate, stackSpace } from '../domain/candidate.ts';
import { canonicalJson, type Json } from '../domain/canonical.ts';
import { TerminalError } from '../domain/errors.ts';
import { type FailureReason, failureSchema, type Job, type Measurement, type Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { fitnessOf } from '../domain/task.ts';
import { type Clock, printable } from '../platform/index.ts';
import type { FailedEvent, ProgressEvent, ResultEvent, WorkerRequest } from './protocol.ts';

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

/**
 * The candidates of one request and who of them still owes an outcome.
 *
 * Role: turns what the worker says about a member into the member's outcome. Not its role: the process, deadlines.
 *
 *   M1  Each member gets exactly one outcome.
 *   M2  The worker decides a number only by a complete, finite result for a member that was asked for. A test figure
 *       where none was asked for is refused, as is a result without the figure that was (I3, I4).
 *   M3  The seconds of failures and the gaps between results add up to the wall-clock time of the request.
 */

const longestMessage = 2000;

/** Why members get no score. */
export interface Verdict {
  readonly reason: FailureReason;
  readonly message: string;
}

export type OnOutcome = (key: EvaluationKey, outcome: Outcome) => void;

/** Jobs with equal texts can be trained by one request: they share space, settings and data, and differ in candidate and seed. */
export function batchKey({
  evaluator,
  space,
  settings,
  content,
}: Pick<Job, 'evaluator' | 'space' | 'settings' | 'content'>): string {
  return canonicalJson({ evaluator, space, settings: settings as Json, data: content?.data ?? null });
}

function layersOf(candidate: Candidate): Architecture {
  if (candidate.kind !== 'stack')
    throw new TerminalError('population', 'this trainer arranges layers; it runs no programs');
  return candidate.architecture;
}

/** Sub-task figures without those that were not measured. */
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
  /** How far each member was when it was last heard of. */
  readonly #reached = new Map<EvaluationKey, string>();
  /** Up to when the request's time has been attributed to members. */
  #attributed: number;

  /** @throws TerminalError for an empty population, a repeated key, or jobs that cannot be trained by one request. */
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

  /** Takes a sign of how far a member is. Answers what is wrong with it, if anything is. */
  progress({ key, step, steps, score }: ProgressEvent): string | null {
    const job = this.#pending.get(key);
    if (!job) return 'progress of a candidate that is not in training';
    const figure = score === null || job.measure === 'test' ? '' : `, its score then ${Number(score.toPrecision(3))}`;
    this.#reached.set(key, `it had reached step ${step} of ${steps}${figure}`);
    return null;
  }

  /** Takes a result. Answers what is wrong with it, if anything is (M2). */
  result({ event: _, id: __, key, ...figures }: ResultEvent): string | null {
    const job = this.#pending.get(key);
    if (!job) return 'a result for a candidate that owes none';
    const tasks = measured(figures.tasks);
    const testFigures = [figures.test, ...Object.values(tasks).map((task) => task.test)].some((test) => test != null);
    if (job.measure === 'validation' && testFigures) return 'a test figure that was not asked for';
    if (job.measure === 'validation' && figures.validation === null) return 'a result without a validation figure';
    if (job.measure === 'test' && figures.test === null) return 'a result without the test figure';
    // Figures of which more is better are shares of right answers.
    const outside = (figure: number | null) => figure !== null && !job.lowerIsBetter && (figure < 0 || figure > 1);
    if (outside(figures.validation) || outside(figures.test)) return 'a score that is no share';
    this.#take(1);
    const fitness = (figure: number | null) => (figure === null ? null : fitnessOf(figure, job.lowerIsBetter));
    const scores = { validation: fitness(figures.validation), test: fitness(figures.test) };
    this.#give(key, { status: 'ok', ...figures, ...scores, tasks } satisfies Measurement);
    return null;
  }

  /** Takes a failure that the worker reports. What it calls cancelled was so for the host's own reason. */
  failed(event: FailedEvent, interrupted: Verdict | null): string | null {
    if (!this.#pending.has(event.key)) return 'a failure of a candidate that owes no result';
    const verdict = event.reason === 'cancelled' && interrupted ? interrupted : event;
    this.#fail(event.key, verdict, this.#take(1));
    return null;
  }

  /** Gives every member that still owes an outcome the same one. Their time is shared out evenly. */
  settle(verdict: Verdict): void {
    const seconds = this.#take(this.#pending.size);
    for (const key of [...this.#pending.keys()]) this.#fail(key, verdict, seconds);
  }

  /** The wall-clock seconds not yet attributed to anybody, per head. */
  #take(heads: number): number {
    const now = this.#clock.monotonic();
    const seconds = (now - this.#attributed) / 1000 / Math.max(1, heads);
    this.#attributed = now;
    return seconds;
  }

  #fail(key: EvaluationKey, { reason, message }: Verdict, seconds: number): void {
    // Whoever is to mend what took too long needs to know how far it came.
    const reached = reason === 'timeout' ? this.#reached.get(key) : undefined;
    const text = printable(reached ? `${message}; ${reached}` : message, { lines: true, width: longestMessage }).trim();
    this.#give(key, failureSchema.parse({ status: 'failed', reason, message: text, seconds, device: this.#device }));
  }

  #give(key: EvaluationKey, outcome: Outcome): void {
    this.#pending.delete(key);
    this.#onOutcome(key, outcome);
  }
}
