import type { Database } from 'better-sqlite3';
import type { AgentName, EvaluationKey, NodeId, SearchId } from '../domain/ids.ts';
import type { Origin } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';

/** Sums over one rung of a search. Seconds are those charged to this search. */
export interface RungSums {
  pending: number;
  evaluated: number;
  failed: number;
  saved: number;
  /** Pending trainings charged to this search. */
  owed: number;
  seconds: number;
  /** Of scored trainings. */
  okSeconds: number;
  ok: number;
  /** Of scored cache hits. */
  knownSeconds: number;
  known: number;
}

/** An agent's proposals by status; each counts once, by its screening. */
export interface AgentSums {
  proposed: number;
  evaluated: number;
  failed: number;
  rejected: number;
  duplicate: number;
  /** Of `evaluated` and `failed`: cache hits in screening. */
  cached: number;
  best: number | null;
}

export interface Leader {
  readonly node: NodeId;
  readonly candidate: string;
  readonly origin: Origin;
  readonly agent: AgentName;
  readonly ordinal: number;
  readonly validation: number;
}

/** Order of the ranking: best first, then by agent and attempt. */
const leads = (a: Leader, b: Leader): boolean =>
  a.validation !== b.validation
    ? a.validation > b.validation
    : a.agent !== b.agent
      ? a.agent < b.agent
      : a.ordinal < b.ordinal;

interface Sums {
  readonly rungs: Record<Rung, RungSums>;
  readonly agents: Map<AgentName, AgentSums>;
  /** The best non-reference on each rung; undefined if not computed yet. */
  readonly leaders: Map<Rung, Leader | null>;
}

const close = (a: unknown, b: unknown): boolean =>
  typeof a === 'number' && typeof b === 'number' ? Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a)) : a === b;

/**
 * The stored totals of a search that differ from a count of its rows, as sentences: none in a sound archive. Seconds may differ in
 * their last digits, because the order of a sum decides those.
 */
export function differingTotals(db: Database, search: SearchId): string[] {
  type Total = Record<string, unknown>;
  const compare = (what: string, stored: string, counted: string): string[] => {
    const rows = (sql: string) =>
      new Map(
        db
          .prepare<{ search: string }, Total>(sql)
          .all({ search })
          .map((row) => [String(row.name), row]),
      );
    const [written, now] = [rows(stored), rows(counted)];
    return [...new Set([...written.keys(), ...now.keys()])].flatMap((name) => {
      const [a = {}, b = {}] = [written.get(name), now.get(name)];
      const { name: _, ...rest } = { ...a, ...b };
      const columns = [...Object.keys(rest), 'name'];
      const different = columns.find((column) => !close(a[column] ?? null, b[column] ?? null));
      return different === undefined
        ? []
        : [
            `the total ${different} of ${what} ${name} is ${a[different] ?? 'missing'}, its rows give ${b[different] ?? 'none'}`,
          ];
    });
  };
  return [
    ...compare(
      'the rung',
      'SELECT rung AS name, * FROM rung_totals WHERE search = @search',
      `SELECT w.rung AS name, w.search, w.rung, sum(e.key IS NULL) AS pending, coalesce(sum(e.status = 'ok'), 0) AS evaluated,
         coalesce(sum(e.status = 'failed'), 0) AS failed, sum(w.saved) AS saved, sum(e.key IS NULL AND w.saved = 0) AS owed,
         coalesce(sum(e.seconds) FILTER (WHERE w.saved = 0), 0) AS seconds,
         coalesce(sum(e.seconds) FILTER (WHERE w.saved = 0 AND e.status = 'ok'), 0) AS ok_seconds,
         coalesce(sum(w.saved = 0 AND e.status = 'ok'), 0) AS ok,
         coalesce(sum(e.seconds) FILTER (WHERE w.saved = 1 AND e.status = 'ok'), 0) AS known_seconds,
         coalesce(sum(w.saved = 1 AND e.status = 'ok'), 0) AS known
       FROM evaluation_requests w LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = @search GROUP BY w.rung`,
    ),
    ...compare(
      'the agent',
      'SELECT agent AS name, * FROM agent_totals WHERE search = @search',
      `SELECT n.agent AS name, n.search, n.agent, count(DISTINCT n.id) AS proposed, coalesce(sum(e.status = 'ok'), 0) AS evaluated,
         coalesce(sum(e.status = 'failed'), 0) AS failed, sum(n.verdict = 'rejected') AS rejected,
         sum(n.verdict = 'duplicate') AS duplicate, coalesce(sum(w.saved AND e.key IS NOT NULL), 0) AS cached,
         max(e.validation) AS best
       FROM nodes n
       LEFT JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
       LEFT JOIN evaluations e ON e.key = w.key WHERE n.search = @search GROUP BY n.agent`,
    ),
    ...compare(
      'the open job',
      'SELECT key AS name FROM open_jobs WHERE @search IS NOT NULL',
      `SELECT key AS name FROM jobs j WHERE @search IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = j.key)`,
    ),
    ...compare(
      'the score',
      `SELECT rung || ' ' || agent || '-' || ordinal AS name, mean FROM rung_scores WHERE search = @search`,
      `SELECT w.rung || ' ' || n.agent || '-' || n.ordinal AS name, avg(e.validation) AS mean FROM evaluation_requests w
       JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
       WHERE w.search = @search AND e.validation IS NOT NULL GROUP BY w.rung, w.node`,
    ),
  ];
}

