/**
 * What is read of a search: its nodes with their evaluations, its status and rankings, its test scores.
 *
 * Role: full histories for reports, exports and audits; status computed from counts; pages of lists that fit into a message.
 * Non-role: what an attempt may know (views), queries of people's pages (reader). Test scores have one access of their own (I4).
 */
import type { Database } from 'better-sqlite3';
import * as z from 'zod';
import { shortCandidate } from '../domain/candidate.ts';
import type { AgentEnd } from '../domain/ending.ts';
import { floorsIn } from '../domain/evaluation.ts';
import {
  type AgentName,
  agentNameSchema,
  evaluationKeySchema,
  type NodeId,
  nodeIdSchema,
  type SearchId,
} from '../domain/ids.ts';
import type { ReplyOf, RequestOf, SearchStatus, TestPurpose } from '../domain/messages.ts';
import { type NodeStatus, type Origin, originSchema, rationaleSchema, sumProposals } from '../domain/node.ts';
import { scaleFiguresSchema } from '../domain/scale.ts';
import { type Rung, rungSchema, rungs } from '../domain/task.ts';
import type { BudgetLedger, Calls } from './budget.ts';
import type { Endings } from './endings.ts';
import type { Ensemble } from './ensemble.ts';
import type { Rulings } from './rulings.ts';
import type { Searches } from './searches.ts';
import type { RungSums, SearchStats } from './searchStats.ts';

// Histories.

const tasksSchema = z.record(z.string(), z.looseObject({ validation: z.number().optional() }));

/** The floors among a measurement's figures per sub-task. */
function validationFloors(tasks: string | null): Readonly<Record<string, number>> {
  if (tasks === null) return {};
  const figures = Object.entries(tasksSchema.parse(JSON.parse(tasks)));
  return floorsIn(
    Object.fromEntries(figures.flatMap(([name, { validation: v }]) => (v === undefined ? [] : [[name, v]]))),
  );
}

const evaluationRecordSchema = z.object({
  node: nodeIdSchema,
  key: evaluationKeySchema,
  rung: rungSchema,
  seed: z.int(),
  saved: z.int().transform((flag) => flag === 1),
  askedAt: z.number(),
  status: z.enum(['pending', 'ok', 'failed']),
  validation: z.number().nullable(),
  reason: z.string().nullable(),
  message: z.string().nullable(),
  seconds: z.number().nullable(),
  worker: z.string().nullable(),
  device: z.string().nullable(),
  params: z.number().nullable(),
  peakMemoryBytes: z.number().nullable(),
  /** Of a run at scale. */
  scale: z
    .string()
    .transform((text) => scaleFiguresSchema.parse(JSON.parse(text)))
    .nullable(),
  finishedAt: z.number().nullable(),
  /** Measured without a sandbox. */
  unsafe: z.int().transform((flag) => flag === 1),
  /** Trainings started for it. */
  attempts: z.int(),
  /** Floors of its validation rows, in the metric; see `floorsIn`. */
  floors: z.string().nullable().transform(validationFloors),
});

/** One requested evaluation of a node, with its outcome if any. */
export type EvaluationRecord = z.infer<typeof evaluationRecordSchema>;

const nodeRecordSchema = z.object({
  id: nodeIdSchema,
  agent: agentNameSchema,
  ordinal: z.int(),
  origin: originSchema,
  candidate: z.string(),
  verdict: z.enum(['accepted', 'rejected', 'duplicate']),
  message: z.string().nullable(),
  rationale: z.string().transform((text) => rationaleSchema.parse(JSON.parse(text))),
  createdAt: z.number(),
});

/** Everything recorded of a node, including evaluations on all rungs; no test scores. */
export type NodeRecord = z.infer<typeof nodeRecordSchema> & {
  parents: z.infer<typeof nodeIdSchema>[];
  evaluations: EvaluationRecord[];
};

/** Status of a node after screening. */
export function statusOf({ verdict, evaluations }: NodeRecord): NodeStatus {
  if (verdict !== 'accepted') return verdict;
  const screen = evaluations.find(({ rung }) => rung === 'screen')?.status;
  return screen === 'ok' ? 'evaluated' : screen === 'failed' ? 'failed' : 'pending';
}

