import { basename } from 'node:path';
import * as z from 'zod';
import type { SpaceKind } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import { type Clock, type Device, type Logger, printable, type Timers, taskRoots } from '../platform/index.ts';
import { changesSince, digestTaskDirectory, filesRead, listTasks, readingOf } from '../tasks/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello } from './evaluator.ts';
import { ProgramEvaluator } from './programs/programEvaluator.ts';
import { ScaleEvaluator } from './scale/evaluator.ts';
import type { ScaleWorkerOptions } from './scale/trainerJob.ts';
import { workerCommand } from './stacks/engine.ts';
import { NativeWorker } from './stacks/nativeWorker.ts';

/** Opens the evaluator of a device, wrapped by the two that look after the files which its jobs name. */

export interface EvaluatorOptions {
  readonly device: Device;
  /** The interpreter, absolute. */
  readonly python: string;
  /** Folder of imported data, or null. */
  readonly data: string | null;
  /** Third-party task directories on this machine, in addition to the shipped ones. Absolute. */
  readonly tasks: readonly string[];
  /** Folders of the user's own primitives that it may train. Absolute. */
  readonly primitives?: readonly string[];
  /** Run programs without a sandbox, with this user's rights. */
  readonly unsafe: boolean;
  /** What a worker of runs at scale has declared; without it there is no such worker. */
  readonly scale?: ScaleWorkerOptions | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** Opens the evaluator of a device for one kind of candidate. Nothing starts before `start`. */
export function openEvaluator(kind: SpaceKind, options: EvaluatorOptions): Evaluator {
  const guarded = new ContentGuard(() => openTrainer(kind, options), options.data);
  return kind === 'program' ? new OwnTasks(guarded, options.tasks) : guarded;
}

function openTrainer(kind: SpaceKind, options: EvaluatorOptions): Evaluator {
  if (kind === 'program') return new ProgramEvaluator(options);
  if (kind === 'scale') return new ScaleEvaluator(options);
  const { device, python, data, primitives = [], clock, timers, log } = options;
  // A part of a divided GPU is chosen by the environment.
  const env = device.visible === undefined ? process.env : { ...process.env, CUDA_VISIBLE_DEVICES: device.visible };
  const command = workerCommand({ python, device: device.name, data, primitives, env });
  return new NativeWorker({ command, memoryLimitBytes: device.memoryLimitBytes, clock, timers, log });
}

const readsFiles = ({ settings }: Job): boolean => {
  const reading = readingOf(settings);
  return reading.runsScripts || reading.data.length > 0;
};

const longestMessage = 2000;

/**
 * An evaluator that guarantees that scores belong to the files that its jobs name (I10).
 *
 * Role: compares imported data and scripts with those of the job, before the training and again before the outcome is
 * reported. Non-role: training, and the handling of jobs that could not be trained.
 *
 * GRD-1. No outcome of a job is reported unless its files matched before and after its training.
 * GRD-2. A trainer that has read other data is replaced first, because trainers cache data in memory.
 * GRD-3. A job whose files do not match ends as `data`, whatever its training returned: that says nothing about the candidate.
 */
class ContentGuard implements Evaluator {
  readonly #open: () => Evaluator;
  readonly #data: string | null;
  #inner: Evaluator;
  /** Digests of the data that `#inner` may have read. */
  #read: string | null = null;
  #stopped = false;
  #device = 'none';

  /** @param data the data folder, or null. */
  constructor(open: () => Evaluator, data: string | null) {
    this.#open = open;
    this.#data = data;
    this.#inner = open();
  }

  async start(): Promise<EvaluatorHello> {
    const hello = await this.#inner.start();
    this.#device = hello.device;
    return hello;
  }

  /** @throws the errors of the inner evaluator. */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (!jobs.some(readsFiles)) return this.#inner.evaluate(jobs, handlers);
    const problems = await this.#problems(jobs);
    const valid = jobs.filter(({ key }) => !problems.has(key));
    const outcomes = new Map<EvaluationKey, Outcome>();
    if (valid.length > 0) {
      await this.#renew(valid);
      await this.#inner.evaluate(valid, { ...handlers, onOutcome: (key, outcome) => outcomes.set(key, outcome) });
      for (const [key, problem] of await this.#problems(valid)) problems.set(key, problem);
    }
    for (const { key } of jobs) {
      const outcome = this.#outcome(problems.get(key)) ?? outcomes.get(key);
      if (outcome) handlers.onOutcome(key, outcome);
    }
  }

  refuses(job: Job): string | null {
    return this.#inner.refuses?.(job) ?? null;
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#inner.stop();
  }

