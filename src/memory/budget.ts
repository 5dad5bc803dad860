import type { Database } from 'better-sqlite3';
import { endingReasons } from '../domain/ending.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { Budget, SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import { rehearsalSeconds } from './rehearsals.ts';
import type { Rulings } from './rulings.ts';
import type { SearchStats } from './searchStats.ts';

/** Why a training cannot be charged. */
export interface Objection {
  readonly reason: (typeof endingReasons)['minutesOver' | 'deviceSecondsSpent'];
  readonly message: string;
}

const minutesOver = (minutes: number): Objection => ({
  reason: endingReasons.minutesOver,
  message: `the ${minutes} minutes are used`,
});

/** Use of a search's budget: always sums over rows, never counters (I2); `tallies` caches them. */
export function budget(db: Database, tallies: SearchStats, rulings: Rulings) {
  // Two indexed counts: attempts, and refused attempts.
  const attempted = db.prepare<[string, string, number], { n: number }>(
    'SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ?',
  );
  const refused = db.prepare<[string, string, number], { n: number }>(
    `SELECT count(*) AS n FROM nodes WHERE search = ? AND agent = ? AND ordinal <= ? AND verdict <> 'accepted'`,
  );
  const rehearsed = rehearsalSeconds(db);
  /** Seconds that queued trainings are expected to take. */
  const owed = (spec: SearchSpec): { readonly reserved: number; readonly price: (rung: Rung) => number } => {
    const mean = repository.meanSeconds(spec.id);
    const price = (rung: Rung) => mean[rung] ?? spec.rungs[rung].seconds;
    const sums = tallies.rungs(spec.id);
    return { price, reserved: rungs.reduce((sum, each) => sum + sums[each].owed * price(each), 0) };
  };
  const repository = {
    /** The limits of a search, as recorded or as a person has raised them. */
    limits: (spec: Pick<SearchSpec, 'id' | 'budget'>): Budget => rulings.budget(spec),
    /** Accepted proposals of an agent among its attempts up to `last`. */
    accepted: (search: SearchId, agent: AgentName, last: number = Number.MAX_SAFE_INTEGER) =>
      (attempted.get(search, agent, last)?.n ?? 0) - (refused.get(search, agent, last)?.n ?? 0),
    /** All attempts, including refused ones. */
    attempted: (search: SearchId, agent: AgentName) => attempted.get(search, agent, Number.MAX_SAFE_INTEGER)?.n ?? 0,
    /** Training seconds charged so far, and those of rehearsals, running ones at their reservation. */
    deviceSeconds: (search: SearchId) =>
      rungs.reduce((sum, rung) => sum + tallies.rungs(search)[rung].seconds, rehearsed(search)),
    /** Mean seconds per training on each rung with results. */
    meanSeconds(search: SearchId): Partial<Record<Rung, number>> {
      const sums = tallies.rungs(search);
      const ended = rungs.filter((rung) => sums[rung].ok > 0);
      return Object.fromEntries(ended.map((rung) => [rung, sums[rung].okSeconds / sums[rung].ok]));
    },

    /**
     * Why one more training on this rung would exceed the budget, or null. Queued trainings are charged at the measured
     * mean of their rung, or at the profile's estimate.
     */
    objection(spec: SearchSpec, rung: Rung, elapsedMs: number): Objection | null {
      const { minutes, deviceSeconds } = repository.limits(spec);
      if (minutes !== undefined && elapsedMs >= minutes * 60_000) return minutesOver(minutes);
      if (deviceSeconds === undefined) return null;
      const { reserved, price } = owed(spec);
      const after = repository.deviceSeconds(spec.id) + reserved + price(rung);
      if (after <= deviceSeconds) return null;
      const message = `the ${deviceSeconds} device seconds are used or reserved`;
      return { reason: endingReasons.deviceSecondsSpent, message };
    },

    /** Why a rehearsal of up to `seconds` would exceed the budget, or null. */
    rehearsalObjection(spec: SearchSpec, seconds: number): string | null {
      const { deviceSeconds } = repository.limits(spec);
      if (deviceSeconds === undefined) return null;
      const after = repository.deviceSeconds(spec.id) + owed(spec).reserved + seconds;
      return after <= deviceSeconds ? null : `it could exceed the ${deviceSeconds} device seconds of the search`;
    },
  };
  return repository;
}
export type BudgetLedger = ReturnType<typeof budget>;