const lessonRecordSchema = z.object({ node: nodeIdSchema, ordinal: z.int(), text: z.string() });

export type LessonRecord = z.infer<typeof lessonRecordSchema>;

/** Full histories, for reports, exports and audits. */
export function records(db: Database) {
  const nodeColumns = 'id, agent, ordinal, origin, candidate, verdict, message, rationale, created_at AS createdAt';
  const nodeRows = db.prepare<[string], unknown>(`SELECT ${nodeColumns} FROM nodes WHERE search = ? ORDER BY seq`);
  const nodeRow = db.prepare<[string, string], unknown>(`SELECT ${nodeColumns} FROM nodes WHERE search = ? AND id = ?`);
  const parentRows = db.prepare<[string], { node: string; parent: string }>(
    'SELECT node, parent FROM parents WHERE search = ? ORDER BY node, position',
  );
  const parentsOf = db.prepare<[string, string], { parent: string }>(
    'SELECT parent FROM parents WHERE search = ? AND node = ? ORDER BY position',
  );
  const evaluationColumns = `w.node, w.key, w.rung, w.seed, w.saved, w.at AS askedAt, coalesce(e.status, 'pending') AS status,
       e.validation, e.reason, e.message, e.seconds, e.worker, e.device, e.finished_at AS finishedAt,
       json_extract(e.measurement, '$.params') AS params,
       json_extract(e.measurement, '$.peakMemoryBytes') AS peakMemoryBytes,
       json_extract(e.measurement, '$.scale') AS scale, coalesce(e.unsafe, 0) AS unsafe,
       json_extract(e.measurement, '$.tasks') AS floors,
       (SELECT count(*) FROM attempts a WHERE a.key = w.key) AS attempts
     FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key`;
  const inOrder = 'ORDER BY w.at, w.rung, w.seed';
  const evaluationRows = db.prepare<[string], unknown>(`SELECT ${evaluationColumns} WHERE w.search = ? ${inOrder}`);
  const evaluationsOf = db.prepare<[string, string], unknown>(
    `SELECT ${evaluationColumns} WHERE w.search = ? AND w.node = ? ${inOrder}`,
  );
  const lessonRows = db.prepare<[string], unknown>(
    'SELECT node, ordinal, text FROM lessons WHERE search = ? ORDER BY node',
  );
  const lessonOf = db.prepare<[string, string], { text: string }>(
    'SELECT text FROM lessons WHERE search = ? AND node = ?',
  );
  return {
    /** Lessons of agents, each with the attempt that submitted it. */
    lessons: (search: SearchId): LessonRecord[] => lessonRows.all(search).map((row) => lessonRecordSchema.parse(row)),

    lessonOf: (search: SearchId, node: string): string | null => lessonOf.get(search, node)?.text ?? null,

    /** One node; undefined if the search has none of this id. */
    node(search: SearchId, id: string): NodeRecord | undefined {
      const raw = nodeRow.get(search, id);
      if (raw === undefined) return undefined;
      const evaluations = evaluationsOf.all(search, id).map((row) => evaluationRecordSchema.parse(row));
      const parents = parentsOf.all(search, id).map(({ parent }) => nodeIdSchema.parse(parent));
      return { ...nodeRecordSchema.parse(raw), parents, evaluations };
    },

    /** Nodes in recorded order. */
    nodes(search: SearchId): NodeRecord[] {
      const parents = new Map<string, NodeRecord['parents']>();
      for (const { node, parent } of parentRows.all(search)) {
        parents.set(node, [...(parents.get(node) ?? []), nodeIdSchema.parse(parent)]);
      }
      const evaluations = new Map<string, EvaluationRecord[]>();
      for (const raw of evaluationRows.all(search)) {
        const row = evaluationRecordSchema.parse(raw);
        const list = evaluations.get(row.node);
        if (list) list.push(row);
        else evaluations.set(row.node, [row]);
      }
      return nodeRows.all(search).map((raw) => {
        const row = nodeRecordSchema.parse(raw);
        return { ...row, parents: parents.get(row.id) ?? [], evaluations: evaluations.get(row.id) ?? [] };
      });
    },
  };
}

