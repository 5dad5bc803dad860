import { byAge, type ViewNode } from '../domain/node.ts';

/** A node whose candidate was judged: the only kind that may become a parent, and the only one to learn from. */
export type ScoredNode = ViewNode & { readonly fitness: number };

export function isScored(node: ViewNode): node is ScoredNode {
  return node.status === 'evaluated' && node.fitness !== null;
}

/** Best first; among equals the earlier one, so that a repeated score never displaces its discoverer. */
export function ranked(nodes: readonly ViewNode[]): ScoredNode[] {
  return nodes.filter(isScored).sort((a, b) => b.fitness - a.fitness || byAge(a, b));
}
