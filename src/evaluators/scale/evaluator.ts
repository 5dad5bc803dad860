/**
 * The trainer of runs at scale: one budget of one run, which may take days and several devices.
 *
 * Role: the host's side of `gpu-workers/aira_scale/protocol.py`. It starts a process (or `torchrun`) per job, passes on progress
 * and checkpoints, enforces deadline, memory and silence, and turns every way of ending into an outcome. Non-role: what the
 * trainer is given (`trainerJob.ts`), queues, retries, which budgets there are, the training itself.
 *
 * SCL-1. Jobs that differ in their budget alone share a folder below the worker's storage, named by all that decides the trunk:
 *     a job continues where another one, or an earlier process, has left it. So a kill costs the time since the last checkpoint.
 * SCL-2. `nan`, `oom` and `invalid` are outcomes of the candidate. A crash, a protocol violation or silence is `lost`, which the
 *     archive retries. A trainer that something else stopped is no outcome: the job continues on this worker or another one.
 * SCL-3. A line beyond 64 KiB, an event out of order, another trainer version: the trainer is killed, its result not used.
 * SCL-4. A job that needs more than this worker has declared is refused before its claim.
 */

import { serves, versionWith } from '../../domain/architecture.ts';
import { PrerequisiteError, RetryableError, TerminalError } from '../../domain/errors.ts';
import { failureSchema, type Job, type Measurement } from '../../domain/evaluation.ts';
import { fitnessOf } from '../../domain/task.ts';
import {
  type Clock,
  type Device,
  deferred,
  type Logger,
  type MemoryProbe,
  printable,
  procMemory,
  type Timers,
} from '../../platform/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello, Verdict } from '../evaluator.ts';
import { describeEnd, diagnose, type ProcessEnd, WorkerProcess, withStderrTail } from '../stacks/trainer.ts';
import { scaleVersion } from '../version.ts';
import { longestScaleLine, type ScaleEvent, type ScaleResult, scaleEventSchema } from './protocol.ts';
import { describeScale } from './tools.ts';
import { candidateOf, megabytes, refusalOf, type ScaleWorkerOptions, trainerCommand } from './trainerJob.ts';

export interface ScaleEvaluatorOptions {
  readonly device: Device;
  readonly python: string;
  readonly data: string | null;
  readonly scale?: ScaleWorkerOptions | undefined;
  /** Folders of own primitives that it may train. */
  readonly primitives?: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly memory?: MemoryProbe;
}

/** A trainer without an event for this long hangs; building the data's hashes and compiling are silent. */
const silenceMs = 3_600_000;
/** From a stop request to SIGKILL: a large checkpoint takes its time. */
const graceMs = 600_000;
const lingerMs = 5000;
const memoryEveryMs = 500;
const maxCurvePoints = 64;
const longestMessage = 2000;

/** Curves of the trainer have up to 200 points. */
function thinned(curve: ScaleResult['curve']): ScaleResult['curve'] {
  const every = Math.ceil(curve.length / maxCurvePoints);
  return curve.filter((_, index) => (curve.length - 1 - index) % every === 0);
}

interface Run {
  readonly job: Job;
  readonly handlers: EvaluateHandlers;
  readonly process: WorkerProcess;
  readonly startMs: number;
  readonly outOfMemoryKills: number | null;
  /** Called when the trainer has ended. */
  readonly cancellers: (() => void)[];
  device: string;
  /** The trainer has said hello. */
  handshakeDone: boolean;
  result: ScaleResult | null;
  last: Extract<ScaleEvent, { event: 'done' | 'stopped' | 'failed' }> | null;
  /** Why the host ends it. */
  verdict: Verdict | null;
  lastEventMs: number;
}