// Status and rankings.

/** A node of a ranking, with its scores by seed. Vetoed ones are not ranked: they are promoted nowhere. */
interface Ranked {
  node: NodeId;
  origin: Origin;
  validation: number;
  seeds: { seed: number; score: number }[];
}

/** Status of a search, computed from counts. Reads no test scores (I4). */
export function searchStatus(
  db: Database,
  parts: {
    searches: Searches;
    budget: BudgetLedger;
    calls: Calls;
    ensemble: Ensemble;
    endings: Endings;
    tallies: SearchStats;
    rulings: Rulings;
  },
) {
  const { searches, budget, calls, ensemble, endings, tallies, rulings } = parts;
  const ranking = db.prepare<[string, string], Omit<Ranked, 'seeds'> & { bySeed: string }>(
    `SELECT n.id AS node, n.origin, avg(e.validation) AS validation,
       json_group_array(json_object('seed', w.seed, 'score', e.validation)) AS bySeed
     FROM evaluation_requests w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = ? AND e.validation IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM vetoes v WHERE v.search = w.search AND v.node = w.node)
     GROUP BY w.node ORDER BY validation DESC, n.agent, n.ordinal`,
  );
  const endOf = (search: SearchId, agent: AgentName, done: boolean): AgentEnd | null => {
    if (done) return { code: 'budget-used', reason: 'its evaluations are used' };
    const recorded = endings.ofAgent(search, agent, ensemble.lastOf(search, agent));
    if (recorded) return recorded;
    if (searches.phase(search) !== 'finished' || !endings.isRecorded(search)) return null;
    return { code: 'silent', reason: 'it reported no end: its process died, or never joined' };
  };

  const candidateOf = db.prepare<[string, string], { candidate: string }>(
    'SELECT candidate FROM nodes WHERE search = ? AND id = ?',
  );
  const topOf = db.prepare<[string, string, number], { node: NodeId; origin: Origin; validation: number }>(
    `SELECT n.id AS node, n.origin, s.mean AS validation
     FROM rung_scores s JOIN nodes n ON n.search = s.search AND n.agent = s.agent AND n.ordinal = s.ordinal
     WHERE s.search = ? AND s.rung = ? ORDER BY s.mean DESC, s.agent, s.ordinal LIMIT ?`,
  );
  /** The ranking whose pages are being requested: one query and one order for all pages. */
  let latest: { search: SearchId; rung: Rung; nodes: readonly Ranked[] } | null = null;

  const ranked = (search: SearchId, rung: Rung, from: number): readonly Ranked[] => {
    if (from > 0 && latest?.search === search && latest.rung === rung) return latest.nodes;
    const rows = ranking.all(search, rung);
    const nodes = rows.map(({ bySeed, ...row }) => ({ ...row, seeds: JSON.parse(bySeed) }));
    latest = { search, rung, nodes };
    return nodes;
  };

  const repository = {
    /** A page of a ranking. Candidates are read for this page only: all of them may not fit into memory. */
    ranking({ search, rung, candidates, from = 0 }: RequestOf<'search-ranking'>): ReplyOf<'search-ranking'> {
      const nodes = ranked(search, rung, from);
      const piece = pieceOf(nodes, from, (node) =>
        candidates ? { ...node, candidate: candidateOf.get(search, node.node)?.candidate ?? '' } : node,
      );
      return { nodes: piece, more: from + piece.length < nodes.length };
    },

    /** The first `count` of a ranking, without computing the rest. */
    top: (search: SearchId, rung: Rung, count: number) => topOf.all(search, rung, count),

    of(search: SearchId): SearchStatus {
      const spec = searches.spec(search);
      const byRung = tallies.rungs(search);
      const paused = rulings.pauseOfSearch(search);
      const on = (count: (sums: RungSums) => number) => ({
        screen: count(byRung.screen),
        confirm: count(byRung.confirm),
        final: count(byRung.final),
      });
      const sum = (figure: keyof RungSums) => rungs.reduce((total, rung) => total + byRung[rung][figure], 0);
      // The highest rung with scores determines the best: longer trainings take precedence.
      const [best = null] = [...rungs].reverse().flatMap((rung) => {
        const leader = tallies.leader(search, rung);
        return leader ? [{ ...leader, rung }] : [];
      });
      const agents = spec.agents.map(({ name, evaluations }) => {
        const { evaluated, failed, rejected, duplicate, proposed, ...sums } = tallies.agent(search, name);
        const accepted = proposed - rejected - duplicate;
        const pending = accepted - evaluated - failed;
        const done = accepted >= evaluations;
        return {
          agent: name,
          proposed,
          evaluated,
          failed,
          rejected,
          duplicate,
          pending,
          ...sums,
          done,
          end: endOf(search, name, done),
          spend: calls.spend(search, name),
        };
      });
      return {
        phase: searches.phase(search),
        proposals: sumProposals(agents),
        trainings: {
          pending: sum('pending'),
          done: sum('evaluated'),
          failed: sum('failed'),
          cached: sum('saved'),
        },
        pendingOn: on((row) => row.pending),
        doneOn: on((row) => row.evaluated + row.failed),
        timedOn: on((row) => row.ok),
        training: tallies.training(search),
        deviceSeconds: budget.deviceSeconds(search),
        meanSeconds: { ...tallies.knownSeconds(search), ...budget.meanSeconds(search) },
        elapsedMs: searches.elapsedMs(search),
        ...(rulings.hasRaised(search) ? { raised: budget.limits(spec) } : {}),
        ...(paused === null ? {} : { paused }),
        spend: calls.spend(search),
        best: best && {
          node: best.node,
          origin: best.origin,
          validation: best.validation,
          short: shortCandidate(best.candidate),
          rung: best.rung,
        },
        agents,
      };
    },
  };
  return repository;
}