  /** Jobs whose files do not match, with the reason. */
  async #problems(jobs: readonly Job[]): Promise<Map<EvaluationKey, string>> {
    const problems = new Map<EvaluationKey, string>();
    for (const { key, content, settings } of jobs) {
      if (!content) continue;
      try {
        const [change] = changesSince(content, settings, await filesRead(settings, this.#data));
        if (change !== undefined) problems.set(key, `${change} since the search was started`);
      } catch (thrown) {
        if (!(thrown instanceof PrerequisiteError)) throw thrown;
        problems.set(key, `${thrown.message}; ${thrown.remedy}`);
      }
    }
    return problems;
  }

  #outcome(problem: string | undefined): Outcome | null {
    if (problem === undefined) return null;
    const message = printable(problem, { width: longestMessage });
    return { status: 'failed', reason: 'data', message, seconds: 0, device: this.#device };
  }

  async #renew(jobs: readonly Job[]): Promise<void> {
    const read = canonicalJson(jobs.map(({ content }) => content?.data ?? null));
    if (this.#read !== null && this.#read !== read) {
      await this.#inner.stop();
      // An evaluator stopped in the meantime stays stopped and reports it.
      if (!this.#stopped) this.#inner = this.#open();
    }
    this.#read = read;
  }
}

/** Settings that run a task directory's scripts. */
const foreignSchema = z.looseObject({ family: z.literal('airs') });
/** Whether these settings run the scripts of a task directory, of which each machine needs its own copy. */
export const runsScripts = (settings: unknown): boolean => foreignSchema.safeParse(settings).success;

const namedSchema = z.looseObject({ task: z.string().regex(/^[^/\\\0]{1,200}$/) });

/** Settings with the path of this machine's directory, or the reason why it has none. */
type Localised = { readonly settings: Job['settings'] } | { readonly problem: string };

/** The settings of a job for this machine: with the path of the task directory if its scripts run. */
export function localSettings(
  { settings, content }: Pick<Job, 'settings' | 'content'>,
  directories: readonly string[],
): Localised {
  if (!runsScripts(settings)) return { settings };
  const named = namedSchema.safeParse(settings);
  if (!named.success || !content) {
    return { problem: 'the job has no task name or content digest; launch the search file again' };
  }
  const found = findOwnTask(named.data.task, content.directory, directories);
  return 'directory' in found ? { settings: { ...settings, task: found.directory } } : found;
}

/** The path of a task directory, or the reason why there is none. */
type Found = { readonly directory: string } | { readonly problem: string };

/** Searches these directories, then the shipped ones. */
function findOwnTask(name: string, digest: string, directories: readonly string[]): Found {
  const shipped = listTasks(taskRoots).map((task) => task.directory);
  const places = [...new Set([...directories, ...shipped])].filter((place) => basename(place) === name);
  if (places.length === 0) {
    return { problem: `this worker has no task directory "${name}"; start it with --task <path>` };
  }
  const problems: string[] = [];
  for (const place of places) {
    try {
      if (digestTaskDirectory(place) === digest) return { directory: place };
      problems.push(`${place} has different content`);
    } catch (thrown) {
      problems.push(errorMessage(thrown));
    }
  }
  const found = problems.join('; ').slice(0, 1000);
  return {
    problem: `this worker's task directory "${name}" differs from the one that the search was started with: ${found}; copy the same files here`,
  };
}

/**
 * An evaluator with paths of this machine's task directories filled in.
 *
 * Role: a job names a task directory by name and digest; this finds the worker's own directory with that name and content, and
 * passes the job on with its path. Non-role: evaluating.
 *
 * OWN-1. A directory comes from the shipped tasks, this worker's command line or its home, never from a job (I12).
 * OWN-2. Its content is digested again for each request, so that the scripts that run are those of the job.
 * OWN-3. A job whose directory is missing gets an outcome that says so; the others of its request are evaluated.
 */
class OwnTasks implements Evaluator {
  readonly #inner: Evaluator;
  readonly #directories: readonly string[];
  #device = '';

  constructor(inner: Evaluator, directories: readonly string[]) {
    this.#inner = inner;
    this.#directories = directories;
  }

  async start(): Promise<EvaluatorHello> {
    const hello = await this.#inner.start();
    this.#device = hello.device;
    return hello;
  }

  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (this.#device === '') await this.start();
    const found = jobs.map((job) => this.#localised(job));
    const runnable = found.flatMap((each) => ('job' in each ? [each.job] : []));
    if (runnable.length > 0) await this.#inner.evaluate(runnable, handlers);
    for (const each of found) if ('outcome' in each) handlers.onOutcome(each.key, each.outcome);
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  #localised(job: Job): { job: Job } | { key: Job['key']; outcome: Outcome } {
    const found = localSettings(job, this.#directories);
    if ('settings' in found) return { job: { ...job, settings: found.settings } };
    const message = found.problem.slice(0, 2000);
    return {
      key: job.key,
      outcome: { status: 'failed', reason: 'refused', message, seconds: 0, device: this.#device },
    };
  }
}
