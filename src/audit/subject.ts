import type { SearchId } from '../domain/ids.ts';
import { eventSchema, type LabEvent } from '../domain/messages.ts';
import type { originSchema } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader } from '../memory/index.ts';

/** A search whose records are audited, and the archive that holds them. */
export interface Subject {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly spec: SearchSpec;
}

/** The rows of a query. The tables are strict, so that the columns' types hold even where the values were altered. */
export function rowsOf<Row>(subject: Subject, sql: string, ...parameters: readonly (string | number)[]): Row[] {
  return subject.reader.db.prepare<unknown[], Row>(sql).all(...parameters);
}

/** The one number that a query answers. */
export function countOf(subject: Subject, sql: string, ...parameters: readonly (string | number)[]): number {
  return (
    subject.reader.db
      .prepare<unknown[], number>(sql)
      .pluck()
      .get(...parameters) ?? 0
  );
}

/** When proposals were no longer taken: the first step up the ladder. Null while the search screens. */
export function screeningClosedAt({ reader, search }: Subject): number | null {
  const onwards = reader.searches.phaseTimes(search).find(({ phase }) => phase !== 'screening' && phase !== 'stopped');
  return onwards?.at ?? null;
}

const ownOrigins = ['reference', 'aggregate'] as const satisfies (typeof originSchema.options)[number][];

/** SQL: is the node the laboratory's own, rather than an agent's? */
export const isOwnNode = (table: string): string =>
  `${table}.origin IN (${ownOrigins.map((each) => `'${each}'`).join(', ')})`;

/** An announcement as it stands in the outbox. */
export interface PublishedEvents {
  readonly seq: number;
  readonly event: LabEvent;
}

/** An entry that is no announcement. */
export interface Unreadable {
  readonly seq: number;
}

/** All that was announced of a search, in the order of the decisions. */
export function publishedEventsOf(subject: Subject): { told: PublishedEvents[]; unreadable: Unreadable[] } {
  const told: PublishedEvents[] = [];
  const unreadable: Unreadable[] = [];
  const rows = rowsOf<{ seq: number; body: string }>(
    subject,
    `SELECT seq, body FROM outbox WHERE kind = 'event' AND json_extract(body, '$.search') = ? ORDER BY seq`,
    subject.search,
  );
  for (const { seq, body } of rows) {
    const parsed = eventSchema.safeParse(JSON.parse(body));
    if (parsed.success) told.push({ seq, event: parsed.data });
    else unreadable.push({ seq });
  }
  return { told, unreadable };
}

/** The announcements of one kind. */
export function ofKind<K extends LabEvent['kind']>(
  told: readonly PublishedEvents[],
  kind: K,
): Extract<LabEvent, { kind: K }>[] {
  return told.flatMap(({ event }) => (event.kind === kind ? [event as Extract<LabEvent, { kind: K }>] : []));
}

/** Names the wish that an outcome answers. */
export const requestOf = ({ node, rung, seed }: { node: string; rung: string; seed: number }): string =>
  `${node} on ${rung} with seed ${seed}`;

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
export class CheckReport {
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
