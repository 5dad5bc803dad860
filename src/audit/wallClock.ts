import { rowsOf, type Subject } from './subject.ts';

interface Sitting {
  openedAt: number;
  seenAt: number;
}

/** The wall time of a search: the sum of its sittings, not the time between its first and its last. */
export class WallClock {
  readonly #sittings: readonly Sitting[];

  constructor(subject: Subject) {
    this.#sittings = rowsOf<Sitting>(
      subject,
      'SELECT opened_at AS openedAt, seen_at AS seenAt FROM sittings WHERE search = ? ORDER BY seq',
      subject.search,
    );
  }

  get sittings(): number {
    return this.#sittings.length;
  }

  /** Wall time at a moment, in milliseconds. Between sittings it stands still. */
  elapsedAt(moment: number): number {
    return this.#sittings.reduce(
      (sum, { openedAt, seenAt }) => sum + Math.max(0, Math.min(moment, seenAt) - openedAt),
      0,
    );
  }

  /**
   * The moment at which so many milliseconds of wall time were over, or null if they never were.
   */
  momentOf(elapsedMs: number): number | null {
    let rest = elapsedMs;
    for (const { openedAt, seenAt } of this.#sittings) {
      if (seenAt - openedAt >= rest) return openedAt + rest;
      rest -= seenAt - openedAt;
    }
    return null;
  }
}
