/**
 * An archive for reading, concurrently with its writer: its parts, and the queries of people's pages.
 *
 * Role: SQL that a page needs and no decision does. Non-role: what a figure means (views), writing, test scores (I4).
 *
 * BRO-1  What a page asks of one node, or since a sequence, scans no table: `tests/memory/browse.test.ts` reads the query plans.
 *        A first load, sums over workers and a full-text filter read the rows of their search once.
 * BRO-2  `sequence` orders everything that pages show: the archive announces each change in the transaction that
 *        makes it (LED-1), so what was read at one sequence is brought up to date by the announcements after it.
 */
import type { Database } from 'better-sqlite3';
import type { SearchId } from '../domain/ids.ts';
import type { Origin } from '../domain/node.ts';
import type { Rung } from '../domain/task.ts';
import { archivePath, explainOpen, openForReading } from './database.ts';
import { type Repositories, repositories } from './repositories.ts';

/** The parts that a reader has: those that change something, and test scores (I4), are not among them. */
type Readable = Pick<
  Repositories,
  | 'searches'
  | 'budget'
  | 'calls'
  | 'rehearsals'
  | 'views'
  | 'ensemble'
  | 'searchStatus'
  | 'records'
  | 'evaluations'
  | 'endings'
  | 'tallies'
  | 'rulings'
  | 'ideas'
  | 'plateaus'
>;

/** A home's archive for reading, concurrently with its writer. */
export interface ArchiveReader extends Readable {
  readonly browse: Browse;
  readonly db: Database;
  close(): void;
}

/** @throws PrerequisiteError `archive-missing` without an archive, `archive-damaged` if it cannot be read. */
export function readArchive(home: string): ArchiveReader {
  const { db, close } = openForReading(home);
  try {
    const {
      out: _,
      nodes: __,
      earlyEnds: ___,
      testScores: ____,
      holdings: _____,
      ...readable
    } = repositories(db, false);
    return { db, browse: browse(db), ...(readable satisfies Readable), close };
  } catch (thrown) {
    close();
    throw explainOpen(archivePath(home), thrown);
  }
}

/** A node without its texts. `seq` orders the nodes of all searches. */
export type NodeColumns = [
  seq: number,
  id: string,
  agent: string,
  ordinal: number,
  origin: Origin,
  verdict: 'accepted' | 'rejected' | 'duplicate',
  createdAt: number,
  /** Null for programs, which are long. */
  candidate: string | null,
];

/** A requested evaluation. Scores are fitness, times milliseconds. */
export type OutcomeColumns = [
  node: string,
  rung: Rung,
  saved: 0 | 1,
  askedAt: number,
  status: 'ok' | 'failed' | null,
  validation: number | null,
  finishedAt: number | null,
  seconds: number | null,
  parameters: number | null,
  flops: number | null,
  worker: string | null,
];

/** A training without an outcome, with one of the nodes that need it. */
interface OpenTraining {
  readonly worker: string;
  readonly startedAt: number;
  readonly search: string;
  readonly node: string;
  readonly rung: Rung;
  readonly seed: number;
}

interface WorkerSums {
  readonly worker: string;
  readonly device: string;
  readonly trainings: number;
  readonly failed: number;
  readonly seconds: number;
}

interface EvaluationFigures {
  readonly tasks: string | null;
  readonly curve: string | null;
  readonly flops: number | null;
}

