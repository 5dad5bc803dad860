/**
 * What agents state about ideas: claims and insights; and plateaus, on which none improves.
 *
 * Role: decides a claim, records its reply, says what an attempt may read; notices a plateau from an agent's own results on the
 * screening rung, records and announces it once per best node. Non-role: what an agent does with either (agents).
 *
 * IDE-1. A claim of an attempt gets one reply, which is recorded: a resume and a replay get the same, whatever has happened since
 *     (I5).
 * IDE-2. A granted claim counts until its lease is over by the clock of the archive, its attempt is submitted (with all
 *     candidates of its thought), or its agent is retired. Nothing is updated: all follow from other facts.
 * IDE-3. Insights are visible like the attempts before which they were stated: own ones at once, those of others up to the
 *     horizon, those of earlier searches as they were when the search was opened. So a view is a function of the
 *     specification and the archive at that time (VIE-1).
 *
 * PLA-1. A plateau is a function of the results that the attempt may know, so a resumed search notices the same (I5).
 * PLA-2. What was read is stored in memory only: a new process reads the results of an agent once more.
 */
import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { TerminalError } from '../domain/errors.ts';
import {
  type ClaimReply,
  claimReplySchema,
  defaultClaims,
  type Insight,
  insightSchema,
  maxClaims,
  mostInsights,
  type StatedInsight,
} from '../domain/ideas.ts';
import { type AgentName, agentNameSchema, nodeIdSchema, type SearchId } from '../domain/ids.ts';
import { contentHash } from '../domain/json.ts';
import type { ReplyOf, RequestOf } from '../domain/messages.ts';
import { findNearDuplicate, type Known } from '../domain/nearDuplicates.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Horizons } from './ensemble.ts';
import type { Outbox } from './outbox.ts';
import type { Searches } from './searches.ts';

const claimRecordSchema = z.object({
  agent: z.string(),
  ordinal: z.int(),
  candidate: z.string(),
  at: z.number(),
  reply: z.string().transform((text) => claimReplySchema.parse(JSON.parse(text))),
});

/** A claim and what it got. */
export type ClaimRecord = z.infer<typeof claimRecordSchema>;

const insightRecordSchema = insightSchema.extend({
  search: z.string(),
  ordinal: z.int(),
  at: z.number(),
  evidence: z.string().transform((text) => z.array(nodeIdSchema).parse(JSON.parse(text))),
  supersedes: z.string().nullable(),
  /** The insight that replaced it; null if none has. */
  supersededBy: z.string().nullable(),
});

export type InsightRecord = z.infer<typeof insightRecordSchema>;

type Other = Known & { readonly agent: AgentName };

