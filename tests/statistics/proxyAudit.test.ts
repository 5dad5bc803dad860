import { describe, expect, it } from 'vitest';
import { type Rng, rngFor } from '../../src/domain/rng.ts';
import { auditProxy, type RungScores, reliability } from '../../src/statistics/proxyAudit.ts';
import { compareItems, type ItemScores } from '../../src/statistics/scores.ts';
import { normal } from '../support/scaling.ts';

const rung = (name: string, rows: Readonly<Record<string, readonly number[]>>): RungScores => ({
  name,
  scores: new Map(
    Object.entries(rows).map(([key, scores]) => [key, scores.map((score, seed) => ({ seed, score }))] as const),
  ),
});

/** A rung of `n` architectures of unit variance, measured on `seeds` seeds with noise `sd`. */
function noisy(name: string, truth: readonly number[], seeds: number, sd: number, rng: Rng): RungScores {
  return rung(
    name,
    Object.fromEntries(
      truth.map((value, at) => [`a${at}`, Array.from({ length: seeds }, () => value + sd * normal(rng))]),
    ),
  );
}

describe('reliability', () => {
  it('is the share of variance that is not noise, and takes no offence at a shift of all by one seed', () => {
    const rng = rngFor('reliability');
    const truth = Array.from({ length: 400 }, () => normal(rng));
    // Variance 1 between architectures, noise 1 / 2 of a mean of two.
    const rows = [...noisy('x', truth, 2, 1, rng).scores.values()];
    expect(reliability(rows)).toBeCloseTo(1 / 1.5, 1);
    const shifted = rows.map((row) => row.map(({ seed, score }) => ({ seed, score: score + 100 * seed })));
    expect(reliability(shifted)).toBeCloseTo(reliability(rows) as number, 9);
  });

  it('is unknown with one seed, and 0 where the noise explains everything', () => {
    expect(reliability([[{ seed: 1, score: 1 }], [{ seed: 1, score: 2 }]])).toBeNull();
    expect(
      reliability(
        [
          [1, 3],
          [3, 1],
        ].map((row) => row.map((score, seed) => ({ seed, score }))),
      ),
    ).toBe(0);
  });
});

describe('the proxy audit', () => {
  it('finds a correlation at its ceiling where the rungs differ by noise alone', () => {
    const rng = rngFor('ceiling');
    const truth = Array.from({ length: 300 }, () => normal(rng));
    const audit = auditProxy(noisy('nano', truth, 2, 1, rng), noisy('large', truth, 2, 0.3, rng), 0.95);
    expect(audit.n).toBe(300);
    for (const { value, ceiling, interval } of [audit.spearman, audit.kendall].flatMap((each) => each ?? [])) {
      expect(Math.abs(value - (ceiling as number))).toBeLessThan(0.06);
      expect(interval?.low).toBeLessThan(value);
      expect(interval?.high).toBeGreaterThan(value);
    }
    expect(audit.spearman?.ceiling).toBeLessThan(0.9);
  });

  it('covers the true correlation about as often as it says', () => {
    let inside = 0;
    const [studies, n, rho] = [400, 12, 0.7];
    // Spearman's coefficient of a normal population with correlation 0.7.
    const true0 = (6 / Math.PI) * Math.asin(rho / 2);
    for (let study = 0; study < studies; study++) {
      const rng = rngFor('coverage', study);
      const first = Array.from({ length: n }, () => normal(rng));
      const second = first.map((value) => rho * value + Math.sqrt(1 - rho ** 2) * normal(rng));
      const audit = auditProxy(noisy('x', first, 1, 0, rng), noisy('y', second, 1, 0, rng), 0.95);
      const interval = audit.spearman?.interval;
      if (interval && interval.low <= true0 && true0 <= interval.high) inside++;
    }
    expect(inside / studies).toBeGreaterThan(0.91);
    expect(inside / studies).toBeLessThan(0.985);
  });

  it('refuses few architectures and a rung without an order, and knows no ceiling of single seeds', () => {
    const few = auditProxy(rung('x', { a: [1], b: [2], c: [3] }), rung('y', { a: [1], b: [2], d: [0] }), 0.95);
    expect(few.refused).toBe(
      '2 architectures have scores on both; at least 5 are needed before their order can be compared',
    );
    const names = { a: [1], b: [2], c: [3], d: [4], e: [5] };
    const flat = auditProxy(rung('x', names), rung('y', { a: [1], b: [1], c: [1], d: [1], e: [1] }), 0.95);
    expect(flat.refused).toBe('one rung gave all architectures the same score');
    const perfect = auditProxy(rung('x', names), rung('y', names), 0.95);
    expect(perfect.spearman).toEqual({ value: 1, interval: null, ceiling: null });
  });
});

describe('two models on the same items', () => {
  const model = (label: string, skill: number, seeds: number, difficulty: readonly number[]): ItemScores[] =>
    ['arc', 'piqa'].flatMap((task) =>
      Array.from({ length: seeds }, (_, seed) => {
        const rng = rngFor(label, task, seed);
        return { task, seed, correct: difficulty.map((hard) => (skill + 0.2 * normal(rng) > hard ? 1 : 0)) };
      }),
    );
  const difficulty = Array.from({ length: 500 }, (_, item) => item / 500);
  const resampling = () => ({ rng: rngFor('items'), resamples: 400, level: 0.95 });

  it('differ by the mean over tasks, with an interval narrower than that of unpaired items', () => {
    const found = compareItems(model('a', 0.6, 2, difficulty), model('b', 0.5, 2, difficulty), resampling());
    expect(found.difference).toBeCloseTo(0.1, 1);
    expect(found.first - found.second).toBeCloseTo(found.difference, 12);
    expect(found.interval.low).toBeGreaterThan(0.05);
    expect(found.interval.high - found.interval.low).toBeLessThan(2 * 1.96 * Math.sqrt((2 * 0.25) / 1000));
    expect(found.tasks.map(({ task, items }) => [task, items])).toEqual([
      ['arc', 500],
      ['piqa', 500],
    ]);
    expect(found.seeds).toBe(2);
  });

  it('are the same as themselves', () => {
    const one = model('a', 0.6, 2, difficulty);
    expect(compareItems(one, one, resampling())).toMatchObject({ difference: 0, interval: { low: 0, high: 0 } });
  });

  it('widen with what seeds differ by', () => {
    const seeds = (values: readonly number[]) =>
      values.map((skill, seed) => ({ ...(model(`s${seed}`, skill, 1, difficulty)[0] as ItemScores), seed }));
    const width = ({ interval: { low, high } }: ReturnType<typeof compareItems>) => high - low;
    const base = seeds([0.5, 0.5, 0.5]);
    const steady = compareItems(seeds([0.6, 0.6, 0.6]), base, resampling());
    const shaky = compareItems(seeds([0.4, 0.6, 0.8]), base, resampling());
    expect(width(shaky)).toBeGreaterThan(2 * width(steady));
  });

  it('need the same items', () => {
    const one = model('a', 0.6, 1, difficulty);
    expect(() => compareItems(one, model('b', 0.5, 1, difficulty.slice(1)), resampling())).toThrow('the same items');
    expect(() => compareItems(one, [], resampling())).toThrow('share no task and seed');
  });
});
