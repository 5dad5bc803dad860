import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { type AgentEnd, agentEndSchema, type Ending, endingReasons, endingSchema } from '../domain/ending.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { Phase, SearchSpec } from '../domain/search.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Outbox } from './outbox.ts';
import type { Searches } from './searches.ts';
import type { SearchStats } from './searchStats.ts';

const rowSchema = endingSchema.extend({ seq: z.int(), at: z.int() });
/** A recorded ending. */
export type RecordedEnding = z.infer<typeof rowSchema>;

interface Row {
  seq: number;
  of: string;
  subject: string;
  reason: string;
  sentence: string;
  figures: string;
  occurrence: number;
  at: number;
}

/** Early endings of searches, agents, workers, rungs and jobs (I13). */
export function endings(db: Database, out: Outbox) {
  const insert = db.prepare(
    `INSERT INTO endings (search, kind, subject, reason, sentence, figures, occurrence, at)
     VALUES (@search, @of, @subject, @reason, @sentence, @figures, @occurrence, @now) ON CONFLICT DO NOTHING`,
  );
  const rows = db.prepare<[string | null], Row>(
    `SELECT seq, kind AS "of", subject, reason, sentence, figures, occurrence, at FROM endings
     WHERE search IS ? ORDER BY seq`,
  );
  const latest = db.prepare<[{ search: string; agent: string; occurrence: number }], { code: string; reason: string }>(
    `SELECT reason AS code, sentence AS reason FROM endings
     WHERE search = @search AND kind = 'agent' AND subject = @agent AND occurrence = @occurrence
     ORDER BY seq DESC LIMIT 1`,
  );
  const recorded = db.prepare<[string], { one: number }>(
    `SELECT 1 AS one FROM searches s, migrations m
     WHERE s.id = ? AND m.name = '005-endings' AND s.created_at >= m.at`,
  );
  return {
    /**
     * Records an ending and announces it; a repeated one changes nothing. Call inside a transaction. `search` is null for a
     * worker without a search.
     *
     * @returns whether it is new.
     */
    record(search: SearchId | null, ending: z.input<typeof endingSchema>, now: number): boolean {
      const { of, subject, reason, sentence, figures, occurrence }: Ending = endingSchema.parse(ending);
      const { changes } = insert.run({
        search,
        of,
        subject,
        reason,
        sentence,
        figures: JSON.stringify(figures),
        occurrence,
        now,
      });
      if (changes === 0) return false;
      if (search !== null) out.addEvent({ kind: 'ended-early', search, of, subject, reason, sentence, figures }, now);
      return true;
    },

    /** Why an agent ended after its attempt `occurrence`; undefined if it reported no reason. */
    ofAgent: (search: SearchId, agent: AgentName, occurrence: number): AgentEnd | undefined => {
      const row = latest.get({ search, agent, occurrence });
      return row && agentEndSchema.parse(row);
    },

    /** Whether the search started in a version that records endings, so that a missing record is meaningful. */
    isRecorded: (search: SearchId): boolean => recorded.get(search) !== undefined,

    /** Early endings of a search; with null, those without a search. */
    of: (search: SearchId | null): RecordedEnding[] =>
      rows.all(search).map((row) => rowSchema.parse({ ...row, figures: JSON.parse(row.figures) })),
  };
}
export type Endings = ReturnType<typeof endings>;

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;
const longestSentence = 1000;

/**
 * Early endings that follow from the ledger (I13): what a search gives up between phases. Call inside the transaction that
 * changes the phase.
 */
export function earlyEnds(
  db: Database,
  parts: { searches: Searches; budget: BudgetLedger; endings: Endings; tallies: SearchStats },
) {
  const { searches, budget, endings, tallies } = parts;
  const retired = db.prepare<[string, string], { reason: string }>(
    'SELECT reason FROM retirements WHERE search = ? AND agent = ? ORDER BY "after" DESC LIMIT 1',
  );

  /** Why screening ends with unused evaluations; null if there are none. */
  const screeningEnd = (spec: SearchSpec): Ending | null => {
    const unused = spec.agents.flatMap(({ name, evaluations }) => {
      const left = evaluations - budget.accepted(spec.id, name);
      return left > 0 ? [{ name, left }] : [];
    });
    if (unused.length === 0) return null;
    const all = spec.agents.reduce((sum, { evaluations }) => sum + evaluations, 0);
    const left = unused.reduce((sum, agent) => sum + agent.left, 0);
    const objection = budget.objection(spec, 'screen', searches.elapsedMs(spec.id));
    const stopped = unused.map(({ name, left }) => {
      const reason = retired.get(spec.id, name)?.reason;
      return `${name} with ${counted(left, 'evaluation')} left${reason ? ` (${reason})` : ''}`;
    });
    const because = objection?.message ?? `all agents have stopped: ${stopped.join('; ')}`;
    const sentence = `Screening ended early, after ${all - left} of ${all} candidates: ${because}`;
    return {
      of: 'search',
      subject: spec.id,
      reason: objection?.reason ?? endingReasons.agentsStopped,
      sentence: `${sentence.slice(0, longestSentence - 1)}.`,
      figures: { screened: all - left, evaluations: all, elapsedSeconds: searches.elapsedMs(spec.id) / 1000 },
      occurrence: 0,
    };
  };

  const rungEnd = (spec: SearchSpec, rung: Rung, pending: number): Ending => {
    const { evaluated, failed } = tallies.rungs(spec.id)[rung];
    const all = pending + evaluated + failed;
    const sentence = `The ${rung} rung ended with ${pending} of ${counted(all, 'evaluation')} missing: the ${spec.budget.minutes} minutes are used.`;
    return {
      of: 'rung',
      subject: rung,
      reason: endingReasons.minutesOver,
      sentence,
      figures: { missing: pending, asked: all },
      occurrence: 0,
    };
  };

  return {
    /** Records what a phase change gives up; `stated` is the search's own reason, if any. */
    record(spec: SearchSpec, from: Phase, to: Phase, stated: Ending | undefined, now: number): void {
      if (from === to) return;
      if (stated) endings.record(spec.id, stated, now);
      else if (from === 'screening' && to !== 'stopped') {
        const end = screeningEnd(spec);
        if (end) endings.record(spec.id, end, now);
      }
      if (to === 'stopped') {
        const occurrence = searches.sessions(spec.id);
        const sentence = spec.scale
          ? 'The plan was interrupted; resume it with the same command, aira scale and its file'
          : `The search was interrupted while ${from}; resume with: aira launch --resume ${spec.id}`;
        endings.record(
          spec.id,
          { of: 'search', subject: spec.id, reason: endingReasons.interrupted, sentence, occurrence },
          now,
        );
      }
      if (to !== 'finished') return;
      for (const rung of rungs) {
        const { pending } = tallies.rungs(spec.id)[rung];
        if (pending > 0) endings.record(spec.id, rungEnd(spec, rung, pending), now);
      }
    },
  };
}
