/**
 * An evaluator whose scores are of the files that its jobs name (I10).
 *
 * Role: compares imported data and scripts with what a job names, before it is trained and again before its outcome is
 * given. Non-role: training, what becomes of a job that could not be trained.
 *
 *   G1  No outcome of a job leaves here unless its files were as named before and after its training.
 *   G2  A trainer that has read other data is replaced first: trainers keep what they have read in memory.
 *   G3  What is wrong with files is thrown, never an outcome: it says nothing of the candidate.
 */
import { canonicalJson } from '../domain/canonical.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { changesSince, filesRead, readingOf } from './content.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello } from './evaluator.ts';

const readsFiles = ({ settings }: Job): boolean => {
  const { directory, data, dataset } = readingOf(settings);
  return directory !== null || data.length > 0 || dataset !== null;
};

export class ContentGuard implements Evaluator {
  readonly #open: () => Evaluator;
  readonly #data: string | null;
  #inner: Evaluator;
  /** Digests of the data that `#inner` may have read. */
  #read: string | null = null;
  #stopped = false;

  /** @param data the data folder; null where there is none. */
  constructor(open: () => Evaluator, data: string | null) {
    this.#open = open;
    this.#data = data;
    this.#inner = open();
  }

  start(): Promise<EvaluatorHello> {
    return this.#inner.start();
  }

  /**
   * @throws all that the evaluator within throws; PrerequisiteError `content-changed`, `data-missing`, `data-unreadable` where
   * files are not those that a job names. No job has then got an outcome.
   */
  async evaluate(jobs: readonly Job[], handlers: EvaluateHandlers): Promise<void> {
    const reading = jobs.filter(readsFiles);
    if (reading.length === 0) return this.#inner.evaluate(jobs, handlers);
    await this.#require(reading);
    await this.#renew(reading);
    const outcomes: [EvaluationKey, Outcome][] = [];
    await this.#inner.evaluate(jobs, { ...handlers, onOutcome: (...outcome) => outcomes.push(outcome) });
    await this.#require(reading);
    for (const [key, outcome] of outcomes) handlers.onOutcome(key, outcome);
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return this.#inner.stop();
  }

  async #require(jobs: readonly Job[]): Promise<void> {
    for (const { content, settings } of jobs) {
      const [problem] = content ? changesSince(content, settings, await filesRead(settings, this.#data)) : [];
      if (problem === undefined) continue;
      throw new PrerequisiteError(
        'content-changed',
        `${problem} since the search was begun`,
        'launch its file as a new search, or put back what was there',
      );
    }
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
