import type { Database } from 'better-sqlite3';
import { type AgentSpec, mostAttempts } from '../domain/agent.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import { horizonOf } from '../domain/nearDuplicates.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { BudgetLedger } from './budget.ts';

/** After this silence of an agent, others no longer wait for it. Longer than any call of a language model. */
export const silenceLimitMs = 15 * 60_000;

/** The last attempt of each agent that a decision knows. */
export type Horizons = ReadonlyMap<AgentName, number>;

/** A decision must wait for attempts of these agents. */
export interface Awaited {
  readonly agents: readonly AgentName[];
}

/**
 * How far decisions see into other agents' attempts.
 *
 * Role: the horizons of an attempt. Non-role: what is visible within them (views).
 *
 * HOR-1  Attempt n of an agent with ensemble memory knows every agent's attempts up to n - pending, like its own (VIE-1), and
 *        waits for them. It waits for smaller numbers only, so some agent can always proceed: no deadlock.
 * HOR-2  No agent waits for attempts that will not be made: of an agent whose budget or attempts are used, which the nodes
 *        show; of a retired one, or one whose provider is away; of one silent for longer than `silenceLimitMs`.
 * HOR-3  In the last two cases, which may depend on time, what the decision does not know is recorded before it is made.
 *        Horizons never change afterwards, even if the agent returns (I5).
 */
export function ensemble(db: Database, budget: BudgetLedger) {
  const recorded = db.prepare<[string, string, number], { other: AgentName; last: number }>(
    'SELECT other, last FROM horizons WHERE search = ? AND agent = ? AND ordinal = ?',
  );
  const record = db.prepare(`INSERT INTO horizons (search, agent, ordinal, other, last, at)
     VALUES (@search, @agent, @ordinal, @other, @last, @now)`);
  const retired = db.prepare<[string, string, number], { one: number }>(
    'SELECT 1 AS one FROM retirements WHERE search = ? AND agent = ? AND after = ?',
  );
  const insertRetirement = db.prepare(
    'INSERT OR IGNORE INTO retirements (search, agent, after, reason, at) VALUES (@search, @agent, @after, @reason, @now)',
  );
  const last = db.prepare<[string, string], { n: number }>(
    'SELECT coalesce(max(ordinal), 0) AS n FROM nodes WHERE search = ? AND agent = ?',
  );
  /** What each waiting agent waits for, and since when. In memory only: a new process starts the wait again. */
  const waiting = new Map<string, { ordinal: number; since: Map<string, number> }>();

  const lastOf = (search: SearchId, agent: AgentName): number => last.get(search, agent)?.n ?? 0;

  const isUsedUp = (search: SearchId, self: AgentSpec, attempts: number): boolean =>
    attempts >= mostAttempts(self) || budget.accepted(search, self.name) >= self.evaluations;

  const others = (spec: SearchSpec, self: AgentSpec): readonly AgentSpec[] =>
    self.memory === 'ensemble' ? spec.agents.filter(({ name }) => name !== self.name) : [];

  const repository = {
    lastOf,

    /** By rule and record, whether or not the attempts exist yet. */
    of(spec: SearchSpec, self: AgentSpec, ordinal: number): Horizons {
      const horizon = horizonOf(ordinal, self);
      const horizons = new Map<AgentName, number>([[self.name, horizon]]);
      for (const { name } of others(spec, self)) horizons.set(name, horizon);
      if (horizons.size > 1)
        for (const { other, last } of recorded.all(spec.id, self.name, ordinal)) horizons.set(other, last);
      return horizons;
    },

    /** The horizons at decision time: waits for attempts to come, and records which are skipped (HOR-3). Call inside a transaction. */
    settle(spec: SearchSpec, self: AgentSpec, ordinal: number, now: number): Horizons | Awaited {
      const horizons = repository.of(spec, self, ordinal);
      const awaited: AgentName[] = [];
      const cuts: { other: AgentName; last: number }[] = [];
      const waiter = `${spec.id} ${self.name}`;
      const since = (other: AgentName, reached: number): number => {
        const before = waiting.get(waiter);
        const wait = before?.ordinal === ordinal ? before : { ordinal, since: new Map<string, number>() };
        waiting.set(waiter, wait);
        const start = wait.since.get(`${other} ${reached}`) ?? now;
        wait.since.set(`${other} ${reached}`, start);
        return start;
      };
      for (const other of others(spec, self)) {
        const horizon = horizons.get(other.name) ?? 0;
        const reached = lastOf(spec.id, other.name);
        if (reached >= horizon || isUsedUp(spec.id, other, reached)) continue;
        const isLost = retired.get(spec.id, other.name, reached) || now - since(other.name, reached) >= silenceLimitMs;
        if (isLost) cuts.push({ other: other.name, last: reached });
        else awaited.push(other.name);
      }
      if (awaited.length > 0) return { agents: awaited };
      waiting.delete(waiter);
      for (const { other, last } of cuts) record.run({ search: spec.id, agent: self.name, ordinal, other, last, now });
      return cuts.length > 0 ? repository.of(spec, self, ordinal) : horizons;
    },

    /** The agent makes no further attempts for now: it ended, or its provider is away. */
    retire(search: SearchId, agent: AgentName, reason: string, now: number): void {
      insertRetirement.run({ search, agent, after: lastOf(search, agent), reason, now });
    },
  };
  return repository;
}
export type Ensemble = ReturnType<typeof ensemble>;
