import type { NodeId } from '../../domain/ids.ts';
import { byAge, type Operator, type View, type ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { metricValue } from '../../domain/task.ts';
import type { ScoredNode } from '../models/model.ts';
import type { Chain } from './failures.ts';

/** What an agent does with its next attempt. */
export interface Decision {
  readonly operator: Operator;
  /**
   * None for a draft, one for an improvement, two different ones for a crossover, all of them scored; one that failed for
   * a repair.
   */
  readonly parents: readonly NodeId[];
  /** Why, in words that the trace shows. */
  readonly reason: string;
}

/**
 * A search policy. It keeps nothing between calls: islands, visit counts and quotas are folded from the view each time,
 * so that a resumed search is the same search (I5). The view may come in any order. Where the agent remembers the ensemble
 * it holds nodes of others, marked as foreign: any of them may be a parent, but quotas and repairs concern its own alone.
 */
export type Scaffold = (view: View, rng: Rng) => Decision;

/** The attempts that precede the one to be decided, in the order in which they were made. */
export function history(view: View): ViewNode[] {
  return view.nodes.filter((node) => node.ordinal < view.ordinal).sort(byAge);
}

/** Those that the deciding agent made itself. */
export function ownOf(nodes: readonly ViewNode[]): ViewNode[] {
  return nodes.filter(({ foreign }) => !foreign);
}

/** Min-max normalisation over `values`: 0 the worst, 1 the best, 0.5 for all where they do not differ. */
export function normaliser(values: readonly number[]): (value: number) => number {
  const worst = values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
  const best = values.reduce((high, value) => Math.max(high, value), Number.NEGATIVE_INFINITY);
  // Halved before subtracting: the difference of two finite numbers may overflow.
  const span = best / 2 - worst / 2;
  return span > 0 ? (value) => (value / 2 - worst / 2) / span : () => 0.5;
}

export function draft(reason: string): Decision {
  return { operator: 'draft', parents: [], reason };
}

export function improve(parent: ScoredNode, reason: string): Decision {
  return { operator: 'improve', parents: [parent.id], reason };
}

export function crossover(first: ScoredNode, second: ScoredNode, reason: string): Decision {
  return { operator: 'crossover', parents: [first.id, second.id], reason };
}

/** One more attempt to mend what failed. */
export function debug({ last, repairs }: Chain, depth: number): Decision {
  const reason = `repair ${repairs + 1} of at most ${depth}: ${last.id} gave no score (${last.reason ?? last.status})`;
  return { operator: 'debug', parents: [last.id], reason };
}

/** How reasons name a node: `composer-3 (0.4127)`, with the metric that its fitness stands for. */
export type Named = (node: ScoredNode) => string;

export function namedBy(lowerIsBetter: boolean): Named {
  return ({ id, fitness }) => `${id} (${Number(metricValue(fitness, lowerIsBetter).toPrecision(4))})`;
}
