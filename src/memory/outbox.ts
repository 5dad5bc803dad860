import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { jobSchema } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { eventSchema, type LabEvent } from '../domain/messages.ts';

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({ seq: z.int(), kind: z.literal('job'), messageId: z.string(), body: jobSchema }),
  z.strictObject({ seq: z.int(), kind: z.literal('event'), messageId: z.string(), body: eventSchema }),
]);
/** A committed entry that must be published. */
export type OutboxEntry = z.infer<typeof entrySchema>;

interface Row {
  seq: number;
  kind: string;
  messageId: string;
  body: string;
}

/** The publishing queue. Entries are added by the transactions that decide them. */
export function outbox(db: Database) {
  const insert = db.prepare('INSERT INTO outbox (kind, message_id, body, created_at) VALUES (?, ?, ?, ?)');
  const unsent = db.prepare<[number], Row>(
    `SELECT seq, kind, message_id AS messageId,
       CASE kind WHEN 'job' THEN (SELECT j.body FROM jobs j WHERE j.key = substr(message_id, 1, 64)) ELSE body END AS body
     FROM outbox WHERE sent_at IS NULL ORDER BY seq LIMIT ?`,
  );
  const markSent = db.prepare('UPDATE outbox SET sent_at = ? WHERE seq = ?');
  const lastSeq = db.prepare<[], { seq: number }>(`SELECT coalesce(max(seq), 0) AS seq FROM outbox`);

  return {
    /** The epoch in the message id lets a republished job pass the stream's deduplication. The job has its own row. */
    addJob(key: EvaluationKey, epoch: number, now: number): void {
      insert.run('job', `${key}:${epoch}`, '{}', now);
    },
    addEvent(event: LabEvent, now: number): void {
      const next = (lastSeq.get()?.seq ?? 0) + 1;
      insert.run('event', `event:${next}`, JSON.stringify(event), now);
    },
    unsent(limit: number): OutboxEntry[] {
      return unsent.all(limit).map((row) => entrySchema.parse({ ...row, body: JSON.parse(row.body) }));
    },
    markSent(seq: number, now: number): void {
      markSent.run(now, seq);
    },
  };
}
export type Outbox = ReturnType<typeof outbox>;
