/**
 * An evaluator whose scores are of the files that its jobs name (I10).
 *
 * Role: compares imported data and scripts with what a job names, before it is trained and again before its outcome is
 * given. Non-role: training, what becomes of a job that could not be trained.
 *
 *   G1  No outcome of a job leaves here unless its files were as named before and after its training.
 *   G2  A trainer that has read other data is replaced first: trainers keep what they have read in memory.
 *   G3  A job whose files are not as named ends as `data`, whatever its training came to: that says nothing of the candidate.
 */

import { canonicalJson } from '../domain/canonical.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
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

  /** @param data the data folder; null where there is none. */
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

  /** @throws all that the evaluator within throws. */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    if (!jobs.some(readsFiles)) return this.#inner.evaluate(jobs, handlers);
    const problems = await this.#problems(jobs);
    const sound = jobs.filter(({ key }) => !problems.has(key));
    const outcomes = new Map<EvaluationKey, Outcome>();
    if (sound.length > 0) {
      await this.#renew(sound);
      await this.#inner.evaluate(sound, { ...handlers, onOutcome: (key, outcome) => outcomes.set(key, outcome) });
      for (const [key, problem] of await this.#problems(sound)) problems.set(key, problem);
    }
    for (const { key } of jobs) {
      const outcome = this.#outcome(problems.get(key)) ?? outcomes.get(key);
      if (outcome) handlers.onOutcome(key, outcome);
    }
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#inner.stop();
  }

  /** What is wrong with the files of each job, as far as anything is. */
  async #problems(jobs: readonly Job[]): Promise<Map<EvaluationKey, string>> {
    const problems = new Map<EvaluationKey, string>();
    for (const { key, content, settings } of jobs) {
      if (!content) continue;
      try {
        const [change] = changesSince(content, settings, await filesRead(settings, this.#data));
        if (change !== undefined) problems.set(key, `${change} since the search was begun`);
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
      // What was stopped meanwhile stays so, and says so when it is asked.
      if (!this.#stopped) this.#inner = this.#open();
    }
    this.#read = read;
  }
}
