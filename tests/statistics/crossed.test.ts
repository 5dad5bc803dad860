import { deviation, mean } from 'd3-array';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Rng, rngFor } from '../../src/domain/rng.ts';
import {
  type CrossedPair,
  crossedEstimate,
  crossedInterval,
  pairedBootstrap,
  permutationTest,
} from '../../src/statistics/pairs.ts';

/** A pair whose arms are judged by training seeds: `first[u]` and `second[u]`, except by the one that both saw. */
function pair(seen: number, first: readonly number[], second: readonly number[], stratum = 'task'): CrossedPair {
  const judged = (scores: readonly number[]) => {
    const without = (unit: number) => mean(scores.filter((_, seed) => seed !== seen && seed !== unit)) as number;
    return { value: without(seen), without };
  };
  return { stratum, seen, units: first.length, first: judged(first), second: judged(second) };
}

/** As resampling the searches alone sees them. */
const plain = (pairs: readonly CrossedPair[]) =>
  pairs.map(({ stratum, first, second }) => ({ stratum, first: first.value, second: second.value }));

const zeros = (units: number) => Array.from({ length: units }, () => 0);
const normal = (rng: Rng) => Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());

describe('the jackknife over training seeds', () => {
  it('is the standard error of a mean over the training seeds, of what runs saw and of what judged them', () => {
    // One run per training seed and no quarter to cut; the first arm's worth depends on the seed that it saw.
    const saw = [0.3, 0.5, 0.1];
    const bySeen = saw.map((worth, seen) => pair(seen, [worth, worth, worth], zeros(3)));
    const judges = [0.2, 0.6, 0.4];
    const byJudge = judges.map((_, seen) => pair(seen, judges, zeros(3)));
    for (const [pairs, seeds] of [
      [bySeen, saw],
      [byJudge, judges],
    ] as const) {
      const { effect, standardError, units, degrees } = crossedEstimate(pairs);
      expect(effect).toBeCloseTo(mean(seeds) as number, 12);
      expect(standardError).toBeCloseTo((deviation(seeds) as number) / Math.sqrt(3), 12);
      expect({ units, degrees }).toEqual({ units: 3, degrees: 2 });
    }
  });

  it('takes off most of what a jackknife counts twice: what depends on both the seed seen and the seed that judges', () => {
    const units = 12;
    const found = Array.from({ length: 500 }, (_, repetition) => {
      const rng = rngFor('both seeds', repetition);
      const scores = () => Array.from({ length: units }, () => normal(rng));
      return crossedEstimate(Array.from({ length: units }, (_each, seen) => pair(seen, scores(), zeros(units))));
    });
    const stated = mean(found, ({ standardError }) => standardError ** 2) as number;
    const excess = stated / (mean(found, ({ effect }) => effect ** 2) as number);
    // A plain jackknife states 2.3 times the variance here.
    expect(excess).toBeGreaterThan(0.9);
    expect(excess).toBeLessThan(1.9);
  });

  it('does not shrink when the same training seeds judge more searches, where resampling searches alone does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 3, max: 6 }), (seed, units) => {
        const rng = rngFor('copies', seed);
        const scores = () => Array.from({ length: units }, () => normal(rng));
        const pairs = Array.from({ length: 4 * units }, (_, index) => pair(index % units, scores(), scores()));
        const copies = Array.from({ length: 9 }, () => pairs).flat();
        const once = crossedEstimate(pairs);
        const often = crossedEstimate(copies);
        // Where four divides the rows that are left, the cut of a quarter is the same.
        expect(often.effect).toBeCloseTo(once.effect, 9);
        expect(often.standardError).toBeGreaterThan(0.6 * once.standardError);
        const width = (which: readonly CrossedPair[]) => {
          const { low, high } = pairedBootstrap(plain(which), { rng: rngFor(seed), resamples: 200, level: 0.95 });
          return high - low;
        };
        expect(width(copies)).toBeLessThan(0.6 * width(pairs));
      }),
      { numRuns: 25 },
    );
  });

  it('turns round with the arms, scales with the scores, and does not depend on the order of pairs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 3, max: 8 }), (seed, units) => {
        const rng = rngFor('symmetry', seed);
        const rows = Array.from({ length: 3 * units }, (_, index) => ({
          seen: index % units,
          scores: [0, 1].map(() => Array.from({ length: units }, () => normal(rng))) as [number[], number[]],
        }));
        const make = (of: (scores: [number[], number[]]) => readonly [number[], number[]]) =>
          rows.map(({ seen, scores }) => pair(seen, ...of(scores)));
        const found = crossedEstimate(make((scores) => scores));
        const turned = crossedEstimate(make(([first, second]) => [second, first]));
        const tenfold = crossedEstimate(
          make(([first, second]) => [first.map((each) => 10 * each + 3), second.map((each) => 10 * each + 3)]),
        );
        const reversed = crossedEstimate(make((scores) => scores).toReversed());
        expect(turned.effect).toBeCloseTo(-found.effect, 9);
        expect(tenfold.effect).toBeCloseTo(10 * found.effect, 9);
        expect(tenfold.standardError).toBeCloseTo(10 * found.standardError, 9);
        expect(reversed.standardError).toBeCloseTo(found.standardError, 9);
        const { low, high } = crossedInterval(found, 0.95);
        expect((low + high) / 2).toBeCloseTo(found.effect, 9);
      }),
      { numRuns: 25 },
    );
  });

  it('adds the training seeds of several tasks, and refuses what leaves no judge', () => {
    const two = ['easy', 'hard'].flatMap((task) => [0, 1, 2].map((seen) => pair(seen, [1, 2, 3], zeros(3), task)));
    expect(crossedEstimate(two)).toMatchObject({ units: 6, degrees: 4 });
    expect(() => crossedEstimate([pair(0, [1, 2], [1, 2])])).toThrow('2 training seeds');
    expect(() => crossedEstimate([])).toThrow(RangeError);
  });
});

