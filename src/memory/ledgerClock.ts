import type { Database } from 'better-sqlite3';
import type { Clock } from '../platform/index.ts';

/**
 * The time that a ledger records, in milliseconds since the epoch.
 *
 * A calendar may be set back while a lab runs or between two processes; what follows from the order of two records (what was proposed after
 * the end of screening) or their distance (the minutes of a budget, a lease) must not change with it. So this follows the calendar forward,
 * also over the sleep of a machine, and passes by the monotonic clock where the calendar is behind the last record.
 */
export function ledgerClock(db: Database, clock: Clock): () => number {
  const recorded = db
    .prepare<[], { at: number | null }>(
      `SELECT max(at) AS at FROM (
         SELECT max(seen_at) AS at FROM sessions
         UNION ALL SELECT at FROM (SELECT created_at AS at FROM outbox ORDER BY seq DESC LIMIT 1)
         UNION ALL SELECT at FROM (SELECT at FROM test_reads ORDER BY seq DESC LIMIT 1)
       )`,
    )
    .get();
  let last = recorded?.at ?? Number.NEGATIVE_INFINITY;
  let passed = clock.monotonic();
  /** How far the ledger is ahead of the calendar. */
  let ahead = 0;
  return () => {
    const before = passed;
    passed = clock.monotonic();
    if (clock.now() + ahead < last) ahead = last + (passed - before) - clock.now();
    last = Math.max(last, clock.now() + ahead);
    return Math.floor(last);
  };
}
