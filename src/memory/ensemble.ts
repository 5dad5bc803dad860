import type { Database } from 'better-sqlite3';
import type { AgentSpec } from '../domain/agent.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import { horizonOf } from '../domain/nearDuplicates.ts';
import type { SearchSpec } from '../domain/search.ts';
import { attemptsPerProposal, type BudgetLedger, spareAttempts } from './budget.ts';

/**
 * An agent that says nothing for so long keeps the others waiting no longer: its process may be gone for good. Longer than
 * any thought takes, provider outages included.
 */
export const silenceLimitMs = 15 * 60_000;

/** Up to which attempt a decision knows each agent. */
export type Horizons = ReadonlyMap<AgentName, number>;

/** A decision has to wait: for the attempts of these agents. */
export interface Awaited {
  readonly agents: readonly AgentName[];
}

/**
 * How far decisions see into the attempts of other agents.
 *
 * Role: the horizons of an attempt. Non-role: what is seen there (views).
 *
 * E1. Attempt n of an agent that remembers the ensemble knows every agent's attempts up to n - pending, as it knows its own
 *     (V1), and waits for them. It waits for smaller numbers only, so that whoever waits, somebody can go on: no deadlock.
 * E2. Nobody waits for attempts that will not be made: of an agent whose budget is used or whose attempts are used up, which
 *     the nodes show; of one that has said that it ends; of one that says nothing for longer than `patienceMs`.
 * E3. In the last two cases, in which time may play a part, what the decision does not know is recorded with it before it is
 *     made. The horizons of an attempt never change afterwards, even if the agent comes back (I5).
 */
export function ensemble(db: Database, budget: BudgetLedger) {
  const recorded = db.prepare<[string, string, number], { other: AgentName; last: number }>(
    'SELECT other, last FROM horizons WHERE search = ? AND agent = ? AND ordinal = ?',
  );
  const record = db.prepare('INSERT INTO horizons (search, agent, ordinal, other, last, at) VALUES (?, ?, ?, ?, ?, ?)');
  const retired = db.prepare<[string, string, number], { one: number }>(
    'SELECT 1 AS one FROM retirements WHERE search = ? AND agent = ? AND after = ?',
  );
  const insertRetirement = db.prepare(
    'INSERT OR IGNORE INTO retirements (search, agent, after, reason, at) VALUES (?, ?, ?, ?, ?)',
  );
  const last = db.prepare<[string, string], { n: number }>(
    'SELECT coalesce(max(ordinal), 0) AS n FROM nodes WHERE search = ? AND agent = ?',
  );
  /** Of each agent that waits: for what, and since when. Forgotten with the process, which begins to wait anew. */
  const waiting = new Map<string, { ordinal: number; since: Map<string, number> }>();

  const lastOf = (search: SearchId, agent: AgentName): number => last.get(search, agent)?.n ?? 0;

  const isUsedUp = (search: SearchId, { name, evaluations }: AgentSpec, attempts: number): boolean =>
    attempts >= evaluations * attemptsPerProposal + spareAttempts || budget.accepted(search, name) >= evaluations;

  const others = (spec: SearchSpec, self: AgentSpec): readonly AgentSpec[] =>
    self.memory === 'ensemble' ? spec.agents.filter(({ name }) => name !== self.name) : [];

  const repository = {
    lastOf,

    /** By rule and record; whether what lies within has happened yet does not matter. */
    of(spec: SearchSpec, self: AgentSpec, ordinal: number): Horizons {
      const horizon = horizonOf(ordinal, self);
      const found = new Map<AgentName, number>([[self.name, horizon]]);
      for (const { name } of others(spec, self)) found.set(name, horizon);
      if (found.size > 1)
        for (const { other, last } of recorded.all(spec.id, self.name, ordinal)) found.set(other, last);
      return found;
    },

    /**
     * The same at the moment of deciding: waits for what will come, and records what is not waited for (E3). Expects to be
     * called inside a transaction.
     */
    settle(spec: SearchSpec, self: AgentSpec, ordinal: number, now: number): Horizons | Awaited {
      const horizons = repository.of(spec, self, ordinal);
      const awaited: AgentName[] = [];
      const cuts: { other: AgentName; last: number }[] = [];
      const waiter = `${spec.id} ${self.name}`;
      const since = (other: AgentName, reached: number): number => {
        const before = waiting.get(waiter);
        const wait = before?.ordinal === ordinal ? before : { ordinal, since: new Map<string, number>() };
        waiting.set(waiter, wait);
        const begun = wait.since.get(`${other} ${reached}`) ?? now;
        wait.since.set(`${other} ${reached}`, begun);
        return begun;
      };
      for (const other of others(spec, self)) {
        const horizon = horizons.get(other.name) ?? 0;
        const reached = lastOf(spec.id, other.name);
        if (reached >= horizon || isUsedUp(spec.id, other, reached)) continue;
        const isGone = retired.get(spec.id, other.name, reached) || now - since(other.name, reached) >= silenceLimitMs;
        if (isGone) cuts.push({ other: other.name, last: reached });
        else awaited.push(other.name);
      }
      if (awaited.length > 0) return { agents: awaited };
      waiting.delete(waiter);
      for (const { other, last } of cuts) record.run(spec.id, self.name, ordinal, other, last, now);
      return cuts.length > 0 ? repository.of(spec, self, ordinal) : horizons;
    },

    /** The agent makes no more attempts for now. */
    retire(search: SearchId, agent: AgentName, reason: string, now: number): void {
      insertRetirement.run(search, agent, lastOf(search, agent), reason, now);
    },
  };
  return repository;
}
export type Ensemble = ReturnType<typeof ensemble>;
