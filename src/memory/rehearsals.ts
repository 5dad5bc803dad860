import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type SearchId } from '../domain/ids.ts';
import type { ReplyOf } from '../domain/messages.ts';
import { type RehearsalReservation, type RehearsalSettlement, rehearsalNameSchema } from '../domain/rehearsal.ts';
import type { SearchSpec } from '../domain/search.ts';

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

/** Device time of rehearsals, settled and reserved. */
export function rehearsalSeconds(db: Database) {
  const sum = db.prepare<{ search: string; agent: string | null }, { seconds: number }>(
    `SELECT coalesce(sum(coalesce(e.seconds, r.seconds)), 0) AS seconds
     FROM rehearsals r LEFT JOIN rehearsal_ends e ON e.search = r.search AND e.run = r.id
     WHERE r.search = @search AND (@agent IS NULL OR r.agent = @agent)`,
  );
  return (search: SearchId, agent: AgentName | null = null): number => sum.get({ search, agent })?.seconds ?? 0;
}

/**
 * Reservations and device time of rehearsals (I9).
 *
 * REH-1  Settled plus reserved never exceeds the limit of the agent, nor, with trainings and what is reserved for them, that of
 *        the search: checking and reserving is one transaction.
 * REH-2  A settlement is at most its reservation: the run was ended there.
 * REH-3  An agent runs one rehearsal at a time. If it reserves another, its unsettled one was lost with its process, which may
 *        have run it to the limit: it is charged in full.
 */
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
