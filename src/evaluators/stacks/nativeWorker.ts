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

import { serves } from '../../domain/architecture.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { Job } from '../../domain/evaluation.ts';
import {
  type Clock,
  createLogger,
  type Deferred,
  deferred,
  deviceClassOf,
  type Logger,
  type MemoryProbe,
  procMemory,
  systemClock,
  systemTimers,
  type Timers,
} from '../../platform/index.ts';
import { type EvaluateHandlers, type Evaluator, Population, type Verdict } from '../evaluator.ts';
import type { Hello, WorkerEvent } from '../protocol.ts';
import { describeEnd, diagnose, type ProcessEnd, Trainer, type WorkerCommand, WorkerStartError } from './trainer.ts';

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
