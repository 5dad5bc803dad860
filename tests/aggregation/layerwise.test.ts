import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AggregationError,
  aggregate,
  aggregateByAgent,
  conditionings,
  type Electorate,
  elect,
  layerwise,
  type ScoredNode,
} from '../../src/aggregation/layerwise.ts';
import { canonicalText, type Primitive, parseArchitecture, primitives } from '../../src/domain/architecture.ts';
import { agentNameSchema, nodeId } from '../../src/domain/ids.ts';
import { rngFor } from '../../src/domain/rng.ts';

const node = (agent: string, ordinal: number, text: string, score: number): ScoredNode => ({
  node: nodeId(agentNameSchema.parse(agent), ordinal),
  agent: agentNameSchema.parse(agent),
  architecture: parseArchitecture(text),
  score,
});

/** An electorate of exactly these, so that the vote is tested apart from the clustering. */
const electorate = (...members: [text: string, score: number][]): Electorate =>
  elect(
    members.map(([text, score], index) => node('a', index + 1, text, score)),
    1,
  );

describe('layerwise', () => {
  it('N0 takes the most frequent primitive of each layer on its own', () => {
    const pattern = layerwise(electorate(['mA M M', 0.5], ['mA Mb M', 0.5], ['M Mb mA', 0.5]), 0);
    expect(canonicalText(pattern.architecture)).toBe('mA Mb M');
    expect(pattern.layers.map(({ votes }) => votes)).toEqual([
      { M: 1, mA: 2, Mb: 0 },
      { M: 1, mA: 0, Mb: 2 },
      { M: 2, mA: 1, Mb: 0 },
    ]);
    expect(pattern.layers.map(({ voters, condition }) => [voters, condition])).toEqual([
      [3, 0],
      [3, 0],
      [3, 0],
    ]);
  });

  it('N1 and N2 ask only those who share the layers chosen before', () => {
    // Layer 0: mA by 3 of 5. Layer 1 over all: M by 3 of 5; of those with mA: Mb by 2 of 3.
    // Layer 2 given Mb before: M, mA, M -> M; given mA Mb before: mA and M tie, and mA's voter has the higher score.
    const members = electorate(
      ['mA Mb mA', 0.9],
      ['mA Mb M', 0.8],
      ['mA M M', 0.8],
      ['M M Mb', 0.8],
      ['M M mA', 0.8],
      ['M Mb M', 0.8],
      ['mA mA M', 0.8],
    );
    expect(canonicalText(layerwise(members, 0).architecture)).toBe('mA Mb M');
    expect(layerwise(members, 0).layers[1]?.votes).toEqual({ M: 3, mA: 1, Mb: 3 });
    expect(layerwise(members, 0).layers[1]?.tied).toBe(true);
    const first = layerwise(members, 1);
    expect(first.layers[1]).toMatchObject({ winner: 'Mb', votes: { M: 1, mA: 1, Mb: 2 }, voters: 4, condition: 1 });
    expect(first.layers[2]).toMatchObject({ winner: 'M', votes: { M: 2, mA: 1, Mb: 0 }, voters: 3, condition: 1 });
    const second = layerwise(members, 2);
    expect(second.layers[2]).toMatchObject({ winner: 'mA', votes: { M: 1, mA: 1, Mb: 0 }, tied: true, condition: 2 });
    expect(canonicalText(layerwise(members, 'all').architecture)).toBe('mA Mb mA');
  });

  it('settles equal votes by the mean score of the voters, then by the order M, mA, Mb', () => {
    expect(layerwise(electorate(['Mb', 0.6], ['M', 0.5]), 0).layers[0]).toMatchObject({ winner: 'Mb', tied: true });
    expect(layerwise(electorate(['Mb', 0.5], ['mA', 0.5]), 0).architecture).toEqual(['mA']);
    expect(layerwise(electorate(['Mb', 0.5], ['M', 0.5], ['mA', 0.5]), 0).architecture).toEqual(['M']);
  });

  it('lets only the best cluster vote', () => {
    const nodes = [
      node('a', 1, 'M M', 0.9),
      node('a', 2, 'M mA', 0.91),
      ...[0.1, 0.2, 0.3, 0.4].map((score, index) =>
        node('b', index + 1, ['Mb Mb', 'Mb mA', 'mA Mb', 'mA mA'][index] ?? '', score),
      ),
    ];
    const pattern = aggregate(nodes, 0);
    expect(pattern.electorate).toMatchObject({ pool: 6, clusterSizes: [1, 1, 1, 1, 2], lowest: 0.9, highest: 0.91 });
    expect(pattern.architecture[0]).toBe('M');
    expect([...pattern.provenance]).toEqual([['a', ['a-1', 'a-2']]]);
  });

  it('gives an architecture one vote however often it was proposed, and names everybody who did', () => {
    const nodes = [node('a', 1, 'M', 0.5), node('b', 1, 'M', 0.7), node('b', 2, 'M', 0.6), node('a', 2, 'mA', 0.62)];
    const pattern = aggregate(nodes, 0, 1);
    expect(pattern.layers[0]?.votes).toEqual({ M: 1, mA: 1, Mb: 0 });
    expect(pattern.architecture).toEqual(['mA']);
    expect([...pattern.provenance]).toEqual([
      ['a', ['a-1', 'a-2']],
      ['b', ['b-1', 'b-2']],
    ]);
    expect(pattern.electorate.members.map(({ score }) => score.toFixed(6))).toEqual(['0.600000', '0.620000']);
  });

  it('aggregates each agent by itself', () => {
    const nodes = [node('b', 1, 'M M', 0.5), node('a', 1, 'mA mA', 0.9), node('a', 2, 'mA M', 0.1)];
    const byAgent = aggregateByAgent(nodes, 0);
    expect([...byAgent.keys()]).toEqual(['a', 'b']);
    expect([...byAgent.values()].map(({ architecture }) => canonicalText(architecture))).toEqual(['mA mA', 'M M']);
  });

  it('refuses an empty pool and unequal depths', () => {
    expect(() => aggregate([], 0)).toThrow(AggregationError);
    expect(() => aggregate([node('a', 1, 'M', 0.5), node('a', 2, 'M M', 0.5)], 0)).toThrow(
      /a-2 has 2 layers and a-1 has 1/,
    );
  });
});