/** Claims of ideas, and insights. Call writing methods inside a transaction. */
export function ideas(db: Database, { searches }: { searches: Searches }) {
  const recorded = db.prepare<[string, string, number, string], { reply: string }>(
    'SELECT reply FROM idea_claims WHERE search = ? AND agent = ? AND ordinal = ? AND digest = ?',
  );
  const count = db.prepare<[string, string, number], { n: number }>(
    'SELECT count(*) AS n FROM idea_claims WHERE search = ? AND agent = ? AND ordinal = ?',
  );
  const insertClaim = db.prepare(
    `INSERT INTO idea_claims (search, agent, ordinal, candidate, digest, reply, expires_at, at)
     VALUES (@search, @agent, @ordinal, @candidate, @digest, @reply, @expires, @now)`,
  );
  const open = db.prepare<{ search: string; agent: string; now: number }, Other>(
    `SELECT c.agent || '-' || c.ordinal AS id, c.candidate, c.agent FROM idea_claims c
     WHERE c.search = @search AND c.agent <> @agent AND c.expires_at > @now
       AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.search = c.search AND n.agent = c.agent AND n.ordinal >= c.ordinal
         AND coalesce(json_extract(n.rationale, '$.thought.place') = json_extract(n.rationale, '$.thought.of'), 1))
       AND NOT EXISTS (SELECT 1 FROM retirements r
         WHERE r.search = c.search AND r.agent = c.agent AND r."after" >= c.ordinal - 1 AND r.at >= c.at)
     ORDER BY c.seq`,
  );
  const pending = db.prepare<{ search: string; agent: string }, Other>(
    `SELECT n.id, n.candidate, n.agent FROM nodes n
     JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     LEFT JOIN evaluations e ON e.key = w.key
     WHERE n.search = @search AND n.agent <> @agent AND n.ordinal > 0 AND n.verdict = 'accepted' AND e.key IS NULL
       AND n.origin NOT IN ('reference', 'aggregate') ORDER BY n.seq`,
  );
  const equal = db.prepare<{ search: string; agent: string; candidate: string }, Other>(
    `SELECT id, candidate, agent FROM nodes WHERE search = @search AND agent <> @agent AND candidate = @candidate
       AND verdict = 'accepted' AND origin NOT IN ('reference', 'aggregate') ORDER BY seq LIMIT 1`,
  );
  const claims = db.prepare<[string], unknown>(
    'SELECT agent, ordinal, candidate, reply, at FROM idea_claims WHERE search = ? ORDER BY seq',
  );
  const last = db.prepare<[string, string], { n: number }>(
    'SELECT coalesce(max(ordinal), 0) AS n FROM nodes WHERE search = ? AND agent = ?',
  );

  const insertInsight = db.prepare(
    `INSERT INTO insights (search, id, agent, ordinal, hypothesis, verdict, evidence, supersedes, at)
     VALUES (@search, @id, @agent, @ordinal, @hypothesis, @verdict, @evidence, @supersedes, @now)`,
  );
  const own = db.prepare<
    [string, string, number],
    { id: string; hypothesis: string; verdict: string; evidence: string }
  >(
    'SELECT id, hypothesis, verdict, evidence FROM insights WHERE search = ? AND agent = ? AND ordinal = ? ORDER BY seq',
  );
  const insightId = db.prepare<[string, string], { id: string }>('SELECT id FROM insights WHERE search = ? AND id = ?');
  const judged = db.prepare<[string, string], { one: number }>(
    `SELECT 1 AS one FROM nodes n JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     JOIN evaluations e ON e.key = w.key WHERE n.search = ? AND n.id = ?`,
  );
  const columns = `i.search, i.id, i.agent, i.ordinal, i.hypothesis, i.verdict, i.evidence, i.supersedes, i.at,
    (SELECT s.id FROM insights s WHERE s.search = i.search AND s.supersedes = i.id`;
  const visible = db.prepare<{ search: string; agent: string; last: number }, unknown>(
    `SELECT ${columns} AND s.agent = @agent AND s.ordinal <= @last ORDER BY s.seq LIMIT 1) AS supersededBy
     FROM insights i WHERE i.search = @search AND i.agent = @agent AND i.ordinal <= @last ORDER BY i.seq DESC`,
  );
  const earlier = db.prepare<{ task: string; search: string; before: number }, unknown>(
    `SELECT ${columns} AND s.at < @before ORDER BY s.seq LIMIT 1) AS supersededBy
     FROM insights i JOIN searches o ON o.id = i.search
     WHERE i.search <> @search AND i.at < @before AND json_extract(o.spec, '$.task') = @task ORDER BY i.seq DESC LIMIT 200`,
  );
  const allInsights = db.prepare<[string], unknown>(
    `SELECT ${columns} ORDER BY s.seq LIMIT 1) AS supersededBy FROM insights i WHERE i.search = ? ORDER BY i.seq`,
  );
  const openedAt = db.prepare<[string], { at: number }>('SELECT created_at AS at FROM searches WHERE id = ?');

  const selfOf = (search: SearchId, agent: AgentName): { spec: SearchSpec; self: AgentSpec } => {
    const spec = searches.spec(search);
    const self = spec.agents.find(({ name }) => name === agent);
    if (!self) throw new TerminalError('unknown-agent', `"${agent}" is not an agent of search "${search}"`);
    return { spec, self };
  };

  const decided = (
    { search, agent }: RequestOf<'idea-claim'>,
    candidate: string,
    { distance, minutes }: typeof defaultClaims,
    now: number,
  ): ClaimReply => {
    for (const [by, others] of [
      ['claim', open.all({ search, agent, now })],
      ['pending', pending.all({ search, agent })],
    ] as const) {
      const near = findNearDuplicate(candidate, others, { distance });
      const other = near && others.find(({ id }) => id === near.id);
      if (!near || !other) continue;
      const node = by === 'claim' ? null : near.id;
      return { state: 'taken', by, agent: other.agent, node, distance: near.distance };
    }
    const same = equal.get({ search, agent, candidate });
    if (same) return { state: 'known', agent: same.agent, node: same.id };
    return { state: 'granted', leaseSeconds: minutes * 60 };
  };

  const write = (
    { search, agent, ordinal }: { search: SearchId; agent: AgentName; ordinal: number },
    stated: StatedInsight,
    now: number,
  ): string => {
    const { hypothesis, verdict } = stated;
    const evidence = [...new Set(stated.evidence)];
    const unknown = evidence.find((node) => !judged.get(search, node));
    if (unknown !== undefined) throw new TerminalError('insight', `${unknown} is no node with an outcome`);
    const before = own.all(search, agent, ordinal);
    const text = JSON.stringify(evidence);
    const same = before.find(
      (each) => each.hypothesis === hypothesis && each.verdict === verdict && each.evidence === text,
    );
    if (same) return same.id;
    const id = `${agent}-i${ordinal}x${before.length + 1}`;
    const supersedes = stated.supersedes === null ? null : insightId.get(search, stated.supersedes)?.id;
    if (supersedes === undefined) {
      throw new TerminalError('insight', `there is no insight "${stated.supersedes}" in this search`);
    }
    insertInsight.run({ search, id, agent, ordinal, hypothesis, verdict, evidence: text, supersedes, now });
    return id;
  };

  const read = (rows: readonly unknown[]): InsightRecord[] => rows.map((row) => insightRecordSchema.parse(row));
  const shown = ({ id, agent, hypothesis, verdict, evidence }: InsightRecord, prefix = ''): Insight => ({
    id: `${prefix}${id}`,
    agent,
    hypothesis,
    verdict,
    evidence,
  });

  return {
    /** @throws TerminalError `claim` for an attempt that is not the next, or one with too many claims. */
    claim(request: RequestOf<'idea-claim'>, now: number): ReplyOf<'idea-claim'> {
      const { search, agent, ordinal } = request;
      const { spec, self } = selfOf(search, agent);
      const candidate = canonicalCandidate(request.candidate, spec.space);
      const digest = contentHash(candidate);
      const before = recorded.get(search, agent, ordinal, digest);
      if (before) return claimReplySchema.parse(JSON.parse(before.reply));
      const next = (last.get(search, agent)?.n ?? 0) + 1;
      if (ordinal !== next) {
        throw new TerminalError('claim', `attempt ${ordinal} of ${agent} cannot claim: the next is ${next}`);
      }
      if ((count.get(search, agent, ordinal)?.n ?? 0) >= maxClaims) {
        throw new TerminalError('claim', `attempt ${ordinal} of ${agent} has made its ${maxClaims} claims`);
      }
      const terms = self.claims ?? defaultClaims;
      const reply = decided(request, candidate, terms, now);
      const expires = reply.state === 'granted' ? now + Math.round(terms.minutes * 60_000) : null;
      insertClaim.run({ search, agent, ordinal, candidate, digest, reply: JSON.stringify(reply), expires, now });
      return reply;
    },

    /** What a claim of this attempt got; undefined if it made none. */
    replyOf(search: SearchId, agent: AgentName, ordinal: number, candidate: string): ClaimReply | undefined {
      const row = recorded.get(search, agent, ordinal, contentHash(candidate));
      return row && claimReplySchema.parse(JSON.parse(row.reply));
    },

    claimsOf: (search: SearchId): ClaimRecord[] => claims.all(search).map((row) => claimRecordSchema.parse(row)),

    /** Records a posted insight. @throws TerminalError `insight` for evidence or a predecessor that is not there. */
    post({ search, agent, ordinal, insight }: RequestOf<'insight-post'>, now: number): ReplyOf<'insight-post'> {
      selfOf(search, agent);
      const next = (last.get(search, agent)?.n ?? 0) + 1;
      if (ordinal > next) throw new TerminalError('insight', `attempt ${ordinal} of ${agent} is not the next`);
      // One of a past attempt could change what that attempt knew.
      return { id: write({ search, agent, ordinal: next }, insight, now) };
    },

    /** Records the insights of a submission; a model's mistake in one loses that one. Call with its transaction. */
    submitted(
      request: Pick<RequestOf<'agent-submit'>, 'search' | 'agent' | 'ordinal' | 'insights'>,
      now: number,
    ): void {
      for (const insight of request.insights ?? []) {
        try {
          write(request, insight, now);
        } catch (thrown) {
          if (!(thrown instanceof TerminalError)) throw thrown;
        }
      }
    },

    /** What attempt `ordinal` may read, latest first, without what was superseded; none without `insights`. */
    visibleTo(self: AgentSpec, spec: SearchSpec, ordinal: number, horizons: Horizons): Insight[] {
      if (self.insights === undefined) return [];
      const mine = read(visible.all({ search: spec.id, agent: self.name, last: ordinal - 1 }));
      const others =
        self.insights === 'own'
          ? []
          : [...horizons].flatMap(([agent, last]) =>
              agent === self.name ? [] : read(visible.all({ search: spec.id, agent, last })),
            );
      const before =
        self.insights === 'lab'
          ? read(earlier.all({ task: spec.task, search: spec.id, before: openedAt.get(spec.id)?.at ?? 0 }))
          : [];
      const current = (records: readonly InsightRecord[]) => records.filter((each) => each.supersededBy === null);
      const now = [...current(mine), ...current(others)];
      return [
        ...now.map((each) => shown(each)),
        ...current(before).map((each) => shown(each, `${each.search}/`)),
      ].slice(0, mostInsights);
    },

    insightsOf: (search: SearchId): InsightRecord[] => read(allInsights.all(search)),
  };
}

