import {
  isRefused,
  type Operator,
  ranked,
  refusedThoughts,
  type ScoredNode,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { crossover, type Decision, draft, history, improve, type Named, ownOf } from './decision.ts';

/** The agent's own attempts, newest first. */
const latest = (view: View): ViewNode[] => ownOf(history(view)).reverse();

/** The agent's latest attempts that gave no new candidate, newest first. */
export function refusals(view: View): ViewNode[] {
  const own = latest(view);
  const end = own.findIndex(({ status }) => !isRefused(status));
  return end < 0 ? own : own.slice(0, end);
}

/** How a decision changes after each further `patience` refusals in a row. */
const changes = ['parent', 'operator', 'draft'] as const;

/** Candidates for another parent: good ones, so that a change costs no more than a step of the search. */
const mostParents = 5;

/**
 * Changes a decision after `patience` refusals in a row: another parent, then another operator, then a draft, in turn. A model
 * that was shown the same question several times gives the same answer again, and each costs two calls.
 *
 * A function of the view and the random stream (I5). A decision that cannot change, as of a one-shot agent, stays; its prompt
 * says what was refused and why.
 */
export function changedAfterRefusals(
  decision: Decision,
  view: View,
  { patience, isOneShot, named, rng }: { patience: number; isOneShot: boolean; named: Named; rng: Rng },
): Decision {
  const refused = refusals(view);
  const count = refusedThoughts(latest(view));
  if (count < patience || isOneShot) return decision;
  const change = changes[(Math.floor(count / patience) - 1) % changes.length] as (typeof changes)[number];
  const why = `${refused.length} attempts in a row were refused`;
  const tried = new Set(refused.flatMap(({ parents }) => parents));
  const scored = ranked(history(view));
  const others = scored.filter(({ id }) => !tried.has(id)).slice(0, mostParents);
  const operator = (wanted: Operator): Decision => {
    const [first, second] = [rng.pick(others.length > 0 ? others : scored), scored[0]];
    return wanted === 'crossover' && second && first !== second
      ? crossover(first, second, `${why}: another operator, with ${named(first)} and ${named(second)}`)
      : draft(`${why}: another operator`);
  };
  if (scored.length === 0 || change === 'draft') return draft(`${why}: a fresh draft`);
  if (change === 'operator') return operator(decision.operator === 'crossover' ? 'draft' : 'crossover');
  if (others.length === 0) return operator('crossover');
  const parent: ScoredNode = rng.pick(others);
  return improve(parent, `${why}: another parent, ${named(parent)}`);
}
