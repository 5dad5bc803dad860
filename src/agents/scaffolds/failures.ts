import type { NodeId } from '../../domain/ids.ts';
import type { ViewNode } from '../../domain/node.ts';

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