export type Ideas = ReturnType<typeof ideas>;

// Plateaus.

/** Scored results in a row without a new best, after which an agent is on a plateau: a quarter of its budget, at least 10. */
export const plateauAfter = ({ evaluations }: Pick<AgentSpec, 'evaluations'>): number =>
  Math.max(10, Math.ceil(evaluations / 4));

const plateauRecordSchema = z.object({
  agent: agentNameSchema,
  best: nodeIdSchema,
  ordinal: z.int(),
  results: z.int(),
  at: z.number(),
});

/** Noticed before attempt `ordinal`: `results` scored results since `best` were not better. */
export type Plateau = z.infer<typeof plateauRecordSchema>;

/** How far an agent's results were read. */
interface Course {
  through: number;
  best: { readonly id: string; readonly fitness: number } | null;
  since: number;
}

/** Agents that have stopped to improve. */
export function plateaus(db: Database, out: Outbox) {
  const results = db.prepare<
    { search: string; agent: string; after: number; to: number },
    { id: string; ordinal: number; fitness: number }
  >(
    `SELECT n.id, n.ordinal, e.validation AS fitness FROM nodes n
     JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     JOIN evaluations e ON e.key = w.key
     WHERE n.search = @search AND n.agent = @agent AND n.ordinal > @after AND n.ordinal <= @to AND n.verdict = 'accepted'
       AND e.status = 'ok' ORDER BY n.ordinal`,
  );
  const insert = db.prepare(
    `INSERT INTO plateaus (search, agent, best, ordinal, results, at)
     VALUES (@search, @agent, @best, @ordinal, @results, @now) ON CONFLICT DO NOTHING`,
  );
  const all = db.prepare<[string], unknown>(
    'SELECT agent, best, ordinal, results, at FROM plateaus WHERE search = ? ORDER BY at, agent, ordinal',
  );
  const courses = new Map<string, Course>();

  return {
    /** Reads what attempt `ordinal` knows of its own results. Call inside a transaction, when all of them have outcomes. */
    notice(search: SearchId, self: AgentSpec, ordinal: number, now: number): void {
      const { name: agent, pending } = self;
      const to = ordinal - pending;
      const key = `${search} ${agent}`;
      const known = courses.get(key);
      const course: Course = known && known.through <= to ? { ...known } : { through: 0, best: null, since: 0 };
      for (const { id, fitness } of results.all({ search, agent, after: course.through, to: Math.max(0, to) })) {
        if (course.best === null || fitness > course.best.fitness) {
          course.best = { id, fitness };
          course.since = 0;
        } else course.since += 1;
      }
      course.through = Math.max(course.through, to);
      courses.set(key, course);
      const { best, since } = course;
      if (best === null || since < plateauAfter(self)) return;
      const row = { search, agent, best: best.id, ordinal, results: since };
      if (insert.run({ ...row, now }).changes === 0) return;
      out.addEvent({ kind: 'agent-plateaued', search, agent, best: nodeIdSchema.parse(best.id), results: since }, now);
    },

    of: (search: SearchId): Plateau[] => all.all(search).map((row) => plateauRecordSchema.parse(row)),
  };
}