/** Queries of people's pages: whole columns of a search and what changed since, within read transactions. */
export function browse(db: Database) {
  const version = db.prepare<[], { data_version: number }>('PRAGMA data_version');
  const sequence = db.prepare<[], { seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM outbox');
  const countNodes = db.prepare<[string], { n: number }>('SELECT count(*) AS n FROM nodes WHERE search = ?');
  const nodeColumns = `seq, id, agent, ordinal, origin, verdict, created_at,
    CASE WHEN substr(candidate, 1, 1) = '{' THEN NULL ELSE candidate END`;
  const nodes = db
    .prepare<[number, string], NodeColumns>(
      `SELECT ${nodeColumns} FROM nodes WHERE seq > ? AND +search = ? ORDER BY seq`,
    )
    .raw();
  const outcomeColumns = `w.node, w.rung, w.saved, w.at, e.status, e.validation, e.finished_at, e.seconds,
    json_extract(e.measurement, '$.params'), json_extract(e.measurement, '$.flops'), e.worker`;
  const outcomes = db
    .prepare<[string], OutcomeColumns>(
      `SELECT ${outcomeColumns} FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ?`,
    )
    .raw();
  const outcomesOf = db
    .prepare<[string, string], OutcomeColumns>(
      `SELECT ${outcomeColumns} FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key
       WHERE w.search = ? AND w.node = ?`,
    )
    .raw();
  const scores = db
    .prepare<[string, string], [node: string, seed: number, fitness: number]>(
      `SELECT n.id, w.seed, e.validation FROM rung_scores s
       CROSS JOIN nodes n ON n.search = s.search AND n.agent = s.agent AND n.ordinal = s.ordinal
       CROSS JOIN evaluation_requests w ON w.search = s.search AND w.node = n.id AND w.rung = s.rung
       CROSS JOIN evaluations e ON e.key = w.key
       WHERE s.search = ? AND s.rung = ? AND e.validation IS NOT NULL ORDER BY w.at, w.seed`,
    )
    .raw();
  const parents = db
    .prepare<[string], [node: string, parent: string]>(
      'SELECT node, parent FROM parents WHERE search = ? ORDER BY node, position',
    )
    .raw();
  const parentsOf = db
    .prepare<[string, string], [node: string, parent: string]>(
      'SELECT node, parent FROM parents WHERE search = ? AND node = ? ORDER BY position',
    )
    .raw();
  const children = db
    .prepare<[string, string], string>('SELECT node FROM parents WHERE search = ? AND parent = ? ORDER BY node')
    .pluck();
  const cost = `SELECT c.agent, c.ordinal, sum(coalesce(s.dollars, c.dollars)) FROM calls c
    LEFT JOIN settlements s ON s.search = c.search AND s.call = c.id`;
  const costs = db
    .prepare<[string], [agent: string, ordinal: number, dollars: number]>(
      `${cost} WHERE c.search = ? GROUP BY c.agent, c.ordinal`,
    )
    .raw();
  const costOf = db
    .prepare<[string, string, number], [agent: string, ordinal: number, dollars: number]>(
      `${cost} WHERE c.search = ? AND c.agent = ? AND c.ordinal = ? GROUP BY c.agent, c.ordinal`,
    )
    .raw();
  const matching = db
    .prepare<{ search: string; like: string }, string>(
      `SELECT id FROM nodes WHERE search = @search AND (id LIKE @like ESCAPE '\\' OR candidate LIKE @like ESCAPE '\\'
         OR rationale LIKE @like ESCAPE '\\' OR message LIKE @like ESCAPE '\\')`,
    )
    .pluck();
  const texts = db.prepare<[string, string], { candidate: string; change: string | null; message: string | null }>(
    `SELECT candidate, json_extract(rationale, '$.change') AS change, message FROM nodes WHERE search = ? AND id = ?`,
  );
  const reasonOf = db
    .prepare<[string, string], string | null>(
      `SELECT e.reason FROM evaluation_requests w JOIN evaluations e ON e.key = w.key
       WHERE w.search = ? AND w.node = ? AND e.status = 'failed' LIMIT 1`,
    )
    .pluck();
  const evidence = db.prepare<[string], { node: string; evidence: string }>(
    `SELECT n.id AS node, v.value AS evidence FROM nodes n, json_each(n.rationale, '$.evidence') v WHERE n.search = ?`,
  );
  const hasReadings = db.prepare<[string], { one: number }>(
    `SELECT 1 AS one FROM nodes WHERE search = ? AND (rationale LIKE '%"readings":[{%' OR rationale LIKE '%"retrieved":["%') LIMIT 1`,
  );
  const figures = db.prepare<[string], EvaluationFigures>(
    `SELECT json_extract(measurement, '$.tasks') AS tasks, json_extract(measurement, '$.curve') AS curve,
       json_extract(measurement, '$.flops') AS flops FROM evaluations WHERE key = ?`,
  );
  const events = db.prepare<[number, number], { seq: number; body: string }>(
    `SELECT seq, body FROM outbox WHERE seq > ? AND kind = 'event' ORDER BY seq LIMIT ?`,
  );
  const openTrainings = db.prepare<[], OpenTraining>(
    `SELECT a.worker, a.at AS startedAt, w.search, w.node, w.rung, w.seed FROM attempts a
     JOIN evaluation_requests w ON w.key = a.key AND w.saved = 0
     WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = a.key)
       AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt)
     ORDER BY a.seq`,
  );
  const workers = db.prepare<[], WorkerSums>(
    `SELECT worker, max(device) AS device, count(*) AS trainings, sum(status = 'failed') AS failed, sum(seconds) AS seconds
     FROM evaluations GROUP BY worker ORDER BY worker`,
  );
  const lastSeen = db.prepare<[string], { at: number }>(
    'SELECT seen_at AS at FROM sessions WHERE search = ? ORDER BY seq DESC LIMIT 1',
  );

  return {
    /** Increases whenever another connection has changed the archive. */
    version: (): number => version.get()?.data_version ?? 0,
    sequence: (): number => sequence.get()?.seq ?? 0,
    /** All queries of the action see one state of the archive. */
    snapshot: <T>(action: () => T): T => db.transaction(action).deferred(),

    /** Nodes after a position, in recorded order. */
    nodes: (search: SearchId, after: number): IterableIterator<NodeColumns> => nodes.iterate(after, search),
    countNodes: (search: SearchId): number => countNodes.get(search)?.n ?? 0,
    outcomes: (search: SearchId): IterableIterator<OutcomeColumns> => outcomes.iterate(search),
    outcomesOf: (search: SearchId, node: string): OutcomeColumns[] => outcomesOf.all(search, node),
    /** Every score of a rung as fitness, those of vetoed nodes too. */
    scores: (search: SearchId, rung: Rung): IterableIterator<[node: string, seed: number, fitness: number]> =>
      scores.iterate(search, rung),
    /** Pairs of node and parent, the first parent of a node first. */
    parents: (search: SearchId): IterableIterator<[string, string]> => parents.iterate(search),
    parentsOf: (search: SearchId, node: string): [string, string][] => parentsOf.all(search, node),
    children: (search: SearchId, node: string): string[] => children.all(search, node),
    /** Dollars by agent and attempt; running calls at their reservation. */
    costs: (search: SearchId): IterableIterator<[string, number, number]> => costs.iterate(search),
    costOf: (search: SearchId, agent: string, ordinal: number): number => costOf.get(search, agent, ordinal)?.[2] ?? 0,

    /** Ids of nodes whose id, candidate, reasons or message contain the text, in any case of ASCII letters. */
    matching: (search: SearchId, text: string): Set<string> =>
      new Set(matching.all({ search, like: likePattern(text) })),
    /** Short texts of one node, for a row of a table. */
    texts: (search: SearchId, node: string) => texts.get(search, node),
    reasonOf: (search: SearchId, node: string): string | null => reasonOf.get(search, node) ?? null,
    /** Pairs of a node and an id that it cites. */
    evidence: (search: SearchId): IterableIterator<{ node: string; evidence: string }> => evidence.iterate(search),
    /** Whether any agent of the search read something. */
    hasReadings: (search: SearchId): boolean => hasReadings.get(search) !== undefined,
    /** Figures of a measurement that the ledger has as JSON. */
    figures: (key: string): EvaluationFigures => figures.get(key) ?? { tasks: null, curve: null, flops: null },

    /** Announcements after a sequence, oldest first. */
    events: (after: number, limit: number) => events.all(after, limit),
    openTrainings: (): OpenTraining[] => openTrainings.all(),
    workers: (): WorkerSums[] => workers.all(),
    /** When a process last ran the search; null if none did. */
    lastSeen: (search: SearchId): number | null => lastSeen.get(search)?.at ?? null,
  };
}

type Browse = ReturnType<typeof browse>;

/** Escapes a text for LIKE with `\` as escape character. */
const likePattern = (text: string): string => `%${text.replace(/[\\%_]/g, (special) => `\\${special}`)}%`;
