import type { Database } from 'better-sqlite3';
import { endingReasons } from '../domain/ending.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { SearchStats } from './searchStats.ts';

/**
 * An agent whose attempts are nearly all refused would otherwise go on for ever without spending anything: so many
 * attempts per accepted proposal, and so many on top, are its lot.
 */
export const attemptsPerProposal = 4;
export const spareAttempts = 20;

/** Why a training may not be paid for. */
export interface Objection {
  readonly reason: (typeof endingReasons)['minutesOver' | 'deviceSecondsSpent'];
  readonly message: string;
}

const minutesOver = (minutes: number): Objection => ({
  reason: endingReasons.minutesOver,
  message: `the ${minutes} minutes are over`,
});

/** What a search has spent. Always a sum over rows, never a counter (I2); tallies remember sums already made. */
export function budget(db: Database, tallies: SearchStats) {
  // Two counts that indexes answer: attempts, and those among them that were refused.
  const attempted = db.prepare<[string, string, number], { n: number }>(
    'SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ?',
  );
  const refused = db.prepare<[string, string, number], { n: number }>(
    `SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ? AND verdict <> 'accepted'`,
  );
  const repository = {
    /** Proposals of an agent that were taken up, among its attempts up to `last`. */
    accepted: (search: SearchId, agent: AgentName, last: number = Number.MAX_SAFE_INTEGER) =>
      (attempted.get(search, agent, last)?.n ?? 0) - (refused.get(search, agent, last)?.n ?? 0),
    /** All its attempts, refused ones included. */
    attempted: (search: SearchId, agent: AgentName) => attempted.get(search, agent, Number.MAX_SAFE_INTEGER)?.n ?? 0,
    /** Training seconds paid so far. */
    deviceSeconds: (search: SearchId) => rungs.reduce((sum, rung) => sum + tallies.rungs(search)[rung].seconds, 0),
    /** Mean seconds of a training per rung, where one has ended. */
    meanSeconds(search: SearchId): Partial<Record<Rung, number>> {
      const sums = tallies.rungs(search);
      const ended = rungs.filter((rung) => sums[rung].ok > 0);
      return Object.fromEntries(ended.map((rung) => [rung, sums[rung].okSeconds / sums[rung].ok]));
    },

    /**
     * Why one more training on this rung would break the budget, or null where it would not. What is queued is charged at
     * the measured mean of its rung, or at the profile's estimate until one has ended.
     */
    objection(spec: SearchSpec, rung: Rung, elapsedMs: number): Objection | null {
      const { minutes, deviceSeconds } = spec.budget;
      if (minutes !== undefined && elapsedMs >= minutes * 60_000) return minutesOver(minutes);
      if (deviceSeconds === undefined) return null;
      const mean = repository.meanSeconds(spec.id);
      const price = Object.fromEntries(rungs.map((each) => [each, mean[each] ?? spec.rungs[each].seconds]));
      const sums = tallies.rungs(spec.id);
      const reserved = rungs.reduce((sum, each) => sum + sums[each].owed * (price[each] ?? 0), 0);
      const after = repository.deviceSeconds(spec.id) + reserved + (price[rung] ?? 0);
      if (after <= deviceSeconds) return null;
      const message = `the ${deviceSeconds} device seconds are spent or reserved`;
      return { reason: endingReasons.deviceSecondsSpent, message };
    },
  };
  return repository;
}
export type BudgetLedger = ReturnType<typeof budget>;
