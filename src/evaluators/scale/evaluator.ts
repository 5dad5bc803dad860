/**
 * The trainer of runs at scale: one budget of one run, which may take days and several devices.
 *
 * Role: the host's side of `gpu-workers/aira_scale/protocol.py`. It starts a process (or `torchrun`) per job, passes on progress
 * and checkpoints, enforces deadline, memory and silence, and turns every way of ending into an outcome. Non-role: queues,
 * retries, which budgets there are, the training itself.
 *
 * SCL-1. Jobs that differ in their budget alone share a folder below the worker's storage, named by all that decides the trunk:
 *     a job continues where another one, or an earlier process, has left it. So a kill costs the time since the last checkpoint.
 * SCL-2. `nan`, `oom` and `invalid` are outcomes of the candidate. A crash, a protocol violation or silence is `lost`, which the
 *     archive retries. A trainer that something else stopped is no outcome: the job continues on this worker or another one.
 * SCL-3. A line beyond 64 KiB, an event out of order, another trainer version: the trainer is killed, its result not used.
 * SCL-4. A job that needs more than this worker has declared is refused before its claim.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { parseArchitecture } from '../../domain/architecture.ts';
import { contentHash, type Json } from '../../domain/canonical.ts';
import { errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../../domain/errors.ts';
import { failureSchema, type Job, type Measurement } from '../../domain/evaluation.ts';
import type { ScaleCandidate } from '../../domain/scale.ts';
import { fitnessOf } from '../../domain/task.ts';
import {
  type Clock,
  childEnvironment,
  type Device,
  deferred,
  type Logger,
  type MemoryProbe,
  printable,
  procMemory,
  type Timers,
  trainersDirectory,
} from '../../platform/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello, Verdict } from '../evaluator.ts';
import { describeEnd, diagnose, withStderrTail } from '../stacks/trainer.ts';
import { trainerVariables } from '../stacks/workerCommand.ts';
import { type ProcessEnd, type WorkerCommand, WorkerProcess } from '../stacks/workerProcess.ts';
import { longestScaleLine, type ScaleEvent, type ScaleResult, scaleEventSchema } from './protocol.ts';
import { scaleVersion } from './version.ts';

/** What a worker of runs at scale declares. */
export interface ScaleWorkerOptions {
  /** Folder of checkpoints and weights, absolute; shared by workers that are to continue each other's runs. */
  readonly storage: string;
  /** Devices that one run may have. */
  readonly devices: number;
  /** Bytes on each device. */
  readonly memoryBytes: number;
  /** Estimated length of the longest training that it takes; null for any. */
  readonly longestSeconds: number | null;
}

