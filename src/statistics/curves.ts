import type { Rng } from '../domain/rng.ts';
import { quantileOf, sortedMiddle } from './pairs.ts';

/** A curve over evaluations: interquartile mean over runs, with a pointwise band. */
export interface Curve {
  readonly middle: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * The course of many runs: at each step the interquartile mean, and its percentile interval when runs are drawn anew with
 * replacement within each task. A resample is the same set of runs at every step.
 *
 * @param strata runs by task; each run has `steps` values.
 */
export function bandedCurve(
  strata: readonly (readonly (readonly number[])[])[],
  { rng, resamples, level }: { rng: Rng; resamples: number; level: number },
): Curve {
  const runs = strata.flat();
  const steps = Math.min(...runs.map((run) => run.length));
  const draws = Array.from({ length: resamples }, () => {
    let offset = 0;
    return strata.flatMap((stratum) => {
      const drawn = stratum.map(() => offset + rng.below(stratum.length));
      offset += stratum.length;
      return drawn;
    });
  });
  const values = new Float64Array(runs.length);
  const at = (step: number, which: readonly number[] | null): number => {
    for (let index = 0; index < values.length; index++) {
      values[index] = (runs[which === null ? index : (which[index] as number)] as readonly number[])[step] as number;
    }
    return sortedMiddle(values.sort());
  };
  const curve = { middle: [] as number[], low: [] as number[], high: [] as number[] };
  for (let step = 0; step < steps; step++) {
    const found = Float64Array.from(draws, (draw) => at(step, draw)).sort();
    curve.middle.push(at(step, null));
    curve.low.push(quantileOf(found, (1 - level) / 2));
    curve.high.push(quantileOf(found, (1 + level) / 2));
  }
  return curve;
}
