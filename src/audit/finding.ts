/** The invariants of the design, by number. */
export const invariants = {
  I1: 'ledger first',
  I2: 'counted once',
  I3: 'nobody states their own score',
  I4: 'the test score stays out of the search',
  I5: 'replayable',
  I6: 'companions do not matter',
  I7: 'secrets stay home',
  I8: 'every attempt is kept',
  I9: 'budgets are hard',
  I10: 'a score names what decided it',
} as const;
export type Invariant = keyof typeof invariants;

/** What the audit of one invariant came to. */
export interface Finding {
  readonly invariant: Invariant;
  readonly title: string;
  /** Null where it could not be checked completely; the evidence says why. */
  readonly holds: boolean | null;
  /** What was looked at, with counts: why a person may believe the verdict. */
  readonly evidence: readonly string[];
  readonly violations: readonly string[];
}

/** Gathers what the check of one invariant sees. */
export class Inquiry {
  readonly #invariant: Invariant;
  readonly #evidence: string[] = [];
  readonly #violations: string[] = [];
  #complete = true;

  constructor(invariant: Invariant) {
    this.#invariant = invariant;
  }

  saw(evidence: string): void {
    this.#evidence.push(evidence);
  }

  broken(violation: string): void {
    this.#violations.push(violation);
  }

  /** Something that the invariant promises could not be looked at. */
  unchecked(why: string): void {
    this.#complete = false;
    this.#evidence.push(`not checked: ${why}`);
  }

  /** One violation per row; else `evidence`. */
  none<Row>(rows: readonly Row[], violation: (row: Row) => string, evidence: string): void {
    for (const row of rows) this.broken(violation(row));
    if (rows.length === 0) this.saw(evidence);
  }

  finding(): Finding {
    return {
      invariant: this.#invariant,
      title: invariants[this.#invariant],
      holds: this.#violations.length > 0 ? false : this.#complete ? true : null,
      evidence: [...this.#evidence],
      violations: [...this.#violations],
    };
  }
}

/** `1 node`, `2 nodes`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** Keys are 64 digits; the first twelve tell them apart for a person. */
export const short = (key: string): string => key.slice(0, 12);