/** A request for an evaluation, as far as the sums need it. */
export interface EvaluationRequest {
  readonly search: SearchId;
  readonly node: NodeId;
  readonly agent: AgentName;
  readonly rung: Rung;
  readonly saved: boolean;
}

/** Outcome of an evaluation, as far as the sums need it. */
export interface EvaluationEnd {
  readonly status: 'ok' | 'failed';
  readonly validation: number | null;
  readonly seconds: number;
}

const none = (): RungSums => ({
  pending: 0,
  evaluated: 0,
  failed: 0,
  saved: 0,
  owed: 0,
  seconds: 0,
  okSeconds: 0,
  ok: 0,
  knownSeconds: 0,
  known: 0,
});
const noProposals = (): AgentSums => ({
  proposed: 0,
  evaluated: 0,
  failed: 0,
  rejected: 0,
  duplicate: 0,
  cached: 0,
  best: null,
});

/**
 * Sums over the rows of a search, cached so that status requests do not scan all rows.
 *
 * Role: a cache of sums. Triggers write the same sums in the transaction of each row (migration 015), so that a process starts
 * from them; the audit compares them with the rows (I2). Non-role: persistence, decisions.
 *
 * SUM-1  The sums of a search are read on first use, and updated with every row that this process adds.
 * SUM-2  A rolled-back transaction invalidates the sums that it touched.
 * SUM-3  Without `live`, another process adds rows: sums are cached until it has committed (PRAGMA data_version).
 */