/** Bytes of JSON per page of a list: below the bus's limit, with room for the rest of the message. */
export const pieceBytes = 400_000;

/**
 * As many of `items` from `from` on as fit into one message, at least one. Sizes are bytes on the wire.
 *
 * @param whole expands an item to what is sent; called for the items of the page and the next one.
 */
export function pieceOf<T, U>(items: readonly T[], from: number, whole: (item: T) => U): U[] {
  const page: U[] = [];
  let room = pieceBytes;
  for (let at = from; at < items.length; at++) {
    const item = whole(items[at] as T);
    // Plus a comma.
    room -= Buffer.byteLength(JSON.stringify(item)) + 1;
    if (room < 0 && page.length > 0) break;
    page.push(item);
  }
  return page;
}

// Test scores.

/** A hidden score of a node. */
export interface TestScore {
  node: NodeId;
  seed: number;
  score: number;
  /** Floors of the same rows, in the metric; see `floorsIn`. */
  floors: Readonly<Record<string, number>>;
}

const hiddenFigures = z.record(z.string(), z.number());

/** The only access to test scores. Each access records its purpose, so that an audit can prove that none steered the search (I4). */
export function testScores(db: Database) {
  const note = db.prepare('INSERT INTO test_reads (search, purpose, at) VALUES (?, ?, ?)');
  return {
    /** A further page of a recorded access has no purpose. */
    read(search: SearchId, purpose: TestPurpose | null, now: number): TestScore[] {
      if (purpose !== null) note.run(search, purpose, now);
      return storedTestScores(db, search);
    },
  };
}

/** Test scores without a recorded access: for {@link testScores} and for audits, which steer nothing. */
export function storedTestScores(db: Database, search: SearchId): TestScore[] {
  return db
    .prepare<[string], Omit<TestScore, 'floors'> & { tasks: string }>(
      `SELECT w.node, w.seed, t.score, t.tasks FROM evaluation_requests w JOIN test_scores t ON t.key = w.key
       WHERE w.search = ? ORDER BY w.node, w.seed`,
    )
    .all(search)
    .map(({ tasks, ...score }) => ({ ...score, floors: floorsIn(hiddenFigures.parse(JSON.parse(tasks))) }));
}
