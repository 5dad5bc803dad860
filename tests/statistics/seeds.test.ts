import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { centralProbability, criticalValue } from '../../src/statistics/pairs.ts';
import { agreement, agreementSentence, kendallTau, type Pair, spearmanRho } from '../../src/statistics/proxyAudit.ts';
import { comparePaired, pairedNoise, pooledNoise, type SeedScore, summarise } from '../../src/statistics/seeds.ts';

const scores = (...values: number[]): SeedScore[] => values.map((score, index) => ({ seed: 2001 + index, score }));

describe("Student's t", () => {
  it.each([
    [0.95, 1, 12.706205],
    [0.95, 2, 4.302653],
    [0.95, 3, 3.182446],
    [0.99, 5, 4.032143],
    [0.95, 10, 2.228139],
    [0.95, 30, 2.042272],
    [0.9, 120, 1.657651],
  ])('covers %f with %i degrees of freedom within %f standard errors', (level, degrees, critical) => {
    expect(criticalValue(level, degrees)).toBeCloseTo(critical, 5);
    expect(centralProbability(critical, degrees)).toBeCloseTo(level, 6);
  });

  it('refuses what is no level and no number of degrees', () => {
    expect(() => criticalValue(1, 3)).toThrow(RangeError);
    expect(() => criticalValue(0.95, 0)).toThrow(RangeError);
    expect(() => centralProbability(1, 2.5)).toThrow(RangeError);
  });
});

describe('summaries and noise', () => {
  it('gives the mean and the sample deviation, which one seed does not have', () => {
    expect(summarise(scores(2, 4, 6))).toEqual({ n: 3, mean: 4, sd: 2 });
    expect(summarise(scores(0.7))).toEqual({ n: 1, mean: 0.7, sd: null });
    expect(summarise([])).toBeNull();
  });

  it('pools deviations by their degrees of freedom: variances 2 (1 df) and 4 (2 df) give 10/3', () => {
    const noise = pooledNoise([scores(1, 3), scores(2, 4, 6), scores(9)]);
    expect(noise?.sd).toBeCloseTo(Math.sqrt(10 / 3), 12);
    expect(noise).toMatchObject({ degrees: 3, architectures: 2 });
    expect(pooledNoise([scores(1), scores(2)])).toBeNull();
  });

  it('takes away what a seed does to all: residuals of (1 2 / 3 6) are all one half', () => {
    expect(pairedNoise([scores(1, 2), scores(3, 6)])).toEqual({ sd: 1, degrees: 1, architectures: 2 });
  });

  it('sees no noise where a seed shifts all architectures alike, though each of them moves', () => {
    const rows = [scores(0.5, 0.6, 0.4), scores(0.7, 0.8, 0.6)];
    expect(pairedNoise(rows)?.sd).toBe(0);
    expect(pooledNoise(rows)?.sd).toBeCloseTo(0.1, 12);
  });

  it('uses only the seeds that all share', () => {
    const shifted = [
      { seed: 2002, score: 3 },
      { seed: 2003, score: 6 },
    ];
    expect(pairedNoise([scores(100, 1, 2), shifted])).toEqual({ sd: 1, degrees: 1, architectures: 2 });
    expect(
      pairedNoise([
        scores(1, 2),
        [
          { seed: 1, score: 1 },
          { seed: 2, score: 2 },
        ],
      ]),
    ).toBeNull();
    expect(pairedNoise([scores(1, 2)])).toBeNull();
  });
});

