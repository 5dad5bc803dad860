import type { Database } from 'better-sqlite3';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { Standing } from '../domain/messages.ts';
import type { Origin } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Calls } from './calls.ts';
import type { Searches } from './searches.ts';

export interface Scored {
  node: NodeId;
  candidate: string;
  origin: Origin;
  validation: number;
}

/** A node of a ranking, with what its mean is the mean of. */
export interface Ranked extends Scored {
  seeds: { seed: number; score: number }[];
}

interface Totals {
  rung: Rung;
  pending: number;
  evaluated: number;
  failed: number;
  saved: number;
  training: number;
}

/** Where a search stands, by counting. Reads no test figure (I4). */
export function standing(db: Database, parts: { searches: Searches; budget: BudgetLedger; calls: Calls }) {
  const { searches, budget, calls } = parts;
  const ranking = db.prepare<[string, string], Scored & { bySeed: string }>(
    `SELECT n.id AS node, n.candidate, n.origin, avg(e.validation) AS validation,
       json_group_array(json_object('seed', w.seed, 'score', e.validation)) AS bySeed
     FROM wants w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = ? AND e.validation IS NOT NULL
     GROUP BY w.node ORDER BY validation DESC, n.agent, n.ordinal`,
  );
  const totals = db.prepare<[string], Totals>(
    `SELECT w.rung, sum(e.key IS NULL) AS pending, coalesce(sum(e.status = 'ok'), 0) AS evaluated,
       coalesce(sum(e.status = 'failed'), 0) AS failed, sum(w.saved) AS saved,
       sum(e.key IS NULL AND EXISTS (SELECT 1 FROM attempts a WHERE a.key = w.key AND NOT EXISTS (
         SELECT 1 FROM deliveries d WHERE d.key = a.key AND d.worker = a.worker AND d.attempt = a.attempt))) AS training
     FROM wants w LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ? GROUP BY w.rung`,
  );
  const perAgent = db.prepare<
    [string],
    { agent: AgentName; proposed: number; evaluated: number; failed: number; best: number | null }
  >(
    `SELECT n.agent, count(*) AS proposed, coalesce(sum(e.status = 'ok'), 0) AS evaluated,
       coalesce(sum(e.status = 'failed'), 0) + sum(n.verdict = 'rejected') AS failed, max(e.validation) AS best
     FROM nodes n
     LEFT JOIN wants w ON w.search = n.search AND w.node = n.id AND w.rung = 'screen'
     LEFT JOIN evaluations e ON e.key = w.key
     WHERE n.search = ? GROUP BY n.agent ORDER BY n.agent`,
  );

  const repository = {
    ranking: (search: SearchId, rung: Rung): Ranked[] =>
      ranking.all(search, rung).map(({ bySeed, ...row }) => ({ ...row, seeds: JSON.parse(bySeed) })),

    of(search: SearchId): Standing {
      const spec = searches.spec(search);
      const byRung = totals.all(search);
      const sum = (figure: Exclude<keyof Totals, 'rung'>) => byRung.reduce((total, row) => total + row[figure], 0);
      const on = (count: (row: Totals) => number) => {
        const of = (rung: Rung) =>
          byRung.filter((row) => row.rung === rung).reduce((total, row) => total + count(row), 0);
        return { screen: of('screen'), confirm: of('confirm'), final: of('final') };
      };
      const found = perAgent.all(search);
      // The highest rung that has spoken decides who is best: a longer training overrules a shorter one.
      const best = [...rungs]
        .reverse()
        .map((rung) => ranking.all(search, rung).find((node) => node.origin !== 'reference'))
        .find((node) => node !== undefined);
      return {
        phase: searches.phase(search),
        pending: sum('pending'),
        pendingOn: on((row) => row.pending),
        doneOn: on((row) => row.evaluated + row.failed),
        training: sum('training'),
        evaluated: sum('evaluated'),
        failed: sum('failed'),
        saved: sum('saved'),
        deviceSeconds: budget.deviceSeconds(search),
        meanSeconds: budget.meanSeconds(search),
        elapsedMs: searches.elapsedMs(search),
        spend: calls.spend(search),
        best: best
          ? { node: best.node, candidate: best.candidate, origin: best.origin, validation: best.validation }
          : null,
        agents: spec.agents.map(({ name, evaluations }) => {
          const row = found.find((each) => each.agent === name);
          const done = budget.accepted(search, name) >= evaluations;
          return { ...(row ?? { agent: name, proposed: 0, evaluated: 0, failed: 0, best: null }), done };
        }),
      };
    },
  };
  return repository;
}
