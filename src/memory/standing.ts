import type { Database } from 'better-sqlite3';
import { shortCandidate } from '../domain/candidate.ts';
import type { NodeId, SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf, Standing } from '../domain/messages.ts';
import type { Origin } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger } from './budget.ts';
import type { Calls } from './calls.ts';
import { pieceOf } from './pieces.ts';
import type { Searches } from './searches.ts';
import type { RungSums, Tallies } from './tally.ts';

/** A node of a ranking, with what its mean is the mean of. */
interface Ranked {
  node: NodeId;
  origin: Origin;
  validation: number;
  seeds: { seed: number; score: number }[];
}

/** Where a search stands, by counting. Reads no test figure (I4). */
export function standing(
  db: Database,
  parts: { searches: Searches; budget: BudgetLedger; calls: Calls; tallies: Tallies },
) {
  const { searches, budget, calls, tallies } = parts;
  const ranking = db.prepare<[string, string], Omit<Ranked, 'seeds'> & { bySeed: string }>(
    `SELECT n.id AS node, n.origin, avg(e.validation) AS validation,
       json_group_array(json_object('seed', w.seed, 'score', e.validation)) AS bySeed
     FROM wants w JOIN evaluations e ON e.key = w.key JOIN nodes n ON n.search = w.search AND n.id = w.node
     WHERE w.search = ? AND w.rung = ? AND e.validation IS NOT NULL
     GROUP BY w.node ORDER BY validation DESC, n.agent, n.ordinal`,
  );
  const candidateOf = db.prepare<[string, string], { candidate: string }>(
    'SELECT candidate FROM nodes WHERE search = ? AND id = ?',
  );
  /** The ranking whose pieces are being asked for: one query for all of them, and one order. */
  let latest: { search: SearchId; rung: Rung; nodes: readonly Ranked[] } | null = null;

  const ranked = (search: SearchId, rung: Rung, from: number): readonly Ranked[] => {
    if (from > 0 && latest?.search === search && latest.rung === rung) return latest.nodes;
    const rows = ranking.all(search, rung);
    const nodes = rows.map(({ bySeed, ...row }) => ({ ...row, seeds: JSON.parse(bySeed) }));
    latest = { search, rung, nodes };
    return nodes;
  };

  const repository = {
    /** A piece of a ranking. Candidates are read for the nodes of the piece alone: all of them may not fit into memory. */
    ranking({ search, rung, candidates, from = 0 }: RequestOf<'search-ranking'>): ReplyOf<'search-ranking'> {
      const nodes = ranked(search, rung, from);
      const piece = pieceOf(nodes, from, (node) =>
        candidates ? { ...node, candidate: candidateOf.get(search, node.node)?.candidate ?? '' } : node,
      );
      return { nodes: piece, more: from + piece.length < nodes.length };
    },

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
          ? {
              ...{ node: best.node, origin: best.origin, validation: best.validation },
              short: shortCandidate(best.candidate),
            }
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
