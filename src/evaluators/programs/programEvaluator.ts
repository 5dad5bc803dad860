/**
 * The evaluator of programs (Design tasks): candidates that are source files.
 *
 * Role: checks the machine, prepares the data, reports the outcome. Non-role: the stages of one program (`trial.ts`), the
 * sandbox, queues and deliveries.
 *
 * PRG-1. Each job gets exactly one outcome, whatever its program does (EVL-1).
 * PRG-2. One program at a time. When `evaluate` resolves, nothing of its programs runs (SBX-1).
 * PRG-3. Without a sandbox nothing runs, unless the user opted out of it; measurements then say so.
 */

import { cpus } from 'node:os';
import { errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../../domain/errors.ts';
import { failureSchema, type Job, type Measurement, type Outcome } from '../../domain/evaluation.ts';
import type { Files } from '../../domain/program.ts';
import { fitnessOf } from '../../domain/task.ts';
import {
  type Clock,
  createLogger,
  type Device,
  deviceClassOf,
  type Environment,
  gpuOf,
  type Logger,
  printable,
  secretFile,
  systemClock,
  systemTimers,
  type Timers,
} from '../../platform/index.ts';
import { probeSandbox, Sandbox, type SandboxCapability, type SandboxOptions } from '../../sandbox/index.ts';
import type { DesignPackage } from '../../tasks/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello, Verdict } from '../evaluator.ts';
import { trainerVariables } from '../stacks/engine.ts';
import { designVersion } from '../version.ts';
import { budgetOf, type Prepared, packageFor, prepareTask } from './preparation.ts';
import { runTrial, type Split, type TrialCosts, type TrialOptions, type TrialResult } from './trial.ts';

export interface ProgramEvaluatorOptions {
  readonly device: Pick<Device, 'name' | 'memoryLimitBytes'>;
  /** The interpreter, absolute. */
  readonly python: string;
  /** Run programs without a sandbox, with this user's rights. */
  readonly unsafe?: boolean;
  /** Folder of imported data, or null. */
  readonly data?: string | null;
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly log?: Logger;
  /** For tests: another package and sandbox. */
  readonly design?: DesignPackage;
  readonly sandbox?: Partial<SandboxOptions>;
}

const progressEveryMs = 1000;
const progressSteps = 1000;
const longestMessage = 2000;

interface Ready {
  readonly hello: EvaluatorHello;
  readonly sandbox: Sandbox;
}

export class ProgramEvaluator implements Evaluator {
  readonly #options: Required<Omit<ProgramEvaluatorOptions, 'sandbox' | 'design'>> & {
    sandbox: Partial<SandboxOptions>;
    design: DesignPackage | undefined;
  };
  readonly #stopping = new AbortController();
  #ready: Promise<Ready> | null = null;
  #current: Promise<void> | null = null;

  constructor(options: ProgramEvaluatorOptions) {
    this.#options = {
      unsafe: false,
      data: null,
      env: process.env,
      clock: systemClock,
      timers: systemTimers,
      log: createLogger('program-evaluator'),
      design: undefined,
      sandbox: {},
      ...options,
    };
  }

  /**
   * Checks whether this machine can run untrusted programs.
   *
   * @throws PrerequisiteError `sandbox` if it cannot, `secret`, `trainers-missing`; TerminalError `worker-stopped`.
   */
  async start(): Promise<EvaluatorHello> {
    return (await this.#prepare()).hello;
  }

  /** How programs run here. @throws the errors of `start`. */
  async capability(): Promise<SandboxCapability> {
    return (await this.#prepare()).sandbox.capability;
  }

  /**
   * Evaluates the programs one after the other.
   *
   * @throws the errors of `start`; TerminalError for a concurrent call (`worker-busy`) or jobs of another evaluator
   * (`evaluator-mismatch`). No job has an outcome then.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (this.#current) throw new TerminalError('worker-busy', 'this worker is already running a program');
    const run = this.#evaluate(jobs, handlers);
    this.#current = run.then(
      () => undefined,
      () => undefined,
    );
    try {
      await run;
    } finally {
      this.#current = null;
    }
  }

  /** Ends the current program; jobs without an outcome are `cancelled`. Never rejects. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#current;
  }

  async #prepare(): Promise<Ready> {
    if (this.#stopping.signal.aborted) throw new TerminalError('worker-stopped', 'this worker has been stopped');
    this.#ready ??= this.#open().catch((thrown) => {
      this.#ready = null;
      throw thrown;
    });
    return this.#ready;
  }

  async #open(): Promise<Ready> {
    const { python, env, unsafe, device, clock, timers, sandbox } = this.#options;
    const evaluator = designVersion(secretFile(env));
    const capability = sandbox.capability ?? (await probeSandbox({ python, env, unsafe }));
    const deviceName = device.name === 'cpu' ? (cpus()[0]?.model ?? 'cpu') : device.name;
    return {
      hello: { evaluator, device: device.name, deviceName },
      sandbox: new Sandbox({ clock, timers, ...sandbox, capability }),
    };
  }

  async #evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    const { hello, sandbox } = await this.#prepare();
    const own = `${hello.evaluator} on ${deviceClassOf(hello.device)}`;
    const programs = jobs.map((job) => {
      const required = `${job.evaluator} on ${job.deviceClass}`;
      if (job.candidate.kind !== 'program')
        throw new TerminalError('evaluator-mismatch', 'expected a program candidate');
      if (required !== own)
        throw new TerminalError('evaluator-mismatch', `job for ${required}, but this worker is ${own}`);
      return { job, files: job.candidate.files, budget: budgetOf(job.settings) };
    });
    const signal = AbortSignal.any([this.#stopping.signal, ...(handlers.signal ? [handlers.signal] : [])]);
    for (const { job, files, budget } of programs) {
      const data = await this.#data(job, hello, sandbox).catch((thrown) => this.#noData(thrown));
      if ('status' in data) {
        handlers.onOutcome(job.key, data);
        continue;
      }
      const options = { ...this.#common(job, sandbox, files, signal), prepared: data, budget };
      handlers.onOutcome(job.key, await this.#outcome(job, options, handlers));
    }
  }

  #package({ settings }: Job): DesignPackage {
    return this.#options.design ?? packageFor(settings);
  }

  #data(job: Job, { evaluator }: EvaluatorHello, sandbox: Sandbox): Promise<Prepared> {
    const source = { ...this.#options, sandbox };
    return prepareTask(source, {
      evaluator,
      settings: job.settings,
      seed: job.seed,
      design: this.#package(job),
    });
  }

  /** The outcome of a job whose data cannot be prepared; a transient problem is `lost`, which is retried. */
  #noData(thrown: unknown): Outcome {
    const reason = thrown instanceof PrerequisiteError ? 'data' : 'lost';
    return this.#failure({ reason, message: errorMessage(thrown) }, 0);
  }

  #common(job: Job, sandbox: Sandbox, files: Files, signal: AbortSignal): Omit<TrialOptions, 'prepared' | 'budget'> {
    const { python, device } = this.#options;
    const design = this.#package(job);
    const splits: readonly Split[] = job.measure === 'test' ? ['validation', 'test'] : ['validation'];
    return {
      python,
      design,
      sandbox,
      files,
      splits,
      gpu: gpuOf(device),
      signal,
      seed: job.seed,
      settings: job.settings,
      timeoutSeconds: job.timeoutSeconds,
      memoryLimitBytes: device.memoryLimitBytes,
      env: trainerVariables(device.name),
    };
  }

  /** The outcome of one job. A sandbox that fails to start is retried once; then the job is lost (PRG-1). */
  async #outcome(job: Job, options: TrialOptions, handlers: EvaluateHandlers): Promise<Outcome> {
    const { clock, timers, log } = this.#options;
    const startedAt = clock.monotonic();
    const seconds = () => (clock.monotonic() - startedAt) / 1000;
    let stage = { number: 0, of: 1 };
    const onStage = (number: number, of: number) => {
      stage = { number, of };
    };
    // Program output is untrusted, so progress is the elapsed share of its time.
    const share = () => Math.min(1, (stage.number + Math.min(0.99, seconds() / options.budget.seconds)) / stage.of);
    const stop = timers.every(progressEveryMs, () => {
      const step = Math.floor(progressSteps * share());
      handlers.onProgress?.({ key: job.key, step, steps: progressSteps, score: null });
    });
    try {
      for (let tries = 1; ; tries++) {
        try {
          const result = await runTrial({ ...options, onStage });
          return this.#translate(job, result, options, seconds());
        } catch (thrown) {
          if (tries > 1 || !(thrown instanceof RetryableError)) throw thrown;
          log.warn({ error: errorMessage(thrown) }, 'failed to start a program; retrying');
        }
      }
    } catch (thrown) {
      log.error({ error: errorMessage(thrown) }, 'failed to evaluate a program');
      return this.#failure({ reason: 'lost', message: errorMessage(thrown) }, seconds());
    } finally {
      stop();
    }
  }

  #translate(job: Job, result: TrialResult, { sandbox }: TrialOptions, seconds: number): Outcome {
    if (result.status === 'failed') return this.#failure(result.verdict, seconds);
    const { scores, costs } = result;
    const fitness = (split: Split) => {
      const scored = scores[split];
      return scored === undefined ? null : fitnessOf(scored.score, job.lowerIsBetter);
    };
    return {
      status: 'ok',
      validation: fitness('validation'),
      test: fitness('test'),
      tasks: bySplit(scores),
      curve: [],
      seconds,
      cpuSeconds: costs.cpuSeconds,
      peakMemoryBytes: costs.peakMemoryBytes,
      params: parameters(scores, costs),
      flops: 0,
      device: this.#options.device.name,
      ...(sandbox.capability.mode === 'unsafe' ? { unsafe: true } : {}),
    } satisfies Measurement;
  }

  #failure({ reason, message }: Verdict, seconds: number): Outcome {
    const text = printable(message, { lines: true, width: longestMessage }).trim();
    return failureSchema.parse({ status: 'failed', reason, message: text, seconds, device: this.#options.device.name });
  }
}

/** Each metric's value per split. */
function bySplit(scores: Extract<TrialResult, { status: 'ok' }>['scores']): Measurement['tasks'] {
  const tasks: Record<string, Record<string, number>> = {};
  for (const [split, scored] of Object.entries(scores)) {
    for (const [name, value] of Object.entries(scored?.metrics ?? {})) {
      tasks[name] = { ...tasks[name], [split]: value };
    }
  }
  return tasks;
}

/** The scorer's parameter count; without one, the size of the state in float32 numbers. */
function parameters(scores: Extract<TrialResult, { status: 'ok' }>['scores'], { stateBytes }: TrialCosts): number {
  const reported = scores.validation?.metrics.parameters ?? scores.test?.metrics.parameters;
  return Math.round(reported ?? stateBytes / 4);
}
