/**
 * Bias and coverage of scaling fits: `npx vitest run --config vitest.long.config.ts tests/long/scalingFits`. Losses come from a
 * known law, so the true gap and slope are known; each design is repeated. Bias is what the method gives without noise, less
 * the truth: parabolas are not the law. Coverage is how often a 95 % interval contains the value without noise; intervals speak
 * of noise alone.
 */
import { mean } from 'd3-array';
import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { fitScaling } from '../../src/statistics/scalingBootstrap.ts';
import { straightLine } from '../../src/statistics/scalingFit.ts';
import { fitLaw } from '../../src/statistics/scalingLaw.ts';
import { lawMinimum, lossesOf, type TrueLaw, usualLaw } from '../support/scaling.ts';

const repeats = 300;
const noise = 0.005;
const better: TrueLaw = { ...usualLaw, B: usualLaw.B * 0.9 };

const three = [1e17, 3e17, 1e18];
const five = [2e19, 4e19, 8e19, 2e20, 4e20];
const designs = {
  'ladder, 5 sizes, 3 budgets, 1 seed, 2 in the middle': {
    budgets: three,
    sizes: 5,
    seeds: 1,
    middleSeeds: 2,
    spread: 0.8,
    ladder: true,
  },
  'ladder, 5 sizes, 3 budgets, 5 seeds': {
    budgets: three,
    sizes: 5,
    seeds: 5,
    middleSeeds: 5,
    spread: 0.8,
    ladder: true,
  },
  'moving, 5 sizes, 5 budgets, 1 seed, 2 in the middle': {
    budgets: five,
    sizes: 5,
    seeds: 1,
    middleSeeds: 2,
    spread: 0.5,
  },
  'moving, 3 sizes, 5 budgets, 2 seeds': { budgets: five, sizes: 3, seeds: 2, middleSeeds: 2, spread: 0.45 },
} as const;

describe('scaling fits of known losses', () => {
  it.each(Object.entries(designs))('%s: bias and coverage', (name, design) => {
    const { budgets } = design;
    const best = (law: TrueLaw) => budgets.map((budget) => lawMinimum(law, budget));
    const slopeOf = (law: TrueLaw) =>
      straightLine(
        budgets.map(Math.log10),
        best(law).map(({ loss }) => loss),
      )?.slope as number;
    const gap = mean(best(usualLaw), ({ loss }, at) => loss - (best(better)[at]?.loss as number)) as number;
    const truth = { gap, multiplier: 10 ** (gap / -slopeOf(usualLaw)), slope: slopeOf(better) };
    const exact = (law: TrueLaw) => lossesOf(law, { ...design, noise: 0 });
    const still = fitScaling(
      [
        { name: 'found', points: exact(better) },
        { name: 'llama', points: exact(usualLaw) },
      ],
      'llama',
      { rng: rngFor(name), resamples: 1, level: 0.95 },
    );
    const noiseless = {
      gap: still.comparisons[0]?.gap?.value as number,
      multiplier: still.comparisons[0]?.multiplier?.value as number,
      slope: still.fits[0]?.slope?.value as number,
    };
    const found = { gap: [] as number[], multiplier: [] as number[], slope: [] as number[] };
    const inside = { gap: 0, multiplier: 0, slope: 0 };
    let intervals = 0;
    let alarms = 0;
    const laws: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) {
      const draw = (label: string, law: TrueLaw) =>
        lossesOf(law, { ...design, noise, rng: rngFor(name, repeat, label) });
      const arms = [
        { name: 'found', points: draw('found', better) },
        { name: 'same', points: draw('same', usualLaw) },
        { name: 'llama', points: draw('llama', usualLaw) },
      ];
      const { fits, comparisons } = fitScaling(arms, 'llama', {
        rng: rngFor(name, repeat),
        resamples: 400,
        level: 0.95,
      });
      const estimates = { gap: comparisons[0]?.gap, multiplier: comparisons[0]?.multiplier, slope: fits[0]?.slope };
      if (comparisons[1]?.verdict === 'better' || comparisons[1]?.verdict === 'worse') alarms++;
      const [one, other] = [arms[0], arms[2]].map((arm) => fitLaw(arm?.points ?? []).law);
      if (one && other)
        laws.push(mean(budgets, (budget) => other.optimum(budget).loss - one.optimum(budget).loss) as number);
      if (Object.values(estimates).some((each) => !each?.interval)) continue;
      intervals++;
      for (const key of ['gap', 'multiplier', 'slope'] as const) {
        const { value, interval } = estimates[key] as { value: number; interval: { low: number; high: number } };
        found[key].push(value);
        if (interval.low <= noiseless[key] && noiseless[key] <= interval.high) inside[key]++;
      }
    }
    const line = (key: keyof typeof truth) =>
      `${key}: truth ${truth[key].toFixed(4)}, bias ${(100 * (noiseless[key] / truth[key] - 1)).toFixed(2)} %, mean ${(mean(found[key]) ?? Number.NaN).toFixed(4)}, coverage ${((100 * inside[key]) / intervals).toFixed(1)} %`;
    process.stdout.write(
      `${name}: intervals in ${intervals} of ${repeats}; ${line('gap')}; ${line('multiplier')}; ${line('slope')}; gap by approach 3: mean ${(mean(laws) ?? Number.NaN).toFixed(4)} of ${laws.length} fits; verdict on equal architectures other than even: ${alarms}\n`,
    );
    expect(intervals).toBeGreaterThan(0.8 * repeats);
    for (const key of ['gap', 'multiplier', 'slope'] as const) {
      expect(inside[key] / intervals).toBeGreaterThan(0.88);
      expect(Math.abs(noiseless[key] / truth[key] - 1)).toBeLessThan(0.02);
      expect(Math.abs((mean(found[key]) as number) / noiseless[key] - 1)).toBeLessThan(0.03);
    }
    expect(alarms / repeats).toBeLessThan(0.1);
  });
});
