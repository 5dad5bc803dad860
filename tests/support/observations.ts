import { rngFor } from '../../src/domain/rng.ts';
import type { ScaleObservation } from '../../src/scale/index.ts';
import { lossesOf, type TrueLaw, usualLaw } from './scaling.ts';

/** Outcomes of a plan like the shipped micro one: five sizes, three budgets, two seeds of the middle size. */
export interface ObservationPlan {
  /** By name: how much less an architecture loses of what tokens leave, and the growth of its cache in bytes. */
  readonly architectures: Readonly<Record<string, { readonly gain: number; readonly cache: number }>>;
  readonly noise?: number;
  readonly seeds?: number;
  readonly family?: string;
  /** Sizes in decades around the best one. */
  readonly spread?: number;
}

const names = ['0.1M', '0.3M', '0.6M', '1M', '2M'];

export function observationsOf(plan: ObservationPlan): ScaleObservation[] {
  const { noise = 0.004, seeds = 1, family = 'llama', spread = 0.7 } = plan;
  return Object.entries(plan.architectures).flatMap(([architecture, { gain, cache }], index) => {
    const law: TrueLaw = { ...usualLaw, B: usualLaw.B * (1 - gain) };
    const points = lossesOf(law, {
      budgets: [1e13, 3e13, 1e14],
      sizes: names.length,
      seeds,
      middleSeeds: Math.max(2, seeds),
      spread,
      noise,
      rng: rngFor('observations', index),
      ladder: true,
    });
    const sizes = [...new Set(points.map(({ parameters }) => parameters))].sort((a, b) => a - b);
    return points.map((point): ScaleObservation => {
      const rank = sizes.indexOf(point.parameters);
      return {
        architecture,
        pattern: 'mA+M+2Mb+M',
        family,
        size: names[rank] as string,
        nonEmbedding: Math.round(point.parameters),
        embedding: 257 * 64 * (rank + 1),
        budgetFlops: point.budget,
        trainedFlops: point.budget * 0.998,
        tokens: Math.round(point.tokens),
        seed: point.seed,
        loss: point.loss,
        seconds: point.budget / 2e11,
        tokensPerSecond: 20_000 / (rank + 1) + 500 * index,
        mfu: null,
        peakMemoryBytes: null,
        cacheBytesPerToken: cache * (rank + 1),
        evaluation: `${architecture}${point.parameters}${point.budget}${point.seed}`.padEnd(64, '0'),
      };
    });
  });
}
