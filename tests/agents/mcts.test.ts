import { describe, expect, it } from 'vitest';
import { namedBy } from '../../src/agents/scaffolds/decision.ts';
import { mcts, searchTree, uct } from '../../src/agents/scaffolds/mcts.ts';
import type { ViewNode } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { viewNode, viewOf } from './support.ts';

const named = namedBy(false);

/** Without repairs, so that failures stay as they are. */
const decide = (nodes: ViewNode[], children = 2, exploration = 0.25, debugDepth = 0) =>
  mcts({ kind: 'mcts', children, exploration, debugDepth }, named)(viewOf(nodes), rngFor(1));

/** Best of the root's children 0.8, its only child worse; the other 0.4. */
const small = [
  viewNode(1, { fitness: 0.4 }),
  viewNode(2, { fitness: 0.8 }),
  viewNode(3, { fitness: 0.6, parents: [2] }),
];

describe('the search tree', () => {
  it('backs every attempt up to all its ancestors, normalised between the worst and the best', () => {
    const root = searchTree(viewOf(small));
    const [first, second] = root.children;
    // Normalised: 0.4 -> 0, 0.8 -> 1, 0.6 -> 0.5.
    expect([root.visits, root.value]).toEqual([3, expect.closeTo(1.5, 12)]);
    expect([first?.visits, first?.value]).toEqual([1, 0]);
    expect([second?.visits, second?.value]).toEqual([2, expect.closeTo(1.5, 12)]);
  });

  it('gives each branch the mean of its visits and a bonus for few visits', () => {
    const [, second] = searchTree(viewOf(small)).children;
    expect(uct(second as never, 0.25)).toBeCloseTo(0.75 + 0.25 * Math.sqrt(Math.log(3) / 2), 12);
  });

  it('counts failures as visits of the worst value, and pending children as visits worth what the parent scored', () => {
    const failed = searchTree(viewOf([...small, viewNode(4, { status: 'failed', parents: [2] })])).children[1];
    expect([failed?.visits, failed?.value]).toEqual([3, expect.closeTo(1.5, 12)]);
    const pending = searchTree(viewOf([...small, viewNode(4, { parents: [2] })])).children[1];
    expect([pending?.visits, pending?.value]).toEqual([3, expect.closeTo(2.5, 12)]);
    const orphan = searchTree(viewOf([...small, viewNode(4)])).children[2];
    expect([orphan?.visits, orphan?.value]).toEqual([1, 0]);
  });
});

describe('mcts', () => {
  it('fills the root with drafts first, pending and failed ones included', () => {
    expect(decide([viewNode(1, { status: 'failed' })], 3).operator).toBe('draft');
    expect(decide([viewNode(1, { status: 'failed' }), viewNode(2, { fitness: 0.5 })], 3).operator).toBe('draft');
  });

  it('descends to the child of highest UCT and expands it while it has room', () => {
    expect(decide(small)).toMatchObject({ operator: 'improve', parents: ['walker-2'] });
  });

  it('explores the worse child once the bonus outweighs the difference', () => {
    const visited = [
      ...small,
      viewNode(4, { fitness: 0.5, parents: [2] }),
      viewNode(5, { fitness: 0.5, parents: [3] }),
    ];
    expect(decide(visited, 2, 0).parents).not.toEqual(['walker-1']);
    expect(decide(visited, 2, 10).parents).toEqual(['walker-1']);
  });

  it('looks elsewhere while results are pending (virtual loss)', () => {
    const equal = [viewNode(1, { fitness: 0.5 }), viewNode(2, { fitness: 0.5 })];
    expect(decide(equal, 3).operator).toBe('draft');
    expect(decide(equal).parents).toEqual(['walker-1']);
    expect(decide([...equal, viewNode(3, { parents: [1] })]).parents).toEqual(['walker-2']);
  });

  it('does not descend to where only failed and pending children are left', () => {
    const nodes = [
      viewNode(1, { fitness: 0.9 }),
      viewNode(2, { fitness: 0.1 }),
      viewNode(3, { status: 'failed', parents: [1] }),
      viewNode(4, { parents: [1] }),
    ];
    expect(decide(nodes).parents).toEqual(['walker-2']);
  });

  // D1: where nothing can be expanded it widens the root; a call never ends without an attempt.
  it('drafts beyond its width when every way is closed', () => {
    const nodes = [viewNode(1, { status: 'failed' }), viewNode(2), viewNode(3, { status: 'rejected' })];
    expect(decide(nodes)).toMatchObject({
      operator: 'draft',
      reason: expect.stringContaining('no node can be expanded'),
    });
    const buried = [viewNode(1, { fitness: 0.5 }), viewNode(2, { status: 'failed' })];
    const closed = [...buried, viewNode(3, { status: 'failed', parents: [1] }), viewNode(4, { parents: [1] })];
    expect(decide(closed).operator).toBe('draft');
  });

  // D1: the last attempts of a budget are attempts like all others, whichever number the width is.
  it.each([1, 2, 3, 4, 5])('makes exactly one decision per attempt with %i attempts left', (remaining) => {
    const view = { ...viewOf(small), remaining };
    expect(mcts({ kind: 'mcts', children: 5, exploration: 0.25, debugDepth: 3 }, named)(view, rngFor(1))).toMatchObject(
      {
        operator: 'draft',
      },
    );
  });

  it('repairs a failure before anything else, the oldest first, up to its limit', () => {
    const debugOf = (ordinal: number, parent: number, given: object = {}) =>
      viewNode(ordinal, { operator: 'debug', parents: [parent], status: 'failed', ...given });
    const nodes = [...small, viewNode(4, { status: 'failed' }), viewNode(5, { status: 'failed', parents: [2] })];
    const mends = (more: ViewNode[]) => decide([...nodes, ...more], 2, 0.25, 2);
    expect(mends([])).toMatchObject({ operator: 'debug', parents: ['walker-4'] });
    // While its repair is pending it is left alone; a refused repair counts as one.
    expect(mends([debugOf(6, 4, { status: 'pending' })]).parents).toEqual(['walker-5']);
    expect(mends([debugOf(6, 4, { status: 'duplicate' })]).parents).toEqual(['walker-4']);
    expect(mends([debugOf(6, 4)]).parents).toEqual(['walker-6']);
    expect(mends([debugOf(6, 4), debugOf(7, 6)]).parents).toEqual(['walker-5']);
    const hopeless = [debugOf(6, 4), debugOf(7, 6), debugOf(8, 5), debugOf(9, 8, { status: 'rejected' })];
    expect(mends(hopeless).operator).not.toBe('debug');
  });

  it('treats a repaired candidate as its original idea: one visit, and open to improvements', () => {
    const mended = [
      viewNode(1, { status: 'failed' }),
      viewNode(2, { operator: 'debug', parents: [1], status: 'failed' }),
      viewNode(3, { operator: 'debug', parents: [2], fitness: 0.7 }),
      viewNode(4, { fitness: 0.1 }),
    ];
    const root = searchTree(viewOf(mended));
    expect(root.children.map(({ node, visits, value }) => [node?.id, visits, value])).toEqual([
      ['walker-3', 1, 1],
      ['walker-4', 1, 0],
    ]);
    expect(decide(mended)).toMatchObject({ operator: 'improve', parents: ['walker-3'] });
    const grown = searchTree(viewOf([...mended, viewNode(5, { fitness: 0.4, parents: [3] })]));
    expect(grown.children[0]?.children.map(({ node }) => node?.id)).toEqual(['walker-5']);
  });
});
