/**
 * The budget of a search: what it has used, what is reserved, and whether one more training, rehearsal or call fits (I9).
 *
 * Role: sums over rows, never counters (I2), and reservations checked in the transaction that makes them. Non-role: what happens
 * when a budget is used (nodes, views, endings), raising it (rulings).
 *
 * REH-1  Settled plus reserved never exceeds the limit of the agent, nor, with trainings and what is reserved for them, that of
 *        the search: checking and reserving is one transaction.
 * REH-2  A settlement is at most its reservation: the run was ended there.
 * REH-3  An agent runs one rehearsal at a time. If it reserves another, its unsettled one was lost with its process, which may
 *        have run it to the limit: it is charged in full.
 *
 * CAL-1  Settled plus reserved never exceeds a limit of the search or the agent: checking and reserving is one transaction,
 *        so any number of agents may reserve concurrently.
 * CAL-2  An agent has one running call. If it reserves another, its unsettled call was lost with its process. It may have been
 *        billed, so it is charged what answered calls of this model cost at most, for the same purpose if there are any; in
 *        full if none was answered yet.
 */
import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import {
  type CallReservation,
  type CallSettlement,
  callOutcomeSchema,
  purposeSchema,
  type Spend,
} from '../domain/agent.ts';
import { endingReasons } from '../domain/ending.ts';
import { TerminalError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type SearchId } from '../domain/ids.ts';
import type { ReplyOf } from '../domain/messages.ts';
import { type RehearsalReservation, type RehearsalSettlement, rehearsalNameSchema } from '../domain/rehearsal.ts';
import type { Budget, SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
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

/** Limits and use of a search's budget. `tallies` caches the sums. */
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

// Rehearsals: device time.

const rehearsalRecordSchema = z.object({
  id: z.string(),
  agent: agentNameSchema,
  ordinal: z.int(),
  tool: rehearsalNameSchema,
  reserved: z.number(),
  /** Null while it runs. */
  outcome: z.enum(['ok', 'failed', 'cancelled', 'lost']).nullable(),
  seconds: z.number().nullable(),
  at: z.number(),
});

/** A rehearsal with its settlement, which is null if it has none. */
export type RehearsalRecord = z.infer<typeof rehearsalRecordSchema>;

/** Reservations and device time of rehearsals. `objectionOf` says what the search has no room for. */
export function rehearsalLedger(db: Database, objectionOf: (spec: SearchSpec, seconds: number) => string | null) {
  const insert = db.prepare(
    `INSERT INTO rehearsals (search, id, agent, ordinal, tool, seconds, at)
     VALUES (@search, @run, @agent, @ordinal, @tool, @seconds, @now)`,
  );
  const byId = db.prepare<[string, string], { seconds: number; agent: AgentName }>(
    'SELECT seconds, agent FROM rehearsals WHERE search = ? AND id = ?',
  );
  const settle = db.prepare(
    `INSERT INTO rehearsal_ends (search, run, outcome, seconds, at) VALUES (@search, @run, @outcome, @seconds, @now)
     ON CONFLICT (search, run) DO NOTHING`,
  );
  const unsettled = db.prepare<[string, string], { id: string; seconds: number }>(
    `SELECT r.id, r.seconds FROM rehearsals r WHERE r.search = ? AND r.agent = ?
       AND NOT EXISTS (SELECT 1 FROM rehearsal_ends e WHERE e.search = r.search AND e.run = r.id)`,
  );
  const all = db.prepare<[string], unknown>(
    `SELECT r.id, r.agent, r.ordinal, r.tool, r.seconds AS reserved, e.outcome, e.seconds, r.at
     FROM rehearsals r LEFT JOIN rehearsal_ends e ON e.search = r.search AND e.run = r.id
     WHERE r.search = ? ORDER BY r.seq`,
  );
  const used = rehearsalSeconds(db);

  return {
    reserve(reservation: RehearsalReservation, spec: SearchSpec, now: number): ReplyOf<'rehearsal-reserve'> {
      const { search, agent, run, seconds } = reservation;
      const limits = spec.agents.find((each) => each.name === agent)?.operators;
      if (!limits) throw new TerminalError('no-rehearsals', `"${agent}" of "${search}" has no multi-turn operators`);
      if (byId.get(search, run)) return { state: 'granted' };
      for (const lost of unsettled.all(search, agent)) {
        settle.run({ search, run: lost.id, outcome: 'lost', seconds: lost.seconds, now });
      }
      if (used(search, agent) + seconds > limits.deviceSeconds) {
        return { state: 'spent', reason: `it could exceed the ${limits.deviceSeconds} device seconds of ${agent}` };
      }
      const objection = objectionOf(spec, seconds);
      if (objection !== null) return { state: 'spent', reason: objection };
      insert.run({ ...reservation, now });
      return { state: 'granted' };
    },

    /** The first settlement counts; later ones change nothing. @throws TerminalError for an unknown run. */
    settle({ search, run, seconds, outcome }: RehearsalSettlement, now: number): { recorded: boolean } {
      const reserved = byId.get(search, run);
      if (!reserved) throw new TerminalError('unknown-rehearsal', `"${run}" was never reserved`);
      const charged = Math.min(seconds, reserved.seconds);
      return { recorded: settle.run({ search, run, outcome, seconds: charged, now }).changes > 0 };
    },

    /** The agent of a run; undefined for an unknown one. */
    agentOf: (search: SearchId, run: string): AgentName | undefined => byId.get(search, run)?.agent,
    seconds: used,
    of: (search: SearchId): RehearsalRecord[] => all.all(search).map((row) => rehearsalRecordSchema.parse(row)),
  };
}

/** Device time of rehearsals, settled and reserved. */
function rehearsalSeconds(db: Database) {
  const sum = db.prepare<{ search: string; agent: string | null }, { seconds: number }>(
    `SELECT coalesce(sum(coalesce(e.seconds, r.seconds)), 0) AS seconds
     FROM rehearsals r LEFT JOIN rehearsal_ends e ON e.search = r.search AND e.run = r.id
     WHERE r.search = @search AND (@agent IS NULL OR r.agent = @agent)`,
  );
  return (search: SearchId, agent: AgentName | null = null): number => sum.get({ search, agent })?.seconds ?? 0;
}

// Calls of language models: dollars and tokens.

/** An older reservation is not of a running call, because callers time out earlier; it counts as spent. */
const oldestCallMs = 15 * 60_000;

const callRecordSchema = z.object({
  id: z.string(),
  agent: agentNameSchema,
  ordinal: z.int(),
  purpose: purposeSchema,
  model: z.string(),
  request: z.string(),
  reservedDollars: z.number(),
  reservedTokens: z.int(),
  outcome: callOutcomeSchema.nullable(),
  served: z.string().nullable(),
  input: z.int().nullable(),
  cached: z.int().nullable(),
  written: z.int().nullable(),
  output: z.int().nullable(),
  dollars: z.number().nullable(),
  estimated: z.int().nullable(),
  latencyMs: z.number().nullable(),
  message: z.string().nullable(),
  at: z.number(),
});

/** A call with its settlement, which is null if it has none. */
type CallRecord = z.infer<typeof callRecordSchema>;

interface Paid {
  readonly dollars: number;
  readonly tokens: number;
}

interface Sums {
  dollars: number;
  tokens: number;
  heldDollars: number;
  heldTokens: number;
  n: number;
}

/** Reservations and costs of LLM calls. */
export function calls(db: Database) {
  const insert = db.prepare(
    `INSERT INTO calls (search, id, agent, ordinal, purpose, model, request, dollars, tokens, at)
     VALUES (@search, @call, @agent, @ordinal, @purpose, @model, @request, @dollars, @tokens, @now)`,
  );
  const byId = db.prepare<[string, string], { dollars: number; tokens: number }>(
    'SELECT dollars, tokens FROM calls WHERE search = ? AND id = ?',
  );
  const settle = db.prepare(
    `INSERT INTO settlements
       (search, call, outcome, served, input, cached, written, output, dollars, estimated, latency_ms, message, at)
     VALUES (@search, @call, @outcome, @served, @input, @cached, @written, @output, @dollars, @estimated, @latencyMs,
       @message, @now) ON CONFLICT (search, call) DO NOTHING`,
  );
  const unsettled = db.prepare<[string, string], Pick<CallRecord, 'id' | 'model' | 'purpose'> & Paid>(
    `SELECT c.id, c.model, c.purpose, c.dollars, c.tokens FROM calls c WHERE c.search = ? AND c.agent = ?
       AND NOT EXISTS (SELECT 1 FROM settlements s WHERE s.search = c.search AND s.call = c.id)`,
  );
  const highest = db.prepare<[string, string, string | null, string | null], { [unit in keyof Paid]: number | null }>(
    `SELECT max(s.dollars) AS dollars, max(s.input + s.output) AS tokens FROM calls c
     JOIN settlements s ON s.search = c.search AND s.call = c.id
     WHERE c.search = ? AND c.model = ? AND (? IS NULL OR c.purpose = ?) AND s.estimated = 0 AND s.input > 0`,
  );
  const sums = db.prepare<{ search: string; agent: string | null; since: number }, Sums>(
    `SELECT coalesce(sum(coalesce(s.dollars, c.dollars)), 0) AS dollars,
       coalesce(sum(CASE WHEN s.call IS NULL THEN c.tokens ELSE s.input + s.output END), 0) AS tokens,
       coalesce(sum(c.dollars) FILTER (WHERE s.call IS NULL AND c.at > @since), 0) AS heldDollars,
       coalesce(sum(c.tokens) FILTER (WHERE s.call IS NULL AND c.at > @since), 0) AS heldTokens,
       count(*) AS n
     FROM calls c LEFT JOIN settlements s ON s.search = c.search AND s.call = c.id
     WHERE c.search = @search AND (@agent IS NULL OR c.agent = @agent)`,
  );
  const columns = `c.id, c.agent, c.ordinal, c.purpose, c.model, c.request, c.dollars AS reservedDollars,
       c.tokens AS reservedTokens, s.outcome, s.served, s.input, s.cached, s.written, s.output, s.dollars, s.estimated,
       s.latency_ms AS latencyMs, s.message, c.at
     FROM calls c LEFT JOIN settlements s ON s.search = c.search AND s.call = c.id`;
  const all = db.prepare<[string], unknown>(`SELECT ${columns} WHERE c.search = ? ORDER BY c.seq`);
  const ofAgent = db.prepare<[string, string, number | null, number | null], unknown>(
    `SELECT ${columns} WHERE c.search = ? AND c.agent = ? AND (? IS NULL OR c.ordinal = ?) ORDER BY c.seq`,
  );

  /** The charge of a call whose outcome is unknown. */
  const unknownCost = (
    search: string,
    { model, purpose, dollars, tokens }: ReturnType<typeof unsettled.all>[number],
  ): Paid => {
    const same = highest.get(search, model, purpose, purpose);
    const paid = same?.tokens ? same : highest.get(search, model, null, null);
    return { dollars: Math.min(dollars, paid?.dollars ?? dollars), tokens: Math.min(tokens, paid?.tokens ?? tokens) };
  };

  const objection = (
    whose: string,
    limits: { dollars?: number | undefined; tokens?: number | undefined },
    sum: Sums,
    reservation: CallReservation,
  ): ReplyOf<'call-reserve'> | null => {
    for (const unit of ['dollars', 'tokens'] as const) {
      const limit = limits[unit];
      if (limit === undefined || sum[unit] + reservation[unit] <= limit) continue;
      const reserved = unit === 'dollars' ? sum.heldDollars : sum.heldTokens;
      const amount = unit === 'dollars' ? `$${limit}` : `${limit} tokens`;
      // Reserved amounts may be released on settlement; spent ones are not.
      const state = reserved > 0 && sum[unit] - reserved + reservation[unit] <= limit ? 'waiting' : 'spent';
      return { state, reason: `the next call could exceed the ${amount} of ${whose}` };
    }
    return null;
  };

  const repository = {
    reserve(reservation: CallReservation, spec: SearchSpec, now: number): ReplyOf<'call-reserve'> {
      const { search, agent, call } = reservation;
      const self = spec.agents.find((each) => each.name === agent);
      if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
      if (byId.get(search, call)) return { state: 'granted' };
      for (const lost of unsettled.all(search, agent)) {
        const charged = unknownCost(search, lost);
        settle.run({
          search,
          call: lost.id,
          outcome: 'lost',
          served: null,
          input: charged.tokens,
          cached: 0,
          written: 0,
          output: 0,
          dollars: charged.dollars,
          estimated: 1,
          latencyMs: 0,
          message: null,
          now,
        });
      }
      const since = now - oldestCallMs;
      const refused =
        objection(agent, self, sums.get({ search, agent, since }) as Sums, reservation) ??
        objection('the search', spec.budget, sums.get({ search, agent: null, since }) as Sums, reservation);
      if (refused) return refused;
      const { ordinal, purpose, model, request, dollars, tokens } = reservation;
      insert.run({ search, call, agent, ordinal, purpose, model, request, dollars, tokens, now });
      return { state: 'granted' };
    },

    /** The first settlement of a call counts; later ones change nothing. @throws TerminalError for an unknown call. */
    settle(settlement: CallSettlement, now: number): { recorded: boolean } {
      const { search, call, usage, estimated, ...rest } = settlement;
      if (!byId.get(search, call)) throw new TerminalError('unknown-call', `"${call}" was never reserved`);
      const row = { ...rest, ...usage, search, call, estimated: estimated ? 1 : 0, now };
      return { recorded: settle.run(row).changes > 0 };
    },

    /** Cost of calls of one agent or all; running ones at their reservation. */
    spend(search: SearchId, agent: AgentName | null = null): Spend {
      const { n, tokens, dollars } = sums.get({ search, agent, since: 0 }) as Sums;
      return { calls: n, tokens, dollars };
    },

    /** Calls of one agent, or of one of its attempts. */
    ofAgent: (search: SearchId, agent: string, ordinal: number | null = null): CallRecord[] =>
      ofAgent.all(search, agent, ordinal, ordinal).map((row) => callRecordSchema.parse(row)),

    of: (search: SearchId): CallRecord[] => all.all(search).map((row) => callRecordSchema.parse(row)),
  };
  return repository;
}

export type Calls = ReturnType<typeof calls>;
