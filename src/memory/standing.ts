import type { Database } from 'better-sqlite3';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { Standing } from '../domain/messages.ts';
import type { Origin } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Searches } from './searches.ts';

interface Scored {
  node: NodeId;
  candidate: string;
  origin: Origin;
  validation: number;
}

/** Where a search stands, by counting. Reads no test figure (I4). */
export function standing(db: Database, parts: { searches: Searches; budget: BudgetLedger }) {
  const { searches, budget } = parts;
  const ranking = db.prepare<[string, string], Scored>(
    `SELECT n.id AS node, n.candidate, n.origin, avg(e.validation) AS validation
     FROM wants w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = ? AND e.validation IS NOT NULL
     GROUP BY w.node ORDER BY validation DESC, n.seq`,
  );
  const totals = db.prepare<[string], { pending: number; evaluated: number; failed: number; saved: number; screening: number }>(
    `SELECT coalesce(sum(e.key IS NULL), 0) AS pending, coalesce(sum(e.status = 'ok'), 0) AS evaluated,
       coalesce(sum(e.status = 'failed'), 0) AS failed, coalesce(sum(w.saved), 0) AS saved,
       coalesce(sum(e.key IS NULL AND w.rung = 'screen'), 0) AS screening
     FROM wants w LEFT JOIN evaluations e ON e.key = w.key WHERE w.search = ?`,
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
    ranking: (search: SearchId, rung: Rung): Scored[] => ranking.all(search, rung),

    of(search: SearchId): Standing {
      const spec = searches.spec(search);
      const counts = totals.get(search) ?? { pending: 0, evaluated: 0, failed: 0, saved: 0, screening: 0 };
      const found = perAgent.all(search);
      // The highest rung that has spoken decides who is best: a longer training overrules a shorter one.
      const best = [...rungs]
        .reverse()
        .map((rung) => repository.ranking(search, rung).find((node) => node.origin !== 'reference'))
        .find((node) => node !== undefined);
      return {
        phase: searches.phase(search),
        ...counts,
        deviceSeconds: budget.deviceSeconds(search),
        meanSeconds: budget.meanSeconds(search),
        elapsedMs: searches.elapsedMs(search),
        best: best ?? null,
        agents: spec.agents.map(({ name }) => {
          const row = found.find((each) => each.agent === name);
          return row ?? { agent: name, proposed: 0, evaluated: 0, failed: 0, best: null };
        }),
      };
    },
  };
  return repository;
}