export function searchStats(db: Database, live: boolean) {
  const rungRows = db.prepare<[string], RungSums & { rung: Rung }>(
    `SELECT rung, pending, evaluated, failed, saved, owed, seconds, ok_seconds AS okSeconds, ok, known_seconds AS knownSeconds,
       known FROM rung_totals WHERE search = ?`,
  );
  const agentRows = db.prepare<[string], AgentSums & { agent: AgentName }>(
    'SELECT agent, proposed, evaluated, failed, rejected, duplicate, cached, best FROM agent_totals WHERE search = ?',
  );
  const leader = db.prepare<[string, string], Leader>(
    `SELECT n.id AS node, n.candidate, n.origin, n.agent, n.ordinal, s.mean AS validation
     FROM rung_scores s JOIN nodes n ON n.search = s.search AND n.agent = s.agent AND n.ordinal = s.ordinal
     WHERE s.search = ? AND s.rung = ? AND n.origin <> 'reference'
     ORDER BY s.mean DESC, s.agent, s.ordinal LIMIT 1`,
  );
  const scoreOf = db.prepare<[string, string, string], Leader>(
    `SELECT n.id AS node, n.candidate, n.origin, n.agent, n.ordinal, avg(e.validation) AS validation
     FROM nodes n JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id
     JOIN evaluations e ON e.key = w.key WHERE n.search = ? AND n.id = ? AND w.rung = ? AND e.validation IS NOT NULL`,
  );
  const meanOn = (
    rung: Rung,
  ) => `(SELECT avg(e.validation) FROM evaluation_requests w JOIN evaluations e ON e.key = w.key
      WHERE w.search = n.search AND w.node = n.id AND w.rung = '${rung}')`;
  const finalist = db.prepare<[string], Leader>(
    `SELECT n.id AS node, n.candidate, n.origin, n.agent, n.ordinal, s.mean AS validation
     FROM rung_scores s JOIN nodes n ON n.search = s.search AND n.agent = s.agent AND n.ordinal = s.ordinal
     WHERE s.search = ? AND s.rung = 'final' AND n.origin NOT IN ('reference', 'aggregate')
     ORDER BY coalesce(${meanOn('confirm')}, -1e300) DESC, ${meanOn('screen')} DESC, n.agent, n.ordinal LIMIT 1`,
  );
  const openAttempts = db.prepare<[], { key: EvaluationKey; worker: string; attempt: number }>(
    `SELECT a.key, a.worker, a.attempt FROM open_jobs o CROSS JOIN attempts a ON a.key = o.key
     LEFT JOIN deliveries d ON d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt
     LEFT JOIN releases r ON r.key = a.key AND r.worker = a.worker AND r.attempt = a.attempt
     WHERE d.key IS NULL AND r.key IS NULL`,
  );
  const countRequests = db.prepare<[string, string], { n: number }>(
    'SELECT count(*) AS n FROM evaluation_requests WHERE key = ? AND search = ?',
  );

  const memos = new Map<SearchId, Sums>();
  /** Unfinished trainings of keys without an outcome. */
  let running: Map<EvaluationKey, Set<string>> | null = null;
  let touches = 0;

  const read = (search: SearchId): Sums => {
    const found = Object.fromEntries(rungs.map((rung) => [rung, none()])) as Record<Rung, RungSums>;
    for (const { rung, ...sums } of rungRows.all(search)) found[rung] = sums;
    const agents = new Map(agentRows.all(search).map(({ agent, ...sums }) => [agent, sums]));
    return { rungs: found, agents, leaders: new Map() };
  };
  const dataVersion = db.prepare<[], { data_version: number }>('PRAGMA data_version');
  let version = 0;
  /** Empties the cache of a reader if another connection has changed the archive. */
  const refresh = (): void => {
    if (live) return;
    const now = dataVersion.get()?.data_version ?? 0;
    if (now === version) return;
    version = now;
    memos.clear();
    running = null;
  };
  const of = (search: SearchId): Sums => {
    refresh();
    const sums = memos.get(search) ?? read(search);
    memos.set(search, sums);
    return sums;
  };
  /** The cached sums to update, if any. */
  const touch = (search: SearchId): Sums | undefined => {
    touches += 1;
    return memos.get(search);
  };
  const agentOf = (sums: Sums, agent: AgentName): AgentSums => {
    const found = sums.agents.get(agent) ?? noProposals();
    sums.agents.set(agent, found);
    return found;
  };
  const note = (found: Map<EvaluationKey, Set<string>>, key: EvaluationKey, training: string): void => {
    const list = found.get(key);
    if (list) list.add(training);
    else found.set(key, new Set([training]));
  };
  const open = (): Map<EvaluationKey, Set<string>> => {
    refresh();
    if (running) return running;
    const found = new Map<EvaluationKey, Set<string>>();
    for (const { key, worker, attempt } of openAttempts.all()) note(found, key, `${worker} ${attempt}`);
    running = found;
    return found;
  };

  const repository = {
    /** Increases with each added row; shows whether a rolled-back transaction had added any. */
    get touches() {
      return touches;
    },
    forget(): void {
      memos.clear();
      running = null;
    },

    rungs: (search: SearchId): Readonly<Record<Rung, Readonly<RungSums>>> => of(search).rungs,
    agent: (search: SearchId, agent: AgentName): Readonly<AgentSums> => of(search).agents.get(agent) ?? noProposals(),

    /** Mean seconds of the cache hits of this search, by rung. */
    knownSeconds(search: SearchId): Partial<Record<Rung, number>> {
      const sums = of(search).rungs;
      const withHits = rungs.filter((rung) => sums[rung].known > 0);
      return Object.fromEntries(withHits.map((rung) => [rung, sums[rung].knownSeconds / sums[rung].known]));
    },

    /**
     * The best non-reference on a rung, by the mean over its seeds; on the final rung the proposal that was selected on the rung
     * below, as in reports: the best of the scores that judge would be chosen for its luck.
     */
    leader(search: SearchId, rung: Rung): Leader | null {
      if (rung === 'final') return finalist.get(search) ?? null;
      const { leaders } = of(search);
      const cached = leaders.get(rung);
      if (cached !== undefined) return cached;
      const found = leader.get(search, rung) ?? null;
      leaders.set(rung, found);
      return found;
    },

    /** Pending evaluations of the search that a worker is training. */
    training(search: SearchId): number {
      let count = 0;
      for (const key of open().keys()) count += countRequests.get(key, search)?.n ?? 0;
      return count;
    },

    addNode(search: SearchId, agent: AgentName, verdict: 'accepted' | 'rejected' | 'duplicate'): void {
      const sums = touch(search);
      if (!sums) return;
      const own = agentOf(sums, agent);
      own.proposed += 1;
      if (verdict !== 'accepted') own[verdict] += 1;
    },

    addRequest({ search, rung, saved }: EvaluationRequest): void {
      const sums = touch(search)?.rungs[rung];
      if (!sums) return;
      sums.pending += 1;
      if (saved) sums.saved += 1;
      else sums.owed += 1;
    },

    /** A requested evaluation has its outcome, or had it at the time of the request. */
    addOutcome(
      { search, node, agent, rung, saved }: EvaluationRequest,
      { status, validation, seconds }: EvaluationEnd,
    ): void {
      const memo = touch(search);
      if (!memo) return;
      const sums = memo.rungs[rung];
      const ok = status === 'ok';
      sums.pending -= 1;
      sums[ok ? 'evaluated' : 'failed'] += 1;
      if (!saved) {
        sums.owed -= 1;
        sums.seconds += seconds;
        if (ok) {
          sums.okSeconds += seconds;
          sums.ok += 1;
        }
      } else if (ok) {
        sums.knownSeconds += seconds;
        sums.known += 1;
      }
      if (rung === 'screen') {
        const own = agentOf(memo, agent);
        own[ok ? 'evaluated' : 'failed'] += 1;
        if (saved) own.cached += 1;
        if (validation !== null && (own.best === null || validation > own.best)) own.best = validation;
      }
      if (validation === null || rung === 'final') return;
      const before = memo.leaders.get(rung);
      const now = scoreOf.get(search, node, rung);
      if (before === undefined || !now || now.origin === 'reference') return;
      // A leader whose mean fell may no longer lead.
      if (before?.node === node && now.validation < before.validation) memo.leaders.delete(rung);
      else if (before === null || before.node === node || leads(now, before)) memo.leaders.set(rung, now);
    },

    addAttempt(key: EvaluationKey, worker: string, attempt: number): void {
      touches += 1;
      if (running) note(running, key, `${worker} ${attempt}`);
    },
    /** One training of the key has ended and another follows. */
    endAttempt(key: EvaluationKey, worker: string, attempt: number): void {
      touches += 1;
      const list = running?.get(key);
      list?.delete(`${worker} ${attempt}`);
      if (list?.size === 0) running?.delete(key);
    },
    /** The key has its outcome; trainings still running for it do not matter. */
    settle(key: EvaluationKey): void {
      touches += 1;
      running?.delete(key);
    },
  };
  return repository;
}
export type SearchStats = ReturnType<typeof searchStats>;
