import type { SearchId } from '../domain/ids.ts';
import type { originSchema } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { ArchiveReader } from '../memory/archive.ts';

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
