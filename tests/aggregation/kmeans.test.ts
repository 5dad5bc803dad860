import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { kmeans } from '../../src/aggregation/layerwise.ts';

/** Within-cluster sum of squares of a partition of sorted scores at the given starts. */
function cost(sorted: readonly number[], starts: readonly number[]): number {
  return starts.reduce((sum, start, index) => {
    const members = sorted.slice(start, starts[index + 1] ?? sorted.length);
    const mean = members.reduce((a, b) => a + b, 0) / members.length;
    return sum + members.reduce((a, b) => a + (b - mean) ** 2, 0);
  }, 0);
}

/** Least cost over all partitions into k intervals, by trying every one. */
function leastCost(sorted: readonly number[], k: number): number {
  const choose = (starts: number[]): number => {
    if (starts.length === k) return cost(sorted, starts);
    const last = starts.at(-1) as number;
    let best = Number.POSITIVE_INFINITY;
    for (let next = last + 1; next < sorted.length; next++) best = Math.min(best, choose([...starts, next]));
    return best;
  };
  return choose([0]);
}

const costOf = (scores: readonly number[], k: number) =>
  kmeans(scores, k).reduce(
    (sum, { mean, positions }) =>
      sum + positions.reduce((inner, position) => inner + ((scores[position] as number) - mean) ** 2, 0),
    0,
  );

describe('kmeans', () => {
  it('finds the groups of a worked example, whatever the order of the scores', () => {
    const clusters = kmeans([0.9, 0.1, 0.52, 0.11, 0.5, 0.91], 3);
    expect(clusters.map(({ positions }) => positions)).toEqual([
      [1, 3],
      [2, 4],
      [0, 5],
    ]);
    expect(clusters.map(({ mean }) => mean.toFixed(6))).toEqual(['0.105000', '0.510000', '0.905000']);
    expect(clusters.map(({ lowest, highest }) => [lowest, highest])).toEqual([
      [0.1, 0.11],
      [0.5, 0.52],
      [0.9, 0.91],
    ]);
  });

  it('makes one cluster per distinct score where there are fewer than k', () => {
    expect(kmeans([0.5, 0.7, 0.5], 5).map(({ positions }) => positions)).toEqual([[0, 2], [1]]);
    expect(kmeans([0.3], 5).map(({ mean }) => mean)).toEqual([0.3]);
    expect(kmeans([], 5)).toEqual([]);
    expect(kmeans([0, -0], 2)).toHaveLength(1);
  });

  it('refuses scores that are not finite and impossible k', () => {
    expect(() => kmeans([0.1, Number.NaN], 2)).toThrow(/score 1 is NaN/);
    expect(() => kmeans([0.1], 0)).toThrow(RangeError);
    expect(() => kmeans([0.1], 1.5)).toThrow(RangeError);
  });

  it('is optimal: no partition into intervals costs less', () => {
    const score = fc.integer({ min: 0, max: 40 }).map((n) => n / 40);
    fc.assert(
      fc.property(
        fc.uniqueArray(score, { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 5 }),
        (scores, k) => {
          const sorted = scores.toSorted((a, b) => a - b);
          expect(costOf(scores, k)).toBeCloseTo(leastCost(sorted, Math.min(k, scores.length)), 10);
        },
      ),
    );
  });

  it('is as exact for scores that differ in the seventh digit', () => {
    const step = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(fc.uniqueArray(step, { minLength: 4, maxLength: 9 }), (steps) => {
        const sizes = (scale: number, offset: number) =>
          costOf(
            steps.map((n) => offset + n * scale),
            3,
          ) /
          scale ** 2;
        expect(sizes(2 ** -24, 0.875)).toBeCloseTo(sizes(1, 0), 6);
      }),
    );
  });

  it('parts the positions into intervals of ascending means and never parts equal scores', () => {
    // Scores as close as 1e-7 apart at an offset of 0.9: where naive sums of squares lose all digits.
    const score = fc.integer({ min: 0, max: 50 }).map((n) => 0.9 + n * 1e-7);
    fc.assert(
      fc.property(fc.array(score, { minLength: 1, maxLength: 60 }), fc.integer({ min: 1, max: 6 }), (scores, k) => {
        const clusters = kmeans(scores, k);
        expect(clusters).toHaveLength(Math.min(k, new Set(scores).size));
        expect(clusters.flatMap(({ positions }) => positions).toSorted((a, b) => a - b)).toEqual(
          scores.map((_, index) => index),
        );
        for (const [index, cluster] of clusters.entries()) {
          const above = clusters[index + 1];
          if (above) expect(cluster.highest).toBeLessThan(above.lowest);
          expect(cluster.mean).toBeGreaterThanOrEqual(cluster.lowest);
          expect(cluster.mean).toBeLessThanOrEqual(cluster.highest + 1e-15);
        }
      }),
    );
  });

  it('gives the same groups for the scores in another order', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 }), (scores) => {
        const groups = (list: readonly number[]) => kmeans(list, 5).map(({ lowest, highest }) => [lowest, highest]);
        expect(groups(scores.toReversed())).toEqual(groups(scores));
      }),
    );
  });
});