export class ScaleEvaluator implements Evaluator {
  readonly #options: ScaleEvaluatorOptions;
  readonly #memory: MemoryProbe;
  readonly #trainer = scaleVersion();
  /** With the own primitives of its folders, from the start on. */
  #version = this.#trainer;
  #run: Run | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: ScaleEvaluatorOptions) {
    this.#options = options;
    this.#memory = options.memory ?? procMemory;
  }

  /**
   * Starts no training: each job has a process of its own.
   *
   * @throws PrerequisiteError `scale-storage` without storage or data; `scale-trainer`.
   */
  async start(): Promise<EvaluatorHello> {
    const { device, python, primitives: folders = [] } = this.#options;
    this.#declared();
    if (folders.length > 0) {
      const { ownPrimitives } = await describeScale(python, { tokens: [], folders });
      this.#version = versionWith(this.#trainer, ownPrimitives);
    }
    return { evaluator: this.#version, device: device.name, deviceName: device.name };
  }

  refuses({ resources, evaluator }: Job): string | null {
    if (!resources || !serves(this.#version, evaluator)) return null;
    return refusalOf(resources, this.#declared().scale);
  }

  /**
   * Trains one job.
   *
   * @throws TerminalError for several jobs, another evaluator or kind, or after `stop`; RetryableError `trainer-stopped` if
   * something other than this host stopped the trainer; PrerequisiteError if the folder cannot be written.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    const [job] = jobs;
    if (this.#stopped) throw new TerminalError('worker-stopped', 'this worker has been stopped');
    if (!job || jobs.length > 1) throw new TerminalError('scale-job', 'a run at scale is trained alone');
    if (this.#run) throw new TerminalError('worker-busy', 'this worker is already training');
    if (!serves(this.#version, job.evaluator)) {
      throw new TerminalError('evaluator-mismatch', `job for ${job.evaluator}, but this worker is ${this.#version}`);
    }
    const ending = this.#train(job, handlers);
    this.#ended = ending.catch(() => undefined);
    await ending;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTrainer({ reason: 'cancelled', message: 'the worker was stopped' });
    await this.#ended;
  }

  #declared(): { scale: ScaleWorkerOptions; data: string } {
    const { scale, data } = this.#options;
    if (scale && data !== null) return { scale, data };
    throw new PrerequisiteError(
      'scale-storage',
      'a worker of runs at scale needs a folder for checkpoints and the data folder',
      'start it with: aira worker --storage <folder>',
    );
  }

  async #train(job: Job, handlers: EvaluateHandlers): Promise<void> {
    const { clock, timers, device, python, primitives = [] } = this.#options;
    const { scale, data } = this.#declared();
    const ended = deferred<ProcessEnd>();
    const process = new WorkerProcess(
      trainerCommand(job, { device, python, data, storage: scale.storage, primitives }),
      timers,
      lingerMs,
      { onLine: (line) => this.#read(line), onEnd: ended.resolve },
      longestScaleLine,
    );
    const run: Run = {
      job,
      handlers,
      process,
      startMs: clock.monotonic(),
      outOfMemoryKills: this.#memory.outOfMemoryKills(),
      cancellers: [],
      device: device.name,
      handshakeDone: false,
      result: null,
      last: null,
      verdict: null,
      lastEventMs: clock.monotonic(),
    };
    this.#run = run;
    const cancel = () => this.#stopTrainer({ reason: 'cancelled', message: 'the training was stopped' });
    const timeout = `the training timed out after ${job.timeoutSeconds} s`;
    run.cancellers.push(
      timers.every(memoryEveryMs, () => this.#watch(run)),
      timers.after(job.timeoutSeconds * 1000, () => this.#kill({ reason: 'timeout', message: timeout })),
      () => handlers.signal?.removeEventListener('abort', cancel),
    );
    handlers.signal?.addEventListener('abort', cancel);
    if (handlers.signal?.aborted || this.#stopped) cancel();
    try {
      this.#conclude(run, await ended.promise);
    } finally {
      this.#run = null;
      for (const each of run.cancellers) each();
    }
  }

  #read(line: string): void {
    const run = this.#run;
    if (!run || run.verdict?.reason === 'lost') return;
    const problem = this.#take(run, line);
    if (problem === null) return;
    this.#kill({
      reason: 'lost',
      message: `the trainer violated the protocol (${problem}): ${printable(line, { width: 200 })}`,
    });
  }

  /** Handles one event. Returns its problem, if any (SCL-3). */
  #take(run: Run, line: string): string | null {
    const event = parseEvent(line);
    if (!event) return 'not an event';
    if (run.last) return 'an event after the last one';
    run.lastEventMs = this.#options.clock.monotonic();
    const { key } = run.job;
    if (event.event === 'hello') {
      if (run.handshakeDone) return 'a second hello';
      // Every primitive of this run is one of the job's.
      const version = versionWith(event.trainer, event.primitives);
      if (!serves(run.job.evaluator, version)) return `the trainer is ${version}, expected ${run.job.evaluator}`;
      run.handshakeDone = true;
      run.device = event.device;
      return null;
    }
    if (!run.handshakeDone && event.event !== 'failed') return 'an event before the hello';
    switch (event.event) {
      case 'progress':
        run.handlers.onProgress?.({ key, step: event.done, steps: event.steps, score: null });
        return null;
      case 'checkpoint': {
        const { path, step, bytes, sha256 } = event;
        run.handlers.onCheckpoint?.(key, { path, step, bytes, sha256 });
        return null;
      }
      case 'result':
        if (event.steps !== candidateOf(run.job).recipe.steps) return 'the result of another budget';
        run.result = event;
        return null;
      case 'done':
        if (!run.result) return 'the end without a result';
        run.last = event;
        return null;
      case 'stopped':
      case 'failed':
        run.last = event;
        return null;
    }
  }

  #watch(run: Run): void {
    const { clock, device } = this.#options;
    const { pid } = run.process;
    if (clock.monotonic() - run.lastEventMs > silenceMs) {
      this.#kill({ reason: 'lost', message: `the trainer said nothing for ${silenceMs / 1000} s` });
    }
    const resident = pid === undefined ? null : this.#memory.residentBytes(pid);
    if (resident === null || resident <= device.memoryLimitBytes) return;
    const limit = megabytes(device.memoryLimitBytes);
    this.#kill({ reason: 'oom', message: `the trainer used ${megabytes(resident)} of memory; its limit is ${limit}` });
  }

  /** Asks for a checkpoint and the end; kills after a grace period. */
  #stopTrainer(verdict: Verdict): void {
    const run = this.#run;
    if (!run || run.verdict) return;
    run.verdict = verdict;
    run.process.send({ op: 'stop' });
    run.cancellers.push(this.#options.timers.after(graceMs, () => run.process.kill()));
  }

  #kill(verdict: Verdict): void {
    const run = this.#run;
    if (!run || run.verdict) return;
    run.verdict = verdict;
    run.process.kill();
  }

  #conclude(run: Run, end: ProcessEnd): void {
    const { job, handlers, result, last } = run;
    const seconds = (this.#options.clock.monotonic() - run.startMs) / 1000;
    // A result that came before a stop counts: it is what the next start would repeat.
    if (result && last?.event === 'done') {
      handlers.onOutcome(job.key, this.#measured(run, result, seconds));
      return;
    }
    const { stderr } = run.process;
    if (last?.event === 'stopped' && !run.verdict) {
      throw new RetryableError('trainer-stopped', `the trainer was stopped (${last.reason})`, 1000);
    }
    const verdict = run.verdict ?? this.#verdictOf(run, end);
    const message = printable(verdict.message, { lines: true, width: longestMessage }).trim();
    const tail = stderr.lastLines(8, 1500);
    this.#options.log.info({ end: describeEnd(end), reason: verdict.reason, stderr: tail }, 'a training ended');
    handlers.onOutcome(
      job.key,
      failureSchema.parse({ status: 'failed', reason: verdict.reason, message, seconds, device: run.device }),
    );
  }

  #verdictOf({ last, process, outOfMemoryKills }: Run, end: ProcessEnd): Verdict {
    if (last?.event === 'failed') {
      const { reason, message } = last;
      if (reason !== 'crash') return { reason, message };
      return { reason: 'lost', message: withStderrTail(message, process.stderr) };
    }
    if (end.error) return { reason: 'lost', message: `the trainer ${describeEnd(end)}` };
    const kills = this.#memory.outOfMemoryKills();
    return diagnose(end, process.stderr, kills === null || outOfMemoryKills === null ? null : kills - outOfMemoryKills);
  }

  #measured({ job, device }: Run, result: ScaleResult, seconds: number): Measurement {
    const { validationLoss: loss, lossBeforeDecay, steps, tokens, flops, nonEmbedding, sessions } = result;
    const { tokensPerSecond, mfu, weightsSha256, folder } = result;
    return {
      status: 'ok',
      validation: fitnessOf(loss, job.lowerIsBetter),
      test: null,
      tasks: {},
      curve: thinned(result.curve),
      // Of this training alone, so that sums are what was spent; `scale.seconds` counts from the first step.
      seconds,
      cpuSeconds: result.cpuSeconds,
      params: result.parameters,
      flops,
      peakMemoryBytes: result.peakMemoryBytes,
      device,
      scale: {
        loss,
        lossBeforeDecay,
        steps,
        tokens,
        flops,
        nonEmbedding,
        seconds: result.seconds,
        sessions,
        tokensPerSecond,
        mfu,
        weightsSha256,
        folder,
      },
    };
  }
}

function parseEvent(line: string): ScaleEvent | null {
  try {
    const parsed = scaleEventSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
