import { mean, variance } from 'd3-array';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { comparePaired, digamma, noisePrior, type SeedScore, trigamma } from '../../src/statistics/seeds.ts';

const scores = (...values: number[]): SeedScore[] => values.map((score, seed) => ({ seed, score }));

function drawn(label: string, sds: readonly number[], seeds: number): SeedScore[][] {
  const rng = rngFor('noise-prior', label);
  const gauss = () => Math.sqrt(-2 * Math.log(1 - rng.float())) * Math.cos(2 * Math.PI * rng.float());
  return sds.map((sd) => Array.from({ length: seeds }, (_, seed) => ({ seed, score: sd * gauss() })));
}

describe('special functions', () => {
  // Abramowitz & Stegun, table 6.1 and 6.3.2, 6.4.2: psi(1) = -gamma, psi(1/2) = -gamma - 2 ln 2, psi'(1) = pi^2 / 6.
  const gamma = 0.577_215_664_901_532_9;
  it('have their known values', () => {
    expect(digamma(1)).toBeCloseTo(-gamma, 10);
    expect(digamma(0.5)).toBeCloseTo(-gamma - 2 * Math.log(2), 10);
    expect(trigamma(1)).toBeCloseTo(Math.PI ** 2 / 6, 10);
    expect(trigamma(0.5)).toBeCloseTo(Math.PI ** 2 / 2, 10);
  });
  it('satisfy their recurrences', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 500, noNaN: true }), (x) => {
        expect(digamma(x + 1) - digamma(x)).toBeCloseTo(1 / x, 7);
        expect(trigamma(x) - trigamma(x + 1)).toBeCloseTo(1 / (x * x), 6);
      }),
    );
  });
});

describe('the noise of all pairs', () => {
  it('is the common noise where candidates are alike, at its largest weight', () => {
    const prior = noisePrior(drawn('alike', Array(30).fill(0.02), 6));
    expect(prior?.degrees).toBe(10);
    expect(prior?.sd).toBeGreaterThan(0.016);
    expect(prior?.sd).toBeLessThan(0.024);
  });

  it('counts for little where candidates differ much', () => {
    const sds = Array.from({ length: 30 }, (_, at) => 0.001 * 2 ** (at / 3));
    expect(noisePrior(drawn('unlike', sds, 6))?.degrees).toBeLessThan(4);
  });

  it('solves the equations of its source', () => {
    // Two seeds, one degree of freedom: differences of 1, 0.999 and 0.001 between the seeds of the three pairs.
    const prior = noisePrior([scores(0, 0), scores(0, 1), scores(0, 0.999)]);
    const logarithms = [1, 0.999, 0.001].map((each) => Math.log(each ** 2 / 2) - digamma(0.5) + Math.log(0.5));
    const d0 = prior?.degrees ?? Number.NaN;
    expect(trigamma(d0 / 2)).toBeCloseTo((variance(logarithms) as number) - trigamma(0.5), 6);
    const common = (mean(logarithms) as number) + digamma(d0 / 2) - Math.log(d0 / 2);
    expect(Math.log(2 * (prior?.sd ?? Number.NaN) ** 2)).toBeCloseTo(common, 6);
  });

  it('is unknown with two candidates, one seed, no common seed, or a pair without any noise', () => {
    expect(noisePrior([scores(1, 2, 4), scores(2, 2, 3)])).toBeNull();
    expect(noisePrior([scores(1), scores(2), scores(3)])).toBeNull();
    expect(
      noisePrior([
        scores(1, 2),
        scores(2, 5),
        [
          { seed: 8, score: 1 },
          { seed: 9, score: 2 },
        ],
      ]),
    ).toBeNull();
    expect(noisePrior([scores(1, 2, 3), scores(2, 3, 4), scores(5, 1, 2)])).toBeNull();
  });

  it('pulls the noise of a pair towards it, and adds its degrees of freedom', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 2, max: 8 }), (label, seeds) => {
        const rows = drawn(`${label}`, [0.01, 0.02, 0.03, 0.01, 0.02], seeds);
        const prior = noisePrior(rows);
        if (!prior) throw new Error('no prior');
        const [a = [], b = []] = rows;
        const [own, pulled] = [comparePaired(a, b, null, 0.95), comparePaired(a, b, null, 0.95, prior)];
        if (own.kind !== 'measured' || pulled.kind !== 'measured') throw new Error('not measured');
        const squared = (of: typeof own) => (of.standardError ** 2 * seeds) / 2;
        const weighed = prior.degrees * prior.sd ** 2 + (seeds - 1) * squared(own);
        expect(squared(pulled)).toBeCloseTo(weighed / (prior.degrees + seeds - 1), 12);
        expect(pulled.degrees).toBe(Math.floor(seeds - 1 + prior.degrees + 1e-9));
        expect(pulled.difference).toBe(own.difference);
      }),
      { numRuns: 40 },
    );
  });
});