describe('comparePaired', () => {
  it('works a comparison from its own pairs as done by hand', () => {
    // Differences 0.01 to 0.04: mean 0.025, deviation 0.0129099, standard error 0.0064550, t(3) = 3.182446.
    const result = comparePaired(scores(0.51, 0.62, 0.73, 0.84), scores(0.5, 0.6, 0.7, 0.8), null, 0.95);
    if (result.kind === 'unmeasured') throw new Error(result.why);
    expect(result).toMatchObject({ verdict: 'better', n: 4, degrees: 3 });
    expect(result.difference).toBeCloseTo(0.025, 12);
    expect(result.standardError).toBeCloseTo(0.006455, 6);
    expect(result.effect).toBeCloseTo(0.025 / (0.0129099 / Math.SQRT2), 3);
    expect(result.interval[0]).toBeCloseTo(0.004457, 5);
    expect(result.interval[1]).toBeCloseTo(0.045543, 5);
  });

  it('uses shared noise where there is some, also for a single pair', () => {
    const result = comparePaired(scores(0.6), scores(0.5), { sd: 0.02, degrees: 10, architectures: 6 }, 0.95);
    if (result.kind === 'unmeasured') throw new Error(result.why);
    expect(result.standardError).toBeCloseTo(0.02 * Math.SQRT2, 12);
    expect(result.interval[0]).toBeCloseTo(0.1 - 2.228139 * 0.02 * Math.SQRT2, 6);
    expect(result).toMatchObject({ verdict: 'better', effect: expect.closeTo(5, 9) });
  });

  it('pairs by seed, not by position, and leaves unpaired seeds out', () => {
    const noise = { sd: 0.01, degrees: 8, architectures: 5 };
    const result = comparePaired(
      [
        { seed: 2, score: 0.9 },
        { seed: 1, score: 0.5 },
        { seed: 7, score: 0 },
      ],
      [
        { seed: 1, score: 0.4 },
        { seed: 2, score: 0.8 },
      ],
      noise,
      0.95,
    );
    expect(result).toMatchObject({ n: 2, difference: expect.closeTo(0.1, 12) });
  });

  it('says which side, and is antisymmetric', () => {
    const noise = { sd: 0.01, degrees: 8, architectures: 5 };
    const verdict = (a: number, b: number) => {
      const result = comparePaired(scores(a, a), scores(b, b), noise, 0.95);
      return result.kind === 'measured' ? result.verdict : result.why;
    };
    expect([verdict(0.6, 0.5), verdict(0.5, 0.6), verdict(0.51, 0.5)]).toEqual(['better', 'worse', 'even']);
  });

  it('does not compare without shared seeds, on one pair without noise, or where nothing varies', () => {
    const why = (a: SeedScore[], b: SeedScore[]) => comparePaired(a, b, null, 0.95);
    expect(why(scores(0.5), [{ seed: 9, score: 0.4 }])).toMatchObject({ kind: 'unmeasured', n: 0 });
    expect(why(scores(0.5), scores(0.4))).toMatchObject({ kind: 'unmeasured', n: 1 });
    expect(why(scores(0.5, 0.6), scores(0.4, 0.5))).toMatchObject({ kind: 'unmeasured', n: 2 });
  });

  it('claims a difference between equals about as often as its level allows', () => {
    const rng = rngFor('null');
    const gauss = () => Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
    const runs = 2000;
    let claims = 0;
    for (let run = 0; run < runs; run++) {
      const seedEffect = [gauss(), gauss(), gauss()];
      const rows = Array.from({ length: 5 }, () => scores(...seedEffect.map((shift) => 3 * shift + gauss())));
      const [a, b] = rows as [SeedScore[], SeedScore[]];
      const result = comparePaired(a, b, pairedNoise(rows), 0.95);
      if (result.kind === 'measured' && result.verdict !== 'even') claims++;
    }
    // 5 % of 2000 is 100, with a deviation of 9.7.
    expect(claims).toBeGreaterThan(60);
    expect(claims).toBeLessThan(140);
  });
});

describe('agreement of rungs', () => {
  const pairs = (lower: number[], upper: number[]): Pair[] => lower.map((value, index) => [value, upper[index] ?? 0]);

  it('counts concordant and discordant pairs: 8 against 2 of 10 give 0.6', () => {
    expect(kendallTau(pairs([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]))).toBeCloseTo(0.6, 12);
    expect(spearmanRho(pairs([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]))).toBeCloseTo(0.8, 12);
  });

  it('corrects for ties: (1 1 2 3) against (1 2 2 3) give 4/5 and 5/6', () => {
    expect(kendallTau(pairs([1, 1, 2, 3], [1, 2, 2, 3]))).toBeCloseTo(4 / 5, 12);
    expect(spearmanRho(pairs([1, 1, 2, 3], [1, 2, 2, 3]))).toBeCloseTo(5 / 6, 12);
  });

  it('is what counting pair by pair gives, ties on one side and on both included', () => {
    const value = fc.integer({ min: 0, max: 6 });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { maxLength: 40 }), (drawn) => {
        let [balance, lower, upper] = [0, 0, 0];
        for (const [at, [a, c]] of drawn.entries()) {
          for (const [b, d] of drawn.slice(at + 1)) {
            balance += Math.sign(a - b) * Math.sign(c - d);
            lower += Number(a !== b);
            upper += Number(c !== d);
          }
        }
        expect(kendallTau(drawn)).toBe(lower * upper === 0 ? null : balance / Math.sqrt(lower * upper));
        const rank = (side: 0 | 1, of: Pair) =>
          drawn.reduce((sum, each) => sum + (each[side] < of[side] ? 1 : each[side] === of[side] ? 0.5 : 0), 0.5);
        const ranked = pairs(
          drawn.map((each) => rank(0, each)),
          drawn.map((each) => rank(1, each)),
        );
        const [rho, ofRanks] = [spearmanRho(drawn), spearmanRho(ranked)];
        if (rho === null) expect(ofRanks).toBeNull();
        else expect(rho).toBeCloseTo(ofRanks as number, 12);
      }),
    );
  });

  it('makes no claim from fewer than five architectures or from equal scores', () => {
    expect(agreement(pairs([1, 2, 3, 4], [1, 2, 3, 4]))).toEqual({ n: 4, kendall: null, spearman: null, chance: null });
    expect(agreementSentence(agreement(pairs([1, 2], [1, 2])), 'screen', 'confirm')).toMatch(/at least 5 are needed/);
    const flat = agreement(pairs([1, 1, 1, 1, 1], [1, 2, 3, 4, 5]));
    expect(flat.kendall).toBeNull();
    expect(agreementSentence(flat, 'screen', 'confirm')).toMatch(/no order to compare/);
  });

  it('tells agreement, disagreement and doubt apart', () => {
    const rising = [1, 2, 3, 4, 5, 6, 7, 8];
    const say = (upper: number[]) => agreementSentence(agreement(pairs(rising, upper)), 'screen', 'confirm');
    expect(say(rising)).toMatch(/orders candidates much as/);
    expect(say(rising.toReversed())).toMatch(/against the confirm rung/);
    expect(say([3, 1, 2, 5, 4, 1, 2, 6])).toMatch(/is not established/);
  });
});
