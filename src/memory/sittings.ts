import type { Database } from 'better-sqlite3';
import type { SearchId } from '../domain/ids.ts';

/** A search that was not looked at for longer lay still: its machine slept, or its process was held. */
const restMs = 60_000;
/** The start of workers in a session that resumes is free for so long. */
const startUpMs = 60_000;

interface Sitting {
  seq: number;
  openedAt: number;
  seenAt: number;
}

/**
 * The running time of searches: what `budget.minutes` counts.
 *
 * Role: sessions of work on a search and the sum of their lengths. Non-role: what a limit does (budget, search machine).
 *
 * W1. Time in which nobody works on a search does not count: between sessions, and where a session was not looked at for
 *     longer than a minute.
 * W2. A kill costs a search nothing, so that one that was killed and resumed has the minutes of one that was not (I5): the
 *     time of trainings that were cut off is taken back, shared among the workers; in a session that resumes, time counts
 *     from the first training that begins, or after a minute.
 */
export function sittings(db: Database) {
  const last = db.prepare<[string], Sitting>(
    `SELECT seq, opened_at AS openedAt, seen_at AS seenAt FROM sittings WHERE search = ? ORDER BY seq DESC LIMIT 1`,
  );
  const insert = db.prepare('INSERT INTO sittings (search, opened_at, seen_at) VALUES (?, ?, ?)');
  const set = db.prepare('UPDATE sittings SET opened_at = ?, seen_at = ? WHERE seq = ?');
  const sum = db.prepare<[string], { ms: number; n: number }>(
    'SELECT coalesce(sum(seen_at - opened_at), 0) AS ms, count(*) AS n FROM sittings WHERE search = ?',
  );
  /** Trainings for a search that began in a session: how many workers trained, and the time of those without an end. */
  const cutOff = db.prepare<{ search: string; from: number; to: number }, { workers: number; ms: number }>(
    `SELECT count(DISTINCT a.worker) AS workers, coalesce(sum(max(0, @to - a.at)) FILTER (
       WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = a.key)
       AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)
     ), 0) AS ms
     FROM attempts a WHERE a.at >= @from AND a.key IN (SELECT key FROM wants WHERE search = @search)`,
  );
  /** Sessions in which a training has begun. */
  const begun = new Set<number>();

  return {
    /** A session begins. */
    open(search: SearchId, now: number): void {
      const before = last.get(search);
      if (before) {
        const lost = cutOff.get({ search, from: before.openedAt, to: before.seenAt });
        const back = lost && lost.workers > 0 ? Math.round(lost.ms / lost.workers) : 0;
        set.run(before.openedAt, Math.max(before.openedAt, before.seenAt - back), before.seq);
      }
      insert.run(search, now, now);
    },

    /** The search is being worked on; time counts up to here. */
    touch(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || now <= session.seenAt) return;
      if (now - session.seenAt > restMs) insert.run(search, now, now);
      else set.run(session.openedAt, now, session.seq);
    },

    /** A training for the search begins. */
    train(search: SearchId, now: number): void {
      const session = last.get(search);
      if (!session || begun.has(session.seq)) return;
      begun.add(session.seq);
      if ((sum.get(search)?.n ?? 0) < 2) return;
      const from = Math.max(session.openedAt, Math.min(now, session.openedAt + startUpMs));
      set.run(from, Math.max(from, session.seenAt), session.seq);
    },

    /** Whether somebody works on it now. */
    isLive(search: SearchId, now: number): boolean {
      const session = last.get(search);
      return session !== undefined && now - session.seenAt <= restMs;
    },

    elapsedMs: (search: SearchId): number => sum.get(search)?.ms ?? 0,

    /** Sessions so far. */
    count: (search: SearchId): number => sum.get(search)?.n ?? 0,
  };
}
export type Sittings = ReturnType<typeof sittings>;
