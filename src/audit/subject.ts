import type { SearchId } from '../domain/ids.ts';
import { eventSchema, type LabEvent } from '../domain/messages.ts';
import type { originSchema } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader } from '../memory/index.ts';

/** The audited search and its archive. */
export interface Subject {
  readonly reader: ArchiveReader;
  readonly search: SearchId;
  readonly spec: SearchSpec;
}

/** The rows of a query. Tables are strict, so column types hold even for altered values. */
export function rowsOf<Row>(subject: Subject, sql: string, ...parameters: readonly (string | number)[]): Row[] {
  return subject.reader.db.prepare<unknown[], Row>(sql).all(...parameters);
}

/** The single number that a query returns. */
export function countOf(subject: Subject, sql: string, ...parameters: readonly (string | number)[]): number {
  return (
    subject.reader.db
      .prepare<unknown[], number>(sql)
      .pluck()
      .get(...parameters) ?? 0
  );
}

/** When proposals were closed: the first step beyond screening. Null while the search screens. */
export function screeningClosedAt({ reader, search }: Subject): number | null {
  const onwards = reader.searches.phaseTimes(search).find(({ phase }) => phase !== 'screening' && phase !== 'stopped');
  return onwards?.at ?? null;
}

const ownOrigins = ['reference', 'aggregate'] as const satisfies (typeof originSchema.options)[number][];

/** SQL: whether the node is a reference or aggregate, not an agent's. */
export const isOwnNode = (table: string): string =>
  `${table}.origin IN (${ownOrigins.map((each) => `'${each}'`).join(', ')})`;

/** An announcement in the outbox. */
export interface PublishedEvents {
  readonly seq: number;
  readonly event: LabEvent;
}

/** An outbox row that is not a valid announcement. */
export interface Unreadable {
  readonly seq: number;
}

/** All announcements of a search, in order. */
export function publishedEventsOf(subject: Subject): { events: PublishedEvents[]; unreadable: Unreadable[] } {
  const events: PublishedEvents[] = [];
  const unreadable: Unreadable[] = [];
  const rows = rowsOf<{ seq: number; body: string }>(
    subject,
    `SELECT seq, body FROM outbox WHERE kind = 'event' AND json_extract(body, '$.search') = ? ORDER BY seq`,
    subject.search,
  );
  for (const { seq, body } of rows) {
    const parsed = eventSchema.safeParse(JSON.parse(body));
    if (parsed.success) events.push({ seq, event: parsed.data });
    else unreadable.push({ seq });
  }
  return { events, unreadable };
}

/** The announcements of one kind. */
export function ofKind<K extends LabEvent['kind']>(
  events: readonly PublishedEvents[],
  kind: K,
): Extract<LabEvent, { kind: K }>[] {
  return events.flatMap(({ event }) => (event.kind === kind ? [event as Extract<LabEvent, { kind: K }>] : []));
}

/** Identifies a request and its outcome. */
export const requestOf = ({ node, rung, seed }: { node: string; rung: string; seed: number }): string =>
  `${node} on ${rung} with seed ${seed}`;

/** The invariants that an audit checks, by number. */
export const invariants = {
  I1: 'write-ahead',
  I2: 'every evaluation counts once',
  I3: 'scores come from the evaluator only',
  I4: 'test scores do not steer the search',
  I5: 'replayable',
  I6: 'batch-independence',
  I7: 'no secret leakage',
  I8: 'every attempt is recorded',
  I9: 'budgets are hard',
  I10: 'scores identify their inputs',
  I11: 'claims follow from the archive',
} as const;
export type Invariant = keyof typeof invariants;

/** The result of checking one invariant. */
export interface Finding {
  readonly invariant: Invariant;
  readonly title: string;
  /** Null if the check was incomplete; the evidence says why. */
  readonly holds: boolean | null;
  /** What was checked, with counts. */
  readonly evidence: readonly string[];
  readonly violations: readonly string[];
}

/** Collects the evidence and violations of one invariant. */
export class CheckReport {
  readonly #invariant: Invariant;
  readonly #evidence: string[] = [];
  readonly #violations: string[] = [];
  #complete = true;

  constructor(invariant: Invariant) {
    this.#invariant = invariant;
  }

  pass(evidence: string): void {
    this.#evidence.push(evidence);
  }

  violation(text: string): void {
    this.#violations.push(text);
  }

  /** Part of the invariant could not be checked. */
  skipped(why: string): void {
    this.#complete = false;
    this.#evidence.push(`not checked: ${why}`);
  }

  /** One violation per row; passes with `evidence` if there are none. */
  none<Row>(rows: readonly Row[], violationOf: (row: Row) => string, evidence: string): void {
    for (const row of rows) this.violation(violationOf(row));
    if (rows.length === 0) this.pass(evidence);
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

/** Keys have 64 digits; the first twelve identify one for a person. */
export const short = (key: string): string => key.slice(0, 12);
