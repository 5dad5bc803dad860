import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { type Ending, endingSchema } from '../domain/ending.ts';
import type { SearchId } from '../domain/ids.ts';
import type { Outbox } from './outbox.ts';

const rowSchema = endingSchema.extend({ seq: z.int(), at: z.int() });
/** An ending as the ledger has it, in the order in which endings were recorded. */
export type RecordedEnding = z.infer<typeof rowSchema>;

interface Row {
  seq: number;
  of: string;
  subject: string;
  reason: string;
  sentence: string;
  figures: string;
  occurrence: number;
  at: number;
}

/** Why searches, agents, workers, rungs and jobs ended before their work was done (I13). */
export function endings(db: Database, out: Outbox) {
  const insert = db.prepare(
    `INSERT INTO endings (search, kind, subject, reason, sentence, figures, occurrence, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const rows = db.prepare<[string | null], Row>(
    `SELECT seq, kind AS "of", subject, reason, sentence, figures, occurrence, at FROM endings
     WHERE search IS ? ORDER BY seq`,
  );
  return {
    /**
     * Records an ending and announces it; one that is recorded already changes nothing. Expects to be called inside a
     * transaction. `search` is null for a worker that belongs to no search.
     *
     * @returns whether it is new.
     */
    record(search: SearchId | null, ending: z.input<typeof endingSchema>, now: number): boolean {
      const { of, subject, reason, sentence, figures, occurrence }: Ending = endingSchema.parse(ending);
      const { changes } = insert.run(
        ...[search, of, subject, reason, sentence, JSON.stringify(figures), occurrence, now],
      );
      if (changes === 0) return false;
      if (search !== null) out.addEvent({ kind: 'ended-early', search, of, subject, reason, sentence, figures }, now);
      return true;
    },

    /** What ended early in a search; with null, what belongs to none. */
    of: (search: SearchId | null): RecordedEnding[] =>
      rows.all(search).map((row) => rowSchema.parse({ ...row, figures: JSON.parse(row.figures) })),
  };
}
export type Endings = ReturnType<typeof endings>;
