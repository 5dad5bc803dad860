import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { type AgentEnd, agentEndSchema, type Ending, endingSchema } from '../domain/ending.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
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
  const latest = db.prepare<[{ search: string; agent: string; occurrence: number }], { code: string; reason: string }>(
    `SELECT reason AS code, sentence AS reason FROM endings
     WHERE search = @search AND kind = 'agent' AND subject = @agent AND occurrence = @occurrence
     ORDER BY seq DESC LIMIT 1`,
  );
  const recorded = db.prepare<[string], { one: number }>(
    `SELECT 1 AS one FROM searches s, migrations m
     WHERE s.id = ? AND m.name = '005-endings' AND s.created_at >= m.at`,
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

    /** Why an agent ended after its attempt `occurrence`, or undefined where it did not say so. */
    ofAgent: (search: SearchId, agent: AgentName, occurrence: number): AgentEnd | undefined => {
      const row = latest.get({ search, agent, occurrence });
      return row && agentEndSchema.parse(row);
    },

    /** Whether the search began when early ends were recorded already: then a missing record says something. */
    isRecorded: (search: SearchId): boolean => recorded.get(search) !== undefined,

    /** What ended early in a search; with null, what belongs to none. */
    of: (search: SearchId | null): RecordedEnding[] =>
      rows.all(search).map((row) => rowSchema.parse({ ...row, figures: JSON.parse(row.figures) })),
  };
}
export type Endings = ReturnType<typeof endings>;
