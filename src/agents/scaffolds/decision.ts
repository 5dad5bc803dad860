import type { NodeId } from '../../domain/ids.ts';
import { byAge, isRefused, type Operator, type ScoredNode, type View, type ViewNode } from '../../domain/node.ts';
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
