import { RetryableError } from '../../domain/errors.ts';
import type { Archive } from '../../memory/index.ts';

interface Waiting {
  readonly action: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
}

/** Bounds how long the process is deaf while it commits. */
const most = 256;

/**
 * Group commit: what arrives in one turn of the event loop shares one transaction.
 *
 * Role: gathers requests and results, has the archive take them together, answers each. While a commit waits for the disk
 * the next group gathers by itself, so that a slower disk makes larger groups and not a longer queue. Non-role: what a
 * request does.
 *
 * COM-1. Actions run in the order in which they came; each stands or falls by itself.
 * COM-2. An action is announced only after its transaction is on disk (I1).
 */
export class Committer {
  readonly #archive: Archive;
  readonly #afterwards: () => void;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #stopped = false;

  /** `afterwards` is called after each commit. */
  constructor(archive: Archive, afterwards: () => void) {
    this.#archive = archive;
    this.#afterwards = afterwards;
  }

  /** @throws RetryableError `archive-away` after `stop`. */
  run<T>(action: () => T): Promise<T> {
    if (this.#stopped) return Promise.reject(new RetryableError('archive-away', 'the archive is closing', 250));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ action, resolve, reject });
      this.#schedule();
    });
  }

  /** Commits what has come and takes nothing more. */
  stop(): void {
    while (this.#waiting.length > 0) this.#commit();
    this.#stopped = true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Runs after everything that has already arrived.
    setImmediate(() => {
      this.#scheduled = false;
      this.#commit();
    });
  }

  #commit(): void {
    const group = this.#waiting.splice(0, most);
    if (group.length === 0) return;
    if (this.#waiting.length > 0) this.#schedule();
    const outcomes = this.#archive.together(group.map(({ action }) => action));
    this.#afterwards();
    for (const [index, outcome] of outcomes.entries()) {
      const { resolve, reject } = group[index] as Waiting;
      if (outcome.status === 'fulfilled') resolve(outcome.value as never);
      else reject(outcome.reason);
    }
  }
}
