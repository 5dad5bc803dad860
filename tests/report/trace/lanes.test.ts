import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lanesOf, type TreeEntry } from '../../../src/views/trace/tree.ts';

/** Trees in which every node may have any earlier one as its parent. */
const anyTree = fc.array(fc.option(fc.nat(), { nil: null }), { maxLength: 40 }).map((picks) =>
  picks.map(
    (pick, index): TreeEntry => ({
      id: `n${index + 1}`,
      at: index + 1,
      parent: pick === null || index === 0 ? null : `n${1 + (pick % index)}`,
    }),
  ),
);

describe('the rows of a tree', () => {
  it('put every node in a place of its own, and no line through another node', () => {
    fc.assert(
      fc.property(anyTree, (nodes) => {
        const lanes = lanesOf(nodes);
        expect(lanes.size).toBe(nodes.length);
        const at = new Map(nodes.map((node) => [node.id, node]));
        for (const node of nodes) {
          const from = node.parent === null ? undefined : at.get(node.parent);
          if (!from) continue;
          // The line to a child runs in the child's row, from just after its parent.
          const between = nodes.filter((other) => other.at > from.at && other.at < node.at);
          expect(between.filter(({ id }) => lanes.get(id) === lanes.get(node.id))).toEqual([]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('take one for drafts without children, and one for a line of descent', () => {
    const drafts = lanesOf([1, 2, 3].map((at) => ({ id: `n${at}`, at, parent: null })));
    expect([...drafts.values()]).toEqual([0, 0, 0]);
    const line = lanesOf([1, 2, 3].map((at) => ({ id: `n${at}`, at, parent: at === 1 ? null : `n${at - 1}` })));
    expect([...line.values()]).toEqual([0, 0, 0]);
    const stranger = lanesOf([{ id: 'n1', at: 1, parent: 'other-4' }]);
    expect([...stranger.values()]).toEqual([0]);
  });
});
