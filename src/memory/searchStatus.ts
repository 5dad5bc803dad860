import type { Database } from 'better-sqlite3';
import { shortCandidate } from '../domain/candidate.ts';
import type { AgentEnd } from '../domain/ending.ts';
import type { AgentName, NodeId, SearchId } from '../domain/ids.ts';
import type { ReplyOf, RequestOf, SearchStatus } from '../domain/messages.ts';
import { type Origin, sumProposals } from '../domain/node.ts';
import { type Rung, rungs } from '../domain/task.ts';
import type { BudgetLedger, Calls } from './budget.ts';
import type { Endings } from './endings.ts';
import type { Ensemble } from './ensemble.ts';
import { pieceOf } from './records.ts';
import type { Rulings } from './rulings.ts';
import type { Searches } from './searches.ts';
import type { RungSums, SearchStats } from './searchStats.ts';

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
