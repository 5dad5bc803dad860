import type { NodeId } from '../../domain/ids.ts';
import {
  byAge,
  isRefused,
  type Operator,
  ranked,
  refusedThoughts,
  type ScoredNode,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { metricValue } from '../../domain/task.ts';

/** What an agent does with its next attempt. */
export interface Decision {
  readonly operator: Operator;
  /** None for a draft, one scored node for improve, two different ones for crossover, one failed node for debug. */
  readonly parents: readonly NodeId[];
  /** The reason, for the trace. */
  readonly reason: string;
  /** Candidates that the policy has a use for, at least 1; absent: any number. A thought may give several. */
  readonly room?: number;
}

/**
 * A search policy. It has no state between calls: islands, visit counts and quotas are computed from the view each time, so
 * that a resumed search is the same search (I5). The view may come in any order. With ensemble memory it contains nodes of
 * other agents, marked as foreign: any may be a parent, but quotas and repairs concern the agent's own nodes only.
 */
export type Scaffold = (view: View, rng: Rng) => Decision;

/** The attempts that precede the one to decide, in order of creation. */
export function history(view: View): ViewNode[] {
  return view.nodes.filter((node) => node.ordinal < view.ordinal).sort(byAge);
}

/** The nodes of the deciding agent. */
export function ownOf(nodes: readonly ViewNode[]): ViewNode[] {
  return nodes.filter(({ foreign }) => !foreign);
}

/** Min-max normalisation over `values`: 0 the worst, 1 the best, 0.5 for all if they are equal. */
export function normaliser(values: readonly number[]): (value: number) => number {
  const worst = values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
  const best = values.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
  // Halved before subtracting: the difference of two finite numbers may overflow.
  const span = best / 2 - worst / 2;
  return span > 0 ? (value) => (value / 2 - worst / 2) / span : () => 0.5;
}

export function draft(reason: string, room?: number): Decision {
  return { operator: 'draft', parents: [], reason, ...(room === undefined ? {} : { room }) };
}

export function improve(parent: ScoredNode, reason: string, room?: number): Decision {
  return { operator: 'improve', parents: [parent.id], reason, ...(room === undefined ? {} : { room }) };
}

export function crossover(first: ScoredNode, second: ScoredNode, reason: string): Decision {
  return { operator: 'crossover', parents: [first.id, second.id], reason };
}

/** One more repair of a failed candidate. */
export function debug({ last, repairs }: Chain, depth: number): Decision {
  const reason = `repair ${repairs + 1} of at most ${depth}: ${last.id} gave no score (${last.reason ?? last.status})`;
  return { operator: 'debug', parents: [last.id], reason, room: 1 };
}

/** How reasons name a node: `composer-3 (0.4127)`, with the metric value of its fitness. */
export type Named = (node: ScoredNode) => string;

export function namedBy(lowerIsBetter: boolean): Named {
  return ({ id, fitness }) => `${id} (${Number(metricValue(fitness, lowerIsBetter).toPrecision(4))})`;
}

/** An idea and its repairs: an attempt of any other operator, then successive `debug` attempts. Without repairs, one link. */
export interface Chain {
  readonly first: ViewNode;
  /** The candidate that represents the idea: the latest that was not rejected or a duplicate. */
  readonly last: ViewNode;
  /** Repair attempts so far, rejected ones included. */
  readonly repairs: number;
}

/** The chains of `nodes`, which are in order of attempts, by first link. */
export function chains(nodes: readonly ViewNode[]): Chain[] {
  const all: { first: ViewNode; last: ViewNode; repairs: number }[] = [];
  const chainOf = new Map<NodeId, (typeof all)[number]>();
  for (const node of nodes) {
    const [parent] = node.parents;
    const chain = node.operator === 'debug' && parent !== undefined ? chainOf.get(parent) : undefined;
    if (!chain) {
      const started = { first: node, last: node, repairs: 0 };
      all.push(started);
      chainOf.set(node.id, started);
      continue;
    }
    chain.repairs += 1;
    if (!isRefused(node.status)) chain.last = node;
    chainOf.set(node.id, chain);
  }
  return all;
}

/** Outcomes that say nothing about the candidate: there is nothing to repair. */
const notItsFault: readonly ViewNode['reason'][] = ['cancelled', 'lost', 'data', 'vetoed'];

/**
 * Failures that are worth another repair, oldest idea first: the last link failed by its own fault after fewer than `depth`
 * repairs. A chain with a pending repair is not open, nor is a vetoed one. Rejected answers are not repaired here: their thought
 * has already tried once.
 */
export function openFailures(all: readonly Chain[], depth: number): Chain[] {
  return all.filter(
    ({ last, repairs }) =>
      last.status === 'failed' && last.vetoed === undefined && !notItsFault.includes(last.reason) && repairs < depth,
  );
}

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