describe('arms of equal worth that share trainings', () => {
  /**
   * Twelve candidates of equal mean; noise per training seed, half of it common to the six of either family. The first arm
   * hands in its two favourites, the second any candidate: the difference between them is that of a few trainings.
   */
  function study(repetition: number, units: number): CrossedPair[] {
    const rng = rngFor('equal arms', repetition);
    const noise = Array.from({ length: units }, () => {
      const families = [normal(rng), normal(rng)];
      return Array.from({ length: 12 }, (_, candidate) => (families[candidate % 2] as number) + normal(rng));
    });
    const scores = (candidate: number) => noise.map((row) => row[candidate] as number);
    return Array.from({ length: 4 * units }, (_, index) => {
      const favourite = rng.float() < 0.7 ? 0 : 2;
      return pair(index % units, scores(favourite), scores(rng.below(12)));
    });
  }

  it('are found different as rarely as stated, and their interval covers zero as often', () => {
    const counts = { rejected: 0, covered: 0, alone: 0 };
    const studies = 300;
    for (let repetition = 0; repetition < studies; repetition++) {
      const pairs = study(repetition, 8);
      const { low, high } = crossedInterval(crossedEstimate(pairs), 0.95);
      if (low <= 0 && high >= 0) counts.covered++;
      if (crossedEstimate(pairs).p <= 0.05) counts.rejected++;
      if (permutationTest(plain(pairs), { rng: rngFor('test', repetition), permutations: 99 }) <= 0.05) counts.alone++;
    }
    // 15 and 285 expected, standard deviation 3.8.
    expect(counts.rejected).toBeLessThan(28);
    expect(counts.covered).toBeGreaterThan(272);
    expect(counts.alone).toBeGreaterThan(90);
  });

  it('are found different where they are, and the p is that of the interval', () => {
    const pairs = study(1, 8);
    const shifted = (by: number) =>
      pairs.map(({ first, ...rest }) => ({
        ...rest,
        first: { value: first.value + by, without: (unit: number) => first.without(unit) + by },
      }));
    expect(crossedEstimate(shifted(20)).p).toBeLessThan(0.001);
    const { low } = crossedInterval(crossedEstimate(pairs), 0.95);
    expect(crossedEstimate(shifted(-low)).p).toBeCloseTo(0.05, 6);
    const same = pairs.map((each) => ({ ...each, second: each.first }));
    expect(crossedEstimate(same)).toMatchObject({ effect: 0, standardError: 0, p: 1 });
  });
});
