import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import {
  detectable,
  differences,
  effectSize,
  fewestPairs,
  holm,
  interquartileMean,
  iqmDifference,
  type Pair,
  pairedBootstrap,
  pairsNeeded,
  permutationTest,
} from '../../src/statistics/pairs.ts';
import { bandedCurve, elo, normalisedScore, outcome, ratings, validRate } from '../../src/statistics/scores.ts';

const pair = (first: number, second: number, stratum = 'task'): Pair => ({ stratum, first, second });
const usual = { alpha: 0.05, power: 0.8 };

describe('the interquartile mean', () => {
  it('cuts a quarter, rounded down, at either end (scipy.stats.trim_mean)', () => {
    expect(interquartileMean([3, 1, 4, 1, 5, 9, 2, 6, 5, 3])).toBeCloseTo(22 / 6, 12);
    expect(interquartileMean([0, 1, 2, 3, 4, 5, 6])).toBe(3);
    expect(interquartileMean([7])).toBe(7);
    expect(() => interquartileMean([])).toThrow(RangeError);
  });

  it('does not hear a single outlier, and leaves its input alone', () => {
    const scores = [1, 2, 3, 4];
    expect(interquartileMean([1, 2, 3, 1e9])).toBe(interquartileMean(scores));
    expect(scores).toEqual([1, 2, 3, 4]);
  });
});

describe('the permutation test', () => {
  const test = (pairs: readonly Pair[], seed = 1) => permutationTest(pairs, { rng: rngFor(seed), permutations: 999 });

  it('is exact for few pairs: one order in 2^n, and its mirror image', () => {
    expect(test([1, 2, 3].map((n) => pair(n + 10, n)))).toBe(2 / 8);
    expect(test([1, 2, 3, 4, 5, 6].map((n) => pair(n + 10, n)))).toBe(2 / 64);
    expect(test([pair(1, 1), pair(2, 2), pair(3, 3)])).toBe(1);
  });

  it('agrees between the exact and the random way', () => {
    const pairs = Array.from({ length: 12 }, (_, index) => pair(index % 5, (index * 7) % 4));
    const exact = test(pairs);
    // A thirteenth pair without a difference changes nothing but the way.
    const random = permutationTest([...pairs, pair(0, 0)], { rng: rngFor(3), permutations: 20_000 });
    expect(Math.abs(random - exact)).toBeLessThan(0.1);
  });

  it('never answers zero, and is the same whichever arm comes first', () => {
    const pairs = Array.from({ length: 30 }, (_, index) => pair(100 + index, index));
    expect(test(pairs)).toBe(1 / 1000);
    const mirrored = pairs.map(({ stratum, first, second }) => ({ stratum, first: second, second: first }));
    expect(test(mirrored)).toBe(test(pairs));
  });

  it('rejects two arms that are the same in no more than its share of studies', () => {
    // 400 studies of 16 pairs at 5 %: 20 expected, standard deviation 4.4.
    let rejected = 0;
    for (let study = 0; study < 400; study++) {
      const rng = rngFor('same', study);
      const pairs = Array.from({ length: 16 }, () => {
        const seed = rng.float();
        return pair(seed + 0.3 * rng.float(), seed + 0.3 * rng.float());
      });
      if (permutationTest(pairs, { rng: rngFor('test', study), permutations: 199 }) <= 0.05) rejected++;
    }
    expect(rejected).toBeGreaterThan(6);
    expect(rejected).toBeLessThan(36);
  });
});

