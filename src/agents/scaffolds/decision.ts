import type { NodeId } from '../../domain/ids.ts';
import { byAge, type Operator, type View, type ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { metricValue } from '../../domain/task.ts';
import type { ScoredNode } from '../models/model.ts';

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

/**
 * An idea and the attempts to mend it: an attempt of any other operator, then one `debug` of the last after another. While
 * it has a score, or gives none and is not mended, it has a single link.
 */
export interface Chain {
  readonly first: ViewNode;
  /** The candidate that stands for the idea now: the latest that was not refused. */
  readonly last: ViewNode;
  /** Attempts to mend it so far, refused ones included. */
  readonly repairs: number;
}

const refused = (node: ViewNode): boolean => node.status === 'rejected' || node.status === 'duplicate';

/** The chains of `nodes`, which are in order of attempts, in the order of their first links. */
export function chains(nodes: readonly ViewNode[]): Chain[] {
  const all: { first: ViewNode; last: ViewNode; repairs: number }[] = [];
  const chainOf = new Map<NodeId, (typeof all)[number]>();
  for (const node of nodes) {
    const [parent] = node.parents;
    const mended = node.operator === 'debug' && parent !== undefined ? chainOf.get(parent) : undefined;
    if (!mended) {
      const begun = { first: node, last: node, repairs: 0 };
      all.push(begun);
      chainOf.set(node.id, begun);
      continue;
    }
    mended.repairs += 1;
    if (!refused(node)) mended.last = node;
    chainOf.set(node.id, mended);
  }
  return all;
}

/** Ends that say nothing about the candidate: there is nothing to repair. */
const notItsFault: readonly ViewNode['reason'][] = ['cancelled', 'lost', 'data'];

/**
 * Failures that are worth another repair, oldest idea first: the training of the last link failed by its own fault, and fewer than `depth` repairs were tried. One whose repair is pending is not open. Refused answers are not
 * mended here: the thought that gave them has asked once more already.
 */
export function openFailures(all: readonly Chain[], depth: number): Chain[] {
  return all.filter(
    ({ last, repairs }) => last.status === 'failed' && !notItsFault.includes(last.reason) && repairs < depth,
  );
}
