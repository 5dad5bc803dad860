import type { Database } from 'better-sqlite3';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';

/**
 * An agent whose attempts are nearly all refused would otherwise go on for ever without spending anything: so many
 * attempts per accepted proposal, and so many on top, are its lot.
 */
export const attemptsPerProposal = 4;
export const spareAttempts = 20;

/** What a search has spent. Always a sum over rows, never a counter (I2). */
export function budget(db: Database) {
  // Two counts that indexes answer: attempts, and those among them that were refused.
  const attempted = db.prepare<[string, string, number], { n: number }>(
    'SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ?',
  );
  const refused = db.prepare<[string, string, number], { n: number }>(
    `SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ? AND verdict <> 'accepted'`,
  );
  const paid = db.prepare<[string], { seconds: number }>(
    `SELECT coalesce(sum(e.seconds), 0) AS seconds FROM wants w JOIN evaluations e ON e.key = w.key
     WHERE w.search = ? AND w.saved = 0`,
  );
  const owed = db.prepare<[string], { rung: Rung; n: number }>(
    `SELECT w.rung, count(*) AS n FROM wants w WHERE w.search = ? AND w.saved = 0
       AND NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = w.key) GROUP BY w.rung`,
  );
  const means = db.prepare<[string], { rung: Rung; mean: number }>(
    `SELECT w.rung, avg(e.seconds) AS mean FROM wants w JOIN evaluations e ON e.key = w.key
     WHERE w.search = ? AND w.saved = 0 AND e.status = 'ok' GROUP BY w.rung`,
  );

  const repository = {
    /** Proposals of an agent that were taken up, among its attempts up to `last`. */
    accepted: (search: SearchId, agent: AgentName, last: number = Number.MAX_SAFE_INTEGER) =>
      (attempted.get(search, agent, last)?.n ?? 0) - (refused.get(search, agent, last)?.n ?? 0),
    /** All its attempts, refused ones included. */
    attempted: (search: SearchId, agent: AgentName) => attempted.get(search, agent, Number.MAX_SAFE_INTEGER)?.n ?? 0,
    /** Training seconds paid so far. */
    deviceSeconds: (search: SearchId) => paid.get(search)?.seconds ?? 0,
    /** Mean seconds of a training per rung, where one has ended. */
    meanSeconds(search: SearchId): Partial<Record<Rung, number>> {
      return Object.fromEntries(means.all(search).map((row) => [row.rung, row.mean]));
    },

    /**
     * Why one more training on this rung would break the budget, or null where it would not. What is queued is charged at
     * the measured mean of its rung, or at the profile's estimate until one has ended.
     */
    objection(spec: SearchSpec, rung: Rung, elapsedMs: number): string | null {
      const { minutes, deviceSeconds } = spec.budget;
      if (minutes !== undefined && elapsedMs >= minutes * 60_000) return `the ${minutes} minutes are over`;
      if (deviceSeconds === undefined) return null;
      const mean = repository.meanSeconds(spec.id);
      const price = Object.fromEntries(rungs.map((each) => [each, mean[each] ?? spec.rungs[each].seconds]));
      const reserved = owed.all(spec.id).reduce((sum, row) => sum + row.n * (price[row.rung] ?? 0), 0);
      const after = repository.deviceSeconds(spec.id) + reserved + (price[rung] ?? 0);
      return after > deviceSeconds ? `the ${deviceSeconds} device seconds are spent or reserved` : null;
    },
  };
  return repository;
}
export type BudgetLedger = ReturnType<typeof budget>;