describe('the paired bootstrap', () => {
  const interval = (pairs: readonly Pair[]) => pairedBootstrap(pairs, { rng: rngFor(1), resamples: 1000, level: 0.95 });

  it('is as narrow as the pairs agree, however far the seeds are apart', () => {
    const pairs = Array.from({ length: 20 }, (_, index) => pair(index + 1, index));
    const { low, high } = interval(pairs);
    expect(low).toBeCloseTo(1, 9);
    expect(high).toBeCloseTo(1, 9);
  });

  it('holds the difference itself, and draws within tasks alone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.float({ min: 0, max: 1, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true })), {
          minLength: 8,
          maxLength: 30,
        }),
        (scores) => {
          const pairs = scores.map(([first, second]) => pair(first, second));
          const { low, high } = interval(pairs);
          expect(low).toBeLessThanOrEqual(high);
          expect(high - low).toBeLessThanOrEqual(2);
        },
      ),
      { numRuns: 20 },
    );
    // Four runs of one task and four of another: each resample has four of each, so that the middle half stays mixed.
    const pairs = [0, 1].flatMap((task) => Array.from({ length: 4 }, () => pair(task, 0, `task ${task}`)));
    expect(interval(pairs)).toEqual({ low: iqmDifference(pairs), high: iqmDifference(pairs) });
  });

  it('covers the truth about as often as it says', () => {
    let covered = 0;
    for (let study = 0; study < 200; study++) {
      const rng = rngFor('coverage', study);
      const pairs = Array.from({ length: 40 }, () => pair(rng.float() + 0.25, rng.float()));
      const { low, high } = pairedBootstrap(pairs, { rng, resamples: 300, level: 0.95 });
      if (low <= 0.25 && 0.25 <= high) covered++;
    }
    expect(covered).toBeGreaterThan(175);
  });
});

describe('effect size, Holm and power', () => {
  it('standardises by the scatter of differences within tasks, and counts who is ahead', () => {
    expect(effectSize([pair(1, 0), pair(3, 0), pair(0, 1), pair(2, 2)])).toEqual({
      standardised: expect.closeTo(0.75 / Math.sqrt(2.916_666_666), 6),
      ahead: 0.625,
    });
    expect(effectSize([pair(1, 0), pair(1, 0)]).standardised).toBeNull();
    expect(differences([pair(1, 0, 'a'), pair(3, 2, 'a'), pair(5, 0, 'b'), pair(5, 0, 'b')])).toEqual({
      mean: 3,
      sd: 0,
    });
  });

  it('corrects as Holm does', () => {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")
    const adjusted = holm([0.01, 0.04, 0.03, 0.005]);
    for (const [index, p] of [0.03, 0.06, 0.06, 0.02].entries()) expect(adjusted[index]).toBeCloseTo(p, 12);
    expect(holm([0.9, 0.8])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  it('asks for about as many pairs as the exact power of the t test', () => {
    // Noncentral t: 10, 34, 199 and 787.
    expect(pairsNeeded(1, 1, usual)).toBeGreaterThanOrEqual(9);
    expect(pairsNeeded(1, 1, usual)).toBeLessThanOrEqual(11);
    expect(pairsNeeded(0.5, 1, usual)).toBeGreaterThanOrEqual(33);
    expect(pairsNeeded(0.5, 1, usual)).toBeLessThanOrEqual(35);
    expect(pairsNeeded(-0.2, 1, usual)).toBe(pairsNeeded(0.2, 1, usual));
    expect(Math.abs((pairsNeeded(0.1, 1, usual) ?? 0) - 787)).toBeLessThan(8);
    expect(pairsNeeded(0, 1, usual)).toBeNull();
    expect(pairsNeeded(1e-9, 1, usual)).toBeNull();
  });

  it('knows that a permutation test of few pairs can see nothing', () => {
    expect(fewestPairs(0.05)).toBe(6);
    expect(pairsNeeded(100, 1, usual)).toBe(6);
    expect(fewestPairs(0.05 / 10)).toBe(9);
  });

  it('answers the two questions of power consistently', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.02, max: 0.9, noNaN: true }), (difference) => {
        const pairs = pairsNeeded(difference, 1, usual) as number;
        expect(detectable(1, pairs, usual)).toBeLessThanOrEqual(difference * (1 + 1e-9));
        if (pairs > 6) expect(detectable(1, pairs - 1, usual)).toBeGreaterThan(difference);
      }),
      { numRuns: 25 },
    );
  });
});