describe('layerwise, for any pool', () => {
  const architecture = fc.array(fc.constantFrom(...primitives), { minLength: 5, maxLength: 5 });
  const pool = fc
    .array(fc.tuple(architecture, fc.integer({ min: 0, max: 20 })), { minLength: 1, maxLength: 25 })
    .map((list) =>
      list.map(([layers, score], index) => ({ ...node('a', index + 1, 'M', score / 20), architecture: layers })),
    );

  it('always finds voters, all of whom share what the conditioning asks', () => {
    fc.assert(
      fc.property(pool, fc.constantFrom(...conditionings), (nodes, conditioning) => {
        const { layers, architecture: chosen, electorate: voters } = aggregate(nodes, conditioning);
        for (const [index, { winner, votes, voters: count, condition }] of layers.entries()) {
          expect(condition).toBe(conditioning === 'all' ? index : Math.min(conditioning, index));
          const sharing = voters.members.filter(({ architecture: member }) =>
            chosen.slice(index - condition, index).every((layer, at) => member[index - condition + at] === layer),
          );
          expect(count).toBe(sharing.length);
          expect(count).toBeGreaterThan(0);
          expect(votes[winner]).toBe(Math.max(...Object.values(votes)));
          expect(Object.values(votes).reduce((sum, each) => sum + each, 0)).toBe(count);
        }
      }),
    );
  });

  it('conditioned on all layers, ends in an architecture that somebody proposed', () => {
    fc.assert(
      fc.property(pool, (nodes) => {
        const { architecture: chosen } = aggregate(nodes, 'all');
        expect(nodes.map(({ architecture: member }) => canonicalText(member))).toContain(canonicalText(chosen));
      }),
    );
  });

  it('does not depend on the order of the nodes', () => {
    fc.assert(
      fc.property(pool, fc.constantFrom(...conditionings), fc.integer(), (nodes, conditioning, seed) => {
        const rng = rngFor(seed);
        const shuffled = nodes
          .map((each) => ({ each, at: rng.float() }))
          .sort((a, b) => a.at - b.at)
          .map(({ each }) => each);
        expect(aggregate(shuffled, conditioning)).toEqual(aggregate(nodes, conditioning));
      }),
    );
  });

  it('returns the common pattern of a unanimous pool', () => {
    fc.assert(
      fc.property(architecture, fc.constantFrom(...conditionings), (layers, conditioning) => {
        const nodes = [1, 2, 3].map((ordinal) => ({ ...node('a', ordinal, 'M', 0.5), architecture: layers }));
        expect(aggregate(nodes, conditioning).architecture).toEqual(layers as Primitive[]);
      }),
    );
  });
});
