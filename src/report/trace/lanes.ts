/** A node of a tree, in the order in which the nodes came about. */
export interface Grown {
  readonly id: string;
  /** Place in time, counted from 1; each is taken once. */
  readonly at: number;
  /** Null for a root, and where the parent is of another tree. */
  readonly parent: string | null;
}

/**
 * Rows for a tree whose columns are moments, as logs of versions are drawn: a node shares the row of its parent if it is the
 * heir, the child with the most descendants; every other child opens a row, the free one nearest to its parent's. A row is
 * free where nothing is drawn in it between its first and its last node, so that drafts without children stand in one row.
 */
export function lanesOf(nodes: readonly Grown[]): Map<string, number> {
  const known = new Map(nodes.map((node) => [node.id, node]));
  const children = new Map<string, Grown[]>();
  for (const node of nodes) {
    if (node.parent !== null && known.has(node.parent)) {
      children.set(node.parent, [...(children.get(node.parent) ?? []), node]);
    }
  }
  const weight = new Map<string, number>();
  for (const { id } of [...nodes].sort((a, b) => b.at - a.at)) {
    weight.set(id, 1 + (children.get(id) ?? []).reduce((sum, child) => sum + (weight.get(child.id) ?? 1), 0));
  }
  const heirOf = (id: string) =>
    (children.get(id) ?? []).reduce<Grown | null>(
      (best, child) => (best === null || (weight.get(child.id) ?? 0) > (weight.get(best.id) ?? 0) ? child : best),
      null,
    );
  const isHeir = (node: Grown) => node.parent !== null && known.has(node.parent) && heirOf(node.parent)?.id === node.id;

  const lanes = new Map<string, number>();
  const busy: { from: number; to: number }[][] = [];
  for (const start of nodes.filter((node) => !isHeir(node)).sort((a, b) => a.at - b.at)) {
    const chain = [start];
    for (let next = heirOf(start.id); next; next = heirOf(next.id)) chain.push(next);
    // The branch begins at its parent: its line may not cross another row's nodes in between.
    const origin = start.parent === null ? undefined : known.get(start.parent);
    const span = { from: origin ? origin.at + 0.5 : start.at, to: (chain.at(-1) ?? start).at };
    const near = origin ? (lanes.get(origin.id) ?? 0) : 0;
    const order = [...busy.keys(), busy.length].sort((a, b) => Math.abs(a - near) - Math.abs(b - near) || a - b);
    const isFree = (lane: number) => (busy[lane] ?? []).every(({ from, to }) => to < span.from || from > span.to);
    const lane = order.find(isFree) ?? busy.length;
    busy[lane] = [...(busy[lane] ?? []), span];
    for (const { id } of chain) lanes.set(id, lane);
  }
  return lanes;
}
