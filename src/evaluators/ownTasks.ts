/**
 * Resolves the task directories of jobs on this machine.
 *
 * Role: a job names a task directory by name and digest; this finds the worker's own directory with that name and content, and
 * passes the job on with its path. Non-role: evaluating.
 *
 * OWN-1. A directory comes from the shipped tasks, this worker's command line or its home, never from a job (I12).
 * OWN-2. Its content is digested again for each request, so that the scripts that run are those of the job.
 * OWN-3. A job whose directory is missing gets an outcome that says so; the others of its request are evaluated.
 */

import { basename } from 'node:path';
import * as z from 'zod';
import { errorMessage } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import { taskRoots } from '../platform/index.ts';
import { digestTaskDirectory, listTasks } from '../tasks/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello } from './evaluator.ts';

/** Settings that run a task directory's scripts. */
const foreignSchema = z.looseObject({ family: z.literal('airs') });
/** Whether these settings run the scripts of a task directory, of which each machine needs its own copy. */
export const runsScripts = (settings: unknown): boolean => foreignSchema.safeParse(settings).success;

const namedSchema = z.looseObject({ task: z.string().regex(/^[^/\\\0]{1,200}$/) });

/** Settings with the path of this machine's directory, or the reason why it has none. */
export type Localised = { readonly settings: Job['settings'] } | { readonly problem: string };

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

/** An evaluator with paths of this machine's task directories filled in. */
export class OwnTasks implements Evaluator {
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
