import { describe, expect, it } from 'vitest';
import { namedBy } from '../../src/agents/scaffolds/decision.ts';
import { type GreedySpec, greedy } from '../../src/agents/scaffolds/scaffold.ts';
import { type ViewNode, viewSchema } from '../../src/domain/node.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { viewNode, viewOf } from './support.ts';

const named = namedBy(false);

const usual: GreedySpec = { kind: 'greedy', drafts: 3, debugProbability: 0.5, debugDepth: 3 };
const decide = (nodes: ViewNode[], drafts = 3) => greedy({ ...usual, drafts }, named)(viewOf(nodes), rngFor(1));

describe('greedy', () => {
  it('drafts first, whatever the drafts score', () => {
    expect(decide([])).toMatchObject({ operator: 'draft', reason: 'draft 1 of 3' });
    expect(decide([viewNode(1, { fitness: 0.9 }), viewNode(2, { fitness: 0.1 })]).operator).toBe('draft');
  });

  it('then improves the best, ties to the earlier', () => {
    const nodes = [viewNode(1, { fitness: 0.2 }), viewNode(2, { fitness: 0.7 }), viewNode(3, { fitness: 0.7 })];
    expect(decide(nodes)).toMatchObject({ operator: 'improve', parents: ['walker-2'] });
  });

  it('names nodes with the metric, also where less is better', () => {
    const nodes = [viewNode(1, { fitness: -2.7 }), viewNode(2, { fitness: -2.663 }), viewNode(3, { fitness: -2.8 })];
    const { reason } = greedy({ ...usual, drafts: 3 }, namedBy(true))(viewOf(nodes), rngFor(1));
    expect(reason).toBe('best so far: walker-2 (2.663)');
  });

  // D2: what counts as a draft is written in the node, so a resumed search does not start drafting again.
  it('counts drafts that failed, were refused or are pending, and no others', () => {
    const nodes = [
      viewNode(1, { fitness: 0.4 }),
      viewNode(2, { status: 'failed' }),
      viewNode(3, { status: 'duplicate' }),
      viewNode(4, { fitness: 0.3, parents: [1] }),
    ];
    expect(decide(nodes.slice(0, 3))).toMatchObject({ operator: 'improve', parents: ['walker-1'] });
    expect(decide(nodes, 4)).toMatchObject({ operator: 'draft', reason: 'draft 4 of 4' });
  });

  // D5: the score survives storage, so the best node found before a resume is still the best.
  it('finds the best node in a stored view', () => {
    const nodes = [viewNode(1, { fitness: 0.4 }), viewNode(2, { fitness: 0.8 }), viewNode(3, { fitness: 0.6 })];
    const stored = viewSchema.parse(JSON.parse(JSON.stringify(viewOf(nodes))));
    expect(greedy(usual, named)(stored, rngFor(1)).parents).toEqual(['walker-2']);
  });

  it('gives way to the second best when the best has two more improvements pending, and to no other', () => {
    const drafts = [viewNode(1, { fitness: 0.9 }), viewNode(2, { fitness: 0.8 }), viewNode(3, { fitness: 0.1 })];
    const chosen: (string | undefined)[] = [];
    const nodes = [...drafts];
    for (let ordinal = 4; ordinal <= 11; ordinal++) {
      const [parent] = decide(nodes).parents;
      chosen.push(parent);
      nodes.push(viewNode(ordinal, { parents: [Number(parent?.split('-')[1])] }));
    }
    const [best, second] = ['walker-1', 'walker-2'];
    expect(chosen).toEqual([best, best, second, best, second, best, second, best]);
  });

  it('continues with the best only, however many of its improvements are pending', () => {
    const nodes = [
      viewNode(1, { fitness: 0.5 }),
      ...[2, 3, 4, 5].map((ordinal) => viewNode(ordinal, { parents: [1] })),
    ];
    expect(decide(nodes, 1)).toMatchObject({ operator: 'improve', parents: ['walker-1'] });
  });

  it('repairs random open failures at the given rate', () => {
    const nodes = [
      viewNode(1, { fitness: 0.5 }),
      viewNode(2, { status: 'failed' }),
      viewNode(3, { status: 'failed', parents: [1] }),
      viewNode(4, { status: 'rejected' }),
      viewNode(5, { status: 'failed', reason: 'cancelled', parents: [1] }),
    ];
    const decisions = (debugProbability: number) =>
      Array.from({ length: 200 }, (_, chance) =>
        greedy({ ...usual, debugProbability }, named)(viewOf(nodes), rngFor(chance)),
      );
    const mending = decisions(0.5).filter(({ operator }) => operator === 'debug');
    // 200 draws at 0.5: three standard deviations are 21.
    expect(Math.abs(mending.length - 100)).toBeLessThan(22);
    expect(new Set(mending.flatMap(({ parents }) => parents))).toEqual(new Set(['walker-2', 'walker-3']));
    expect(decisions(0).every(({ operator }) => operator === 'improve')).toBe(true);
    expect(decisions(1).every(({ operator }) => operator === 'debug')).toBe(true);
  });

  it('drafts first, even where a draft has failed', () => {
    const spec = { ...usual, debugProbability: 1 };
    expect(greedy(spec, named)(viewOf([viewNode(1, { status: 'failed' })]), rngFor(1)).operator).toBe('draft');
  });
});
