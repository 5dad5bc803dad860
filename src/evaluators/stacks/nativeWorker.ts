/**
 * The trainer of a device: takes jobs, returns outcomes.
 *
 * Role: the host's side of the worker protocol. It owns one long-lived child, gives it one population at a time, enforces
 * deadlines, and turns every way of ending into outcomes. Non-role: queues and deliveries, retries of a job that kills its
 * worker, the meaning of a score.
 *
 * NAT-1. `evaluate` resolves when every job has exactly one outcome, whatever the child does. It rejects only while no job has
 *        started: the child cannot start, or the jobs are not for this worker.
 * NAT-2. At most one child is alive, and at most one request is in progress.
 * NAT-3. A training ends at its deadline: `cancel`, and after a grace period SIGKILL to the process group. Nothing that the
 *        child does or ignores moves the deadline.
 * NAT-4. When `evaluate` resolves, the child trains none of its candidates any more: it is idle or dead.
 * NAT-5. A dead child is replaced by the next `evaluate` or `start`, not before. After `stop` there is no other.
 * NAT-6. The child ends with this process, however this process ends (PRC-4).
 */

import { type Architecture, serves } from '../../domain/architecture.ts';
import { type Candidate, stackSpace } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import { failureSchema, type Job, type Measurement, type Outcome } from '../../domain/evaluation.ts';
import type { EvaluationKey } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import { fitnessOf } from '../../domain/task.ts';
import {
  type Clock,
  createLogger,
  type Deferred,
  deferred,
  deviceClassOf,
  type Logger,
  type MemoryProbe,
  printable,
  procMemory,
  systemClock,
  systemTimers,
  type Timers,
} from '../../platform/index.ts';
import { batchKey, type EvaluateHandlers, type Evaluator, type OnOutcome, type Verdict } from '../evaluator.ts';
import {
  describeEnd,
  diagnose,
  type FailedEvent,
  type Hello,
  type ProcessEnd,
  type ProgressEvent,
  type ResultEvent,
  Trainer,
  type WorkerCommand,
  type WorkerEvent,
  type WorkerRequest,
  WorkerStartError,
} from './trainer.ts';

export interface NativeWorkerOptions {
  readonly command: WorkerCommand;
  /** Resident bytes above which the child is killed. */
  readonly memoryLimitBytes: number;
  /** From start to hello; importing torch from a cold disk takes tens of seconds. */
  readonly helloTimeoutMs?: number;
  /** From a shutdown request to SIGKILL, and from SIGKILL to abandoning the process. */
  readonly graceMs?: number;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly memory?: MemoryProbe;
  readonly log?: Logger;
}

const longestMessage = 2000;

interface Run {
  readonly population: Population;
  readonly handlers: EvaluateHandlers;
  readonly finished: Deferred<void>;
  /** Cancels timers and listeners. */
  readonly cancellers: (() => void)[];
  readonly outOfMemoryKills: number | null;
  /** Why the host requested an early end. */
  interrupted: Verdict | null;
}

const stoppedError = () => new TerminalError('worker-stopped', 'this worker has been stopped');

export class NativeWorker implements Evaluator {
  readonly #options: Required<NativeWorkerOptions>;
  #trainer: Trainer | null = null;
  #run: Run | null = null;
  #busy = false;
  #stopped = false;
  #requests = 0;