describe('scores of AIRS-Bench', () => {
  it('are normalised as published', () => {
    // SICK, accuracy: best 0.905, worst 0.1451.
    const scale = { optimum: 1, worst: 0.1451, best: 0.905 };
    expect(normalisedScore(0.6, scale)).toBeCloseTo(0.345_68, 3);
    expect(normalisedScore(0.95, scale)).toBeCloseTo(1.292_14, 3);
    expect(normalisedScore(1, scale)).toBeCloseTo(3.072_7, 3);
    expect(normalisedScore(0.905, scale)).toBeCloseTo(1, 12);
    expect(normalisedScore(0.1451, scale)).toBe(0);
    expect(normalisedScore(0.01, scale)).toBe(0);
    expect(normalisedScore(null, scale)).toBe(0);
  });

  it('are normalised for errors too, where an optimal one is not mistaken for a bad one', () => {
    const scale = { optimum: 0, worst: 2000, best: 500 };
    expect(normalisedScore(500, scale)).toBeCloseTo(1, 12);
    expect(normalisedScore(0, scale)).toBeGreaterThan(normalisedScore(1, scale));
    expect(() => normalisedScore(1, { optimum: 1, worst: 0.5, best: 0.5 })).toThrow(RangeError);
  });

  it('count valid runs per task first', () => {
    expect(
      validRate([
        [1, null],
        [1, 1, 1, 1],
      ]),
    ).toBe(0.75);
    expect(validRate([])).toBe(0);
  });
});

describe('Elo', () => {
  it('decides single battles as published', () => {
    expect([
      outcome(2, 1),
      outcome(1, 2),
      outcome(1, 1 + 1e-6),
      outcome(1, null),
      outcome(null, 1),
      outcome(null, null),
    ]).toEqual([1, 0, 0.5, 1, 0, 0.5]);
  });

  it('of two players is the logarithm of the odds', () => {
    const [first, second] = ratings([
      [0, 30],
      [10, 0],
    ]) as number[];
    expect((first as number) - (second as number)).toBeCloseTo(400 * Math.log10(3), 6);
    expect(((first as number) + (second as number)) / 2).toBeCloseTo(1000, 6);
  });

  it('recovers strengths from expected points', () => {
    const strengths = [1, 2, 4, 9];
    const battles = strengths.map((own, i) => strengths.map((other, j) => (i === j ? 0 : (100 * own) / (own + other))));
    const found = ratings(battles) as number[];
    for (const [index, strength] of strengths.entries()) {
      expect((found[index] as number) - (found[0] as number)).toBeCloseTo(400 * Math.log10(strength), 4);
    }
  });

  it('has no value for one who never lost', () => {
    const players = [
      { name: 'good', runs: { task: [3, 4] } },
      { name: 'bad', runs: { task: [1, null] } },
    ];
    expect(elo(players, { rng: rngFor(1), rounds: 10 })[0]).toMatchObject({ name: 'good', rating: null });
  });

  it('holds the rating in its interval, and rates equal players equally', () => {
    const runs = { task: Array.from({ length: 12 }, (_, index) => index / 12) };
    const [one, other] = elo(
      [
        { name: 'one', runs },
        { name: 'other', runs },
      ],
      { rng: rngFor(1), rounds: 50 },
    );
    expect(one?.rating).toBeCloseTo(1000, 6);
    expect(other?.rating).toBeCloseTo(1000, 6);
    expect(one?.low as number).toBeLessThan(1000);
    expect(one?.high as number).toBeGreaterThan(1000);
  });
});

describe('curves', () => {
  it('go through the interquartile mean of each step, within their band', () => {
    const runs = Array.from({ length: 9 }, (_, run) => [1 - run / 9, 0.5 - run / 20, run / 90]);
    const curve = bandedCurve([runs], { rng: rngFor(1), resamples: 200, level: 0.9 });
    for (const step of [0, 1, 2]) {
      const here = interquartileMean(runs.map((run) => run[step] as number));
      expect(curve.middle[step]).toBeCloseTo(here, 12);
      expect(curve.low[step]).toBeLessThanOrEqual(here);
      expect(curve.high[step]).toBeGreaterThanOrEqual(here);
    }
  });
});
