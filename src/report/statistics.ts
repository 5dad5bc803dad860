import { deviation, mean } from 'd3-array';
import type { SeedScore } from '../studies/statistics/seeds.ts';

export {
  type Comparison,
  comparePaired,
  marginOf,
  type Noise,
  pairedNoise,
  pooledNoise,
  type SeedScore,
  type Verdict,
} from '../studies/statistics/seeds.ts';

/** Scores of one architecture on one rung. */
export interface Summary {
  readonly n: number;
  readonly mean: number;
  /** Sample standard deviation over seeds; null below two seeds. */
  readonly sd: number | null;
}

/** Mean and spread over seeds, or null where nothing was scored. */
export function summarise(scores: readonly SeedScore[]): Summary | null {
  const centre = mean(scores, ({ score }) => score);
  if (centre === undefined) return null;
  return { n: scores.length, mean: centre, sd: deviation(scores, ({ score }) => score) ?? null };
}