export interface ScaleEvaluatorOptions {
  readonly device: Device;
  readonly python: string;
  readonly data: string | null;
  readonly scale?: ScaleWorkerOptions | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly memory?: MemoryProbe;
  /** Environment of the host, of which a trainer inherits a few variables. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** A trainer without an event for this long hangs; building the data's hashes and compiling are silent. */
const silenceMs = 3_600_000;
/** From a stop request to SIGKILL: a large checkpoint takes its time. */
const graceMs = 600_000;
const lingerMs = 5000;
const memoryEveryMs = 500;
const maxCurvePoints = 64;
const longestMessage = 2000;

const settingsSchema = z.looseObject({ data: z.looseObject({ corpus: z.string(), digest: z.string() }) });

function candidateOf({ candidate }: Job): ScaleCandidate {
  if (candidate.kind !== 'scale')
    throw new TerminalError('scale-job', `expected a run at scale, got a ${candidate.kind}`);
  return candidate;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024)} MB`;

/** The folder name of a run: all that decides its trunk, so that equal trunks meet and others never do (SCL-1). */
export function trunkOf(job: Job): string {
  const { model, recipe } = candidateOf(job);
  const { steps: _, ...trunk } = recipe;
  const { data } = settingsSchema.parse(job.settings);
  return contentHash({
    evaluator: job.evaluator,
    deviceClass: job.deviceClass,
    data: data.digest,
    model,
    recipe: trunk,
    seed: job.seed,
  } as Json).slice(0, 32);
}

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
  readonly #version = scaleVersion();
  #run: Run | null = null;
  #ended: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(options: ScaleEvaluatorOptions) {
    this.#options = options;
    this.#memory = options.memory ?? procMemory;
  }

  /** Starts nothing: each job has a process of its own. @throws PrerequisiteError `scale-storage` without storage or data. */
  async start(): Promise<EvaluatorHello> {
    const { device } = this.#options;
    this.#declared();
    return { evaluator: this.#version, device: device.name, deviceName: device.name };
  }

  refuses({ resources, evaluator }: Job): string | null {
    if (!resources || evaluator !== this.#version) return null;
    const { devices, memoryBytes, longestSeconds } = this.#declared().scale;
    if (resources.devices > devices)
      return `it needs ${resources.devices} devices; this worker has declared ${devices}`;
    if (resources.memoryBytes > memoryBytes) {
      const has = megabytes(memoryBytes);
      return `it needs ${megabytes(resources.memoryBytes)} on each device; this worker has declared ${has}`;
    }
    if (longestSeconds !== null && resources.seconds > longestSeconds) {
      return `it takes about ${Math.ceil(resources.seconds)} s; this worker takes trainings of up to ${longestSeconds} s`;
    }
    return null;
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
    if (job.evaluator !== this.#version) {
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
    const { clock, timers } = this.#options;
    const ended = deferred<ProcessEnd>();
    const process = new WorkerProcess(
      this.#command(job),
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
      device: this.#options.device.name,
      handshakeDone: false,
      result: null,
      last: null,
      verdict: null,
      lastEventMs: clock.monotonic(),
    };
    this.#run = run;
    const cancel = () => this.#stopTrainer({ reason: 'cancelled', message: 'the training was stopped' });
    const timeout = `the training timed out after ${job.timeoutSeconds} s`;
    const cancellers = [
      timers.every(memoryEveryMs, () => this.#watch(run)),
      this.#deadline(job.timeoutSeconds * 1000, () => this.#kill({ reason: 'timeout', message: timeout })),
      () => handlers.signal?.removeEventListener('abort', cancel),
    ];
    handlers.signal?.addEventListener('abort', cancel);
    if (handlers.signal?.aborted || this.#stopped) cancel();
    try {
      this.#conclude(run, await ended.promise);
    } finally {
      this.#run = null;
      for (const each of cancellers) each();
    }
  }

  /** Timers of the platform are those of Node, whose longest is 2^31 - 1 ms; a training may take weeks. */
  #deadline(delayMs: number, action: () => void): () => void {
    const longest = 2 ** 31 - 1;
    if (delayMs <= longest) return this.#options.timers.after(delayMs, action);
    let cancel = this.#options.timers.after(longest, () => {
      cancel = this.#deadline(delayMs - longest, action);
    });
    return () => cancel();
  }

  /** Writes the trainer's job and returns the command that runs it. */
  #command(job: Job): WorkerCommand {
    const { python, device, env = process.env } = this.#options;
    const { scale, data } = this.#declared();
    const { model, recipe } = candidateOf(job);
    const { steps, micro_batch, optimiser, precision, validation_sequences, ...schedule } = recipe;
    const { corpus, digest } = settingsSchema.parse(job.settings).data;
    const devices = job.resources?.devices ?? 1;
    const folder = join(scale.storage, trunkOf(job));
    const file = join(folder, `${job.key.slice(0, 16)}.json`);
    const trainerJob = {
      v: 1,
      model: { ...model, pattern: [...parseArchitecture(model.pattern)] },
      data: { folder: join(data, corpus), digest },
      schedule: { ...schedule, budgets: [{ name: `steps-${steps}`, steps }] },
      optimiser,
      precision,
      validation_sequences,
      seed: job.seed,
      machine: {
        device: job.deviceClass,
        threads: 1,
        micro_batch,
        parallel: job.resources?.parallel ?? 'none',
        checkpoint_seconds: job.resources?.checkpointSeconds ?? 600,
        peak_flops: job.resources?.peakFlops ?? 0,
      },
    };
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(file, JSON.stringify(trainerJob));
    } catch (thrown) {
      const message = `${folder} cannot be written: ${errorMessage(thrown)}`;
      throw new PrerequisiteError('scale-storage', message, 'free space or choose another storage folder', {
        cause: thrown,
      });
    }
    const launcher = devices > 1 ? ['-m', 'torch.distributed.run', '--standalone', `--nproc_per_node=${devices}`] : [];
    const variables = childEnvironment(env);
    return {
      program: python,
      args: [...launcher, '-m', 'aira_scale', 'run', '--job', file, '--folder', folder, '--attached'],
      cwd: trainersDirectory,
      env: {
        ...variables,
        ...trainerVariables(device.name),
        ...visibleDevices(device, devices, variables.CUDA_VISIBLE_DEVICES),
        PYTHONPATH: trainersDirectory,
      },
    };
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
      if (event.trainer !== this.#version) return `the trainer is ${event.trainer}, expected ${this.#version}`;
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
    const cancel = this.#options.timers.after(graceMs, () => run.process.kill());
    void this.#ended.finally(cancel);
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

/** The GPUs of a worker, of those that its host may use: `cuda:2` with two devices has the third and the fourth. */
function visibleDevices(device: Device, count: number, inherited: string | undefined): Record<string, string> {
  if (device.class === 'cpu') return {};
  const first = Number(device.name.split(':')[1] ?? 0);
  const all = inherited?.split(',').map((each) => each.trim()) ?? [];
  const chosen = Array.from({ length: count }, (_, index) => all[first + index] ?? String(first + index));
  return { CUDA_VISIBLE_DEVICES: chosen.join(',') };
}

const indexSchema = z.looseObject({ digest: z.string().regex(/^[0-9a-f]{64}$/), vocabulary: z.int().positive() });

/** Digest and vocabulary of a folder of token shards. @throws PrerequisiteError `data-malformed`. */
export function tokenData(folder: string): { digest: string; vocabulary: number } {
  try {
    const { digest, vocabulary } = indexSchema.parse(JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')));
    return { digest, vocabulary };
  } catch (thrown) {
    throw new PrerequisiteError(
      'data-malformed',
      `${folder} has no token shards: its index.json is missing or unreadable`,
      'import text with: aira data import <name> <folder> --tokenizer bytes',
      { cause: thrown },
    );
  }
}