  constructor(options: NativeWorkerOptions) {
    this.#options = {
      helloTimeoutMs: 120_000,
      graceMs: 5000,
      clock: systemClock,
      timers: systemTimers,
      memory: procMemory,
      log: createLogger('native-worker'),
      ...options,
    };
  }

  /** The process id of the live child. */
  get pid(): number | undefined {
    return this.#trainer?.process.pid;
  }

  /**
   * The hello of the live child, its evaluator version with all primitives that it can train; starts one if necessary.
   *
   * @throws WorkerStartError if the child exits, hangs or violates the protocol before its hello; PrerequisiteError if the
   * program cannot run or has another protocol version; TerminalError `worker-stopped` after `stop`.
   */
  async start(): Promise<Hello> {
    const { hello } = await this.#ready();
    return hello;
  }

  /**
   * Trains the jobs' candidates together and reports each outcome as soon as it is known (NAT-1, NAT-4). The time limit is the
   * sum of the jobs' limits, because a device may train them one after the other.
   *
   * @throws the errors of `start`; TerminalError for a concurrent call (`worker-busy`), jobs of another evaluator or device
   * class (`evaluator-mismatch`) or jobs that cannot train together (`population`). No job has an outcome then.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (this.#busy) throw new TerminalError('worker-busy', 'this worker is already training');
    this.#busy = true;
    try {
      const { trainer, hello } = await this.#ready();
      const own = hello.evaluator;
      const ownClass = deviceClassOf(hello.device);
      for (const { evaluator, deviceClass } of jobs) {
        if (serves(own, evaluator) && deviceClass === ownClass) continue;
        const message = `job for ${evaluator} on ${deviceClass}, but this worker is ${own} on ${ownClass}`;
        throw new TerminalError('evaluator-mismatch', message);
      }
      this.#requests += 1;
      const id = `r${this.#requests}`;
      const population = new Population(id, jobs, hello.device, this.#options.clock, handlers.onOutcome);
      await this.#begin(trainer, population, jobs, handlers);
    } finally {
      this.#busy = false;
    }
  }

  /** Asks the child to exit, and kills it after a grace period. Jobs without an outcome are `cancelled`. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (!this.#trainer) return;
    const verdict: Verdict = { reason: 'cancelled', message: 'the worker was stopped' };
    this.#interrupt(verdict);
    this.#trainer.shutdown(verdict, stoppedError());
    await this.#trainer.ended;
  }

  async #ready(): Promise<{ trainer: Trainer; hello: Hello }> {
    while (this.#trainer?.terminated) await this.#trainer.ended;
    if (this.#stopped) throw stoppedError();
    this.#trainer ??= this.#spawn();
    const trainer = this.#trainer;
    const hello = await trainer.hello.catch((error: Error) => {
      throw this.#stopped ? stoppedError() : error;
    });
    if (this.#stopped) throw stoppedError();
    if (this.#trainer !== trainer || trainer.terminated) {
      throw new WorkerStartError('the trainer process exited immediately after its start');
    }
    return { trainer, hello };
  }

  #spawn(): Trainer {
    const trainer: Trainer = new Trainer(this.#options, {
      onEvent: (event) => this.#take(event),
      onEnd: (end) => this.#onExit(trainer, end),
    });
    return trainer;
  }

  /** Sends the request; resolves when all its members have an outcome. */
  #begin(trainer: Trainer, population: Population, jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    const { timers, memory } = this.#options;
    const { signal } = handlers;
    const seconds = jobs.reduce((sum, job) => sum + job.timeoutSeconds, 0);
    const timeout: Verdict = { reason: 'timeout', message: `the training timed out after ${seconds} s` };
    const cancel = () => this.#interrupt({ reason: 'cancelled', message: 'the training was cancelled' });
    const run: Run = {
      population,
      handlers,
      finished: deferred(),
      cancellers: [
        timers.after(seconds * 1000, () => this.#interrupt(timeout)),
        () => signal?.removeEventListener('abort', cancel),
      ],
      outOfMemoryKills: memory.outOfMemoryKills(),
      interrupted: null,
    };
    this.#run = run;
    trainer.process.send(population.request);
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    return run.finished.promise;
  }

  /** Requests an early end of the current request; the first reason counts. */
  #interrupt(verdict: Verdict): void {
    const run = this.#run;
    const trainer = this.#trainer;
    if (!run || !trainer || run.interrupted) return;
    run.interrupted = verdict;
    trainer.process.send({ op: 'cancel', id: run.population.request.id });
    run.cancellers.push(this.#options.timers.after(this.#options.graceMs, () => trainer.terminate(verdict)));
  }

  /** Handles an event of the child. Returns its problem, if any. */
  #take(event: WorkerEvent): string | null {
    const run = this.#run;
    if (!run) return 'an event without a request';
    if (event.event === 'error') return 'a request was refused';
    if (event.id !== run.population.request.id) return 'an event of another request';
    switch (event.event) {
      case 'progress': {
        const problem = run.population.progress(event);
        if (problem) return problem;
        run.handlers.onProgress?.({ key: event.key, step: event.step, steps: event.steps, score: event.score });
        return null;
      }
      case 'result':
        return run.population.result(event);
      case 'failed':
        return run.population.failed(event, run.interrupted);
      case 'done':
        if (run.population.pending > 0 && !run.interrupted) return 'the end of a request with candidates left';
        this.#finish(run, run.interrupted);
        return null;
    }
  }

  /** The child has exited: members without an outcome get one. */
  #onExit(trainer: Trainer, end: ProcessEnd): void {
    this.#trainer = null;
    const { stderr } = trainer.process;
    if (!this.#stopped) {
      const context = { end: describeEnd(end), terminated: trainer.terminated, stderr: stderr.text() };
      this.#options.log.info(context, 'the trainer process exited');
    }
    const run = this.#run;
    if (!run) return;
    const kills = this.#options.memory.outOfMemoryKills();
    const increase = kills === null || run.outOfMemoryKills === null ? null : kills - run.outOfMemoryKills;
    this.#finish(run, trainer.terminated ?? run.interrupted ?? diagnose(end, stderr, increase));
  }

  #finish(run: Run, verdict: Verdict | null): void {
    this.#run = null;
    for (const cancel of run.cancellers) cancel();
    if (verdict) run.population.settle(verdict);
    run.finished.resolve();
  }
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
class Population {
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
