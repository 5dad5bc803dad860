/**
 * A device's trainer as the rest of the house sees it: give it jobs, get outcomes.
 *
 * Role: the host's side of the worker protocol. It keeps one long-lived child, gives it one population at a time, enforces
 * deadlines, and turns every way of ending into outcomes. Not its role: queues and deliveries, how often a job that kills
 * its worker is tried again, what a score means.
 *
 *   W1  `evaluate` resolves when every job has got exactly one outcome, whatever the child does. It rejects only while no
 *       job has begun: the child cannot be started, or the jobs are not for this worker.
 *   W2  At most one child lives, and at most one request is under way.
 *   W3  A training ends at its deadline: `cancel`, and after a grace SIGKILL to the process group. Nothing that the child
 *       does or ignores moves the deadline.
 *   W4  When `evaluate` resolves, the child trains none of its candidates any more: it is idle, or has been killed.
 *   W5  A child that has ended is replaced by the next `evaluate` or `start`, and not before. After `stop` there is no other.
 *   W6  The child ends with this process, however this process ends (P4 of workerProcess.ts).
 */

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
import { describeEnd, diagnose, Trainer, WorkerStartError } from './trainer.ts';
import type { ProcessEnd, WorkerCommand } from './workerProcess.ts';

export interface NativeWorkerOptions {
  readonly command: WorkerCommand;
  /** Resident bytes above which the child is killed. */
  readonly memoryLimitBytes: number;
  /** From start to hello; importing torch from a cold disk takes tens of seconds. */
  readonly helloTimeoutMs?: number;
  /** From a polite order to SIGKILL, and from SIGKILL to giving the process up. */
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
  /** Calls off timers and listeners. */
  readonly callOff: (() => void)[];
  readonly outOfMemoryKills: number | null;
  /** Why the host asked for an early end. */
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

  /** The process id of the living child. */
  get pid(): number | undefined {
    return this.#trainer?.process.pid;
  }

  /**
   * The hello of the living child; starts one where there is none.
   *
   * @throws WorkerStartError when the child ends, hangs or talks nonsense before its hello; PrerequisiteError when the
   * program cannot be run or speaks another protocol version; TerminalError `worker-stopped` after `stop`.
   */
  async start(): Promise<Hello> {
    const { hello } = await this.#ready();
    return hello;
  }

  /**
   * Trains the jobs' candidates together and hands over the outcome of each as soon as there is one (W1, W4). The time
   * allowed is the sum of the jobs' own, since a device may train them one after the other.
   *
   * @throws all that `start` throws; TerminalError for a second call at a time (`worker-busy`), jobs of another evaluator
   * or device class (`evaluator-mismatch`) or jobs that do not go together (`population`). No job has then got an outcome.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (this.#busy) throw new TerminalError('worker-busy', 'this worker is training already');
    this.#busy = true;
    try {
      const { trainer, hello } = await this.#ready();
      const own = `${hello.evaluator} on ${deviceClassOf(hello.device)}`;
      for (const { evaluator, deviceClass } of jobs) {
        const wanted = `${evaluator} on ${deviceClass}`;
        if (wanted !== own)
          throw new TerminalError('evaluator-mismatch', `a job is for ${wanted}; this worker is ${own}`);
      }
      this.#requests += 1;
      const id = `r${this.#requests}`;
      const population = new Population(id, jobs, hello.device, this.#options.clock, handlers.onOutcome);
      await this.#begin(trainer, population, jobs, handlers);
    } finally {
      this.#busy = false;
    }
  }

  /** Ends the child: politely, and after a grace by SIGKILL. Jobs without an outcome are `cancelled`. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (!this.#trainer) return;
    const verdict: Verdict = { reason: 'cancelled', message: 'the worker was stopped' };
    this.#interrupt(verdict);
    this.#trainer.dismiss(verdict, stoppedError());
    await this.#trainer.ended;
  }

  async #ready(): Promise<{ trainer: Trainer; hello: Hello }> {
    while (this.#trainer?.condemned) await this.#trainer.ended;
    if (this.#stopped) throw stoppedError();
    this.#trainer ??= this.#spawn();
    const trainer = this.#trainer;
    const hello = await trainer.hello.catch((error: Error) => {
      throw this.#stopped ? stoppedError() : error;
    });
    if (this.#stopped) throw stoppedError();
    if (this.#trainer !== trainer || trainer.condemned) {
      throw new WorkerStartError('the trainer process ended as soon as it had started');
    }
    return { trainer, hello };
  }

  #spawn(): Trainer {
    const trainer: Trainer = new Trainer(this.#options, {
      onEvent: (event) => this.#take(event),
      onEnd: (end) => this.#lose(trainer, end),
    });
    return trainer;
  }

  /** Sends the request and answers when all its members have an outcome. */
  #begin(trainer: Trainer, population: Population, jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    const { timers, memory } = this.#options;
    const { signal } = handlers;
    const seconds = jobs.reduce((sum, job) => sum + job.timeoutSeconds, 0);
    const timeout: Verdict = { reason: 'timeout', message: `the training did not end within ${seconds} s` };
    const cancel = () => this.#interrupt({ reason: 'cancelled', message: 'the training was cancelled' });
    const run: Run = {
      population,
      handlers,
      finished: deferred(),
      callOff: [
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

  /** Asks for an early end of the request under way; the first to ask decides the reason. */
  #interrupt(verdict: Verdict): void {
    const run = this.#run;
    const trainer = this.#trainer;
    if (!run || !trainer || run.interrupted) return;
    run.interrupted = verdict;
    trainer.process.send({ op: 'cancel', id: run.population.request.id });
    run.callOff.push(this.#options.timers.after(this.#options.graceMs, () => trainer.terminate(verdict)));
  }

  /** Takes an event of the child. Answers what is wrong with it, if anything is. */
  #take(event: WorkerEvent): string | null {
    const run = this.#run;
    if (!run) return 'an event without a request';
    if (event.event === 'error') return 'a request was refused';
    if (event.id !== run.population.request.id) return 'an event of another request';
    switch (event.event) {
      case 'progress': {
        const wrong = run.population.progress(event);
        if (wrong) return wrong;
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

  /** The child has ended: whoever still owes an outcome gets one. */
  #lose(trainer: Trainer, end: ProcessEnd): void {
    this.#trainer = null;
    const { stderr } = trainer.process;
    if (!this.#stopped) {
      const context = { end: describeEnd(end), condemned: trainer.condemned, stderr: stderr.text() };
      this.#options.log.info(context, 'the trainer process ended');
    }
    const run = this.#run;
    if (!run) return;
    const kills = this.#options.memory.outOfMemoryKills();
    const grown = kills === null || run.outOfMemoryKills === null ? null : kills - run.outOfMemoryKills;
    this.#finish(run, trainer.condemned ?? run.interrupted ?? diagnose(end, stderr, grown));
  }

  #finish(run: Run, verdict: Verdict | null): void {
    this.#run = null;
    for (const callOff of run.callOff) callOff();
    if (verdict) run.population.settle(verdict);
    run.finished.resolve();
  }
}
