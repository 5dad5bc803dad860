import type { Database } from 'better-sqlite3';
import type { NodeId, SearchId } from '../domain/ids.ts';
import type { Standing } from '../domain/messages.ts';
import type { Origin } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Calls } from './calls.ts';
import type { Searches } from './searches.ts';
import type { RungSums, Tallies } from './tally.ts';

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

/** Where a search stands, by counting. Reads no test figure (I4). */
export function standing(
  db: Database,
  parts: { searches: Searches; budget: BudgetLedger; calls: Calls; tallies: Tallies },
) {
  const { searches, budget, calls, tallies } = parts;
  const ranking = db.prepare<[string, string], Scored & { bySeed: string }>(
    `SELECT n.id AS node, n.candidate, n.origin, avg(e.validation) AS validation,
       json_group_array(json_object('seed', w.seed, 'score', e.validation)) AS bySeed
     FROM wants w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = ? AND e.validation IS NOT NULL
     GROUP BY w.node ORDER BY validation DESC, n.agent, n.ordinal`,
  );
  const repository = {
    ranking: (search: SearchId, rung: Rung): Ranked[] =>
      ranking.all(search, rung).map(({ bySeed, ...row }) => ({ ...row, seeds: JSON.parse(bySeed) })),

    of(search: SearchId): Standing {
      const spec = searches.spec(search);
      const byRung = tallies.rungs(search);
      const on = (count: (sums: RungSums) => number) => ({
        ...{ screen: count(byRung.screen), confirm: count(byRung.confirm), final: count(byRung.final) },
      });
      const sum = (figure: keyof RungSums) => rungs.reduce((total, rung) => total + byRung[rung][figure], 0);
      // The highest rung that has spoken decides who is best: a longer training overrules a shorter one.
      const best = [...rungs]
        .reverse()
        .map((rung) => tallies.leader(search, rung))
        .find((leader) => leader !== null);
      return {
        phase: searches.phase(search),
        pending: sum('pending'),
        pendingOn: on((row) => row.pending),
        doneOn: on((row) => row.evaluated + row.failed),
        timedOn: on((row) => row.ok),
        training: tallies.training(search),
        evaluated: sum('evaluated'),
        failed: sum('failed'),
        saved: sum('saved'),
        deviceSeconds: budget.deviceSeconds(search),
        meanSeconds: { ...tallies.knownSeconds(search), ...budget.meanSeconds(search) },
        elapsedMs: searches.elapsedMs(search),
        spend: calls.spend(search),
        best: best
          ? { node: best.node, candidate: best.candidate, origin: best.origin, validation: best.validation }
          : null,
        agents: spec.agents.map(({ name, evaluations }) => {
          const { refused, ...sums } = tallies.agent(search, name);
          return { agent: name, ...sums, done: sums.proposed - refused >= evaluations };
        }),
      };
    },
  };
  return repository;
}
