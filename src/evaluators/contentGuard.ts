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

import { PrerequisiteError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { canonicalJson } from '../domain/json.ts';
import { printable } from '../platform/index.ts';
import { changesSince, filesRead, readingOf } from '../tasks/index.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello } from './evaluator.ts';

const readsFiles = ({ settings }: Job): boolean => {
  const { runsScripts, data } = readingOf(settings);
  return runsScripts || data.length > 0;
};

const longestMessage = 2000;

export class ContentGuard implements Evaluator {
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
