/**
 * The judge of programs (Design tasks): the evaluator of candidates that are source files.
 *
 * Role: is this machine able to, which data, which outcome. Non-role: the zones of one program (`trial.ts`), the sandbox,
 * queues and deliveries.
 *
 *   P1  Each job gets exactly one outcome, whatever its program does (E1).
 *   P2  One program at a time. When `evaluate` resolves, nothing of its programs runs (S1 of sandbox.ts).
 *   P3  Without a sandbox nothing is run, unless a person has asked for that; what is measured then says so.
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
import { trainerVariables } from '../stacks/workerCommand.ts';
import { budgetOf, packageFor, prepareTask } from './commands.ts';
import type { Prepared } from './preparation.ts';
import type { Split } from './score.ts';
import { runTrial, type TrialCosts, type TrialOptions, type TrialResult } from './trial.ts';
import { designVersion } from './version.ts';

export interface ProgramEvaluatorOptions {
  readonly device: Pick<Device, 'name' | 'memoryLimitBytes'>;
  /** The interpreter, absolute. */
  readonly python: string;
  /** Run programs without a sandbox, with this user's rights. */
  readonly unsafe?: boolean;
  /** Imported data; null where there are none. */
  readonly data?: string | null;
  readonly env?: Environment;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly log?: Logger;
  /** For tests: another package, and other ways to run the sandbox. */
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
   * Finds out whether this machine can run programs nobody vouches for.
   *
   * @throws PrerequisiteError `sandbox` where it cannot, `secret`, `trainers-missing`; TerminalError `worker-stopped`.
   */
  async start(): Promise<EvaluatorHello> {
    return (await this.#prepare()).hello;
  }

  /** How programs are run here. @throws all that `start` throws. */
  async capability(): Promise<SandboxCapability> {
    return (await this.#prepare()).sandbox.capability;
  }

  /**
   * Judges one program after the other.
   *
   * @throws all that `start` throws; TerminalError for a second call at a time (`worker-busy`) or jobs that are not for this
   * evaluator (`evaluator-mismatch`). No job has then got an outcome.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (this.#current) throw new TerminalError('worker-busy', 'this worker is running a program already');
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

  /** Ends what runs; jobs without an outcome are `cancelled`. Never rejects. */
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
      const wanted = `${job.evaluator} on ${job.deviceClass}`;
      if (job.candidate.kind !== 'program') throw new TerminalError('evaluator-mismatch', 'a job is for no program');
      if (wanted !== own)
        throw new TerminalError('evaluator-mismatch', `a job is for ${wanted}; this worker is ${own}`);
      return { job, files: job.candidate.files, budget: budgetOf(job.settings) };
    });
    const signal = AbortSignal.any([this.#stopping.signal, ...(handlers.signal ? [handlers.signal] : [])]);
    for (const { job, files, budget } of programs) {
      const found = await this.#data(job, hello, sandbox).catch((thrown) => this.#noData(thrown));
      if ('status' in found) {
        handlers.onOutcome(job.key, found);
        continue;
      }
      const order = { ...this.#common(job, sandbox, files, signal), prepared: found, budget };
      handlers.onOutcome(job.key, await this.#outcome(job, order, handlers));
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

  /** Data that cannot be prepared are the outcome of the job that needs them; what may pass is tried again. */
  #noData(thrown: unknown): Outcome {
    const reason = thrown instanceof PrerequisiteError ? 'data' : 'lost';
    return this.#failure({ reason, message: errorMessage(thrown) }, 0);
  }

  #common(job: Job, sandbox: Sandbox, files: Files, signal: AbortSignal): Omit<TrialOptions, 'prepared' | 'budget'> {
    const { python, device } = this.#options;
    const design = this.#package(job);
    const splits: readonly Split[] = job.measure === 'test' ? ['validation', 'test'] : ['validation'];
    const gpu = device.name === 'cpu' ? null : Number(/:(\d+)$/.exec(device.name)?.[1] ?? 0);
    return {
      ...{ python, design, sandbox, files, splits, gpu, signal, seed: job.seed, settings: job.settings },
      ...{ timeoutSeconds: job.timeoutSeconds, memoryLimitBytes: device.memoryLimitBytes },
      env: trainerVariables(device.name),
    };
  }

  /** The outcome of one job. A sandbox that fails to start is tried once more; what fails again is lost (P1). */
  async #outcome(job: Job, order: TrialOptions, handlers: EvaluateHandlers): Promise<Outcome> {
    const { clock, timers, log } = this.#options;
    const begun = clock.monotonic();
    const seconds = () => (clock.monotonic() - begun) / 1000;
    let zone = { number: 0, of: 1 };
    const onZone = (number: number, of: number) => {
      zone = { number, of };
    };
    // A program says nothing that is believed, so that progress is the share of its time that is gone.
    const share = () => Math.min(1, (zone.number + Math.min(0.99, seconds() / order.budget.seconds)) / zone.of);
    const stop = timers.every(progressEveryMs, () => {
      const step = Math.floor(progressSteps * share());
      handlers.onProgress?.({ key: job.key, step, steps: progressSteps, score: null });
    });
    try {
      for (let tries = 1; ; tries++) {
        try {
          const result = await runTrial({ ...order, onZone });
          return this.#translate(job, result, order, seconds());
        } catch (thrown) {
          if (tries > 1 || !(thrown instanceof RetryableError)) throw thrown;
          log.warn({ error: errorMessage(thrown) }, 'a program could not be started; trying again');
        }
      }
    } catch (thrown) {
      log.error({ error: errorMessage(thrown) }, 'a program could not be judged');
      return this.#failure({ reason: 'lost', message: errorMessage(thrown) }, seconds());
    } finally {
      stop();
    }
  }

  #translate(job: Job, result: TrialResult, { sandbox }: TrialOptions, seconds: number): Outcome {
    if (result.status === 'failed') return this.#failure(result.verdict, seconds);
    const { scores, costs } = result;
    const fitness = (split: Split) => {
      const found = scores[split];
      return found === undefined ? null : fitnessOf(found.score, job.lowerIsBetter);
    };
    return {
      ...{ status: 'ok', validation: fitness('validation'), test: fitness('test'), tasks: bySplit(scores), curve: [] },
      ...{ seconds, cpuSeconds: costs.cpuSeconds, peakMemoryBytes: costs.peakMemoryBytes },
      ...{ params: parameters(scores, costs), flops: 0, device: this.#options.device.name },
      ...(sandbox.capability.mode === 'unsafe' ? { unsafe: true } : {}),
    } satisfies Measurement;
  }

  #failure({ reason, message }: Verdict, seconds: number): Outcome {
    const text = printable(message, { lines: true, width: longestMessage }).trim();
    return failureSchema.parse({ status: 'failed', reason, message: text, seconds, device: this.#options.device.name });
  }
}

/** Each metric with its figure per split. */
function bySplit(scores: Extract<TrialResult, { status: 'ok' }>['scores']): Measurement['tasks'] {
  const tasks: Record<string, Record<string, number>> = {};
  for (const [split, scored] of Object.entries(scores)) {
    for (const [name, value] of Object.entries(scored?.metrics ?? {})) {
      tasks[name] = { ...tasks[name], [split]: value };
    }
  }
  return tasks;
}

/** As the scorer has measured them; where it does not, as many float32 numbers as training has handed over. */
function parameters(scores: Extract<TrialResult, { status: 'ok' }>['scores'], { stateBytes }: TrialCosts): number {
  const said = scores.validation?.metrics.parameters ?? scores.test?.metrics.parameters;
  return Math.round(said ?? stateBytes / 4);
}
