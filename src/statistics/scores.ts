import { mean } from 'd3-array';
import type { Rng } from '../domain/rng.ts';
import { quantileOf, sortedMiddle } from './pairs.ts';

/** Reference values of a task's scores. */
export interface Scale {
  /** The best that is possible: 1 for an accuracy, 0 for an error. */
  readonly optimum: number;
  /** The worst valid score over all agents and seeds. */
  readonly worst: number;
  /** The best published or known. */
  readonly best: number;
}

/** Nearer to the optimum than this counts as this near: an optimal score would otherwise be infinitely good. */
const nearest = 1e-3;

/** phi(s) = -log10 |s - optimum|. */
const merit = (score: number, optimum: number): number => -Math.log10(Math.max(nearest, Math.abs(score - optimum)));

/**
 * Normalised score of AIRS-Bench: (phi(s) - phi(worst)) / (phi(best) - phi(worst)), 0 for a run without a valid score, at
 * least 0, above 1 for what beats the best known. A score closer to the optimum than 0.001 counts as 0.001 from it, on
 * either side and for either direction of a metric.
 *
 * @throws RangeError where worst and best are equally good, which leaves no scale.
 */
export function normalisedScore(score: number | null, { optimum, worst, best }: Scale): number {
  const low = merit(worst, optimum);
  const high = merit(best, optimum);
  if (!(high > low)) throw new RangeError(`the best score ${best} is no better than the worst, ${worst}`);
  return score === null ? 0 : Math.max(0, (merit(score, optimum) - low) / (high - low));
}

/** Valid-submission rate: the share of runs with a score per task, averaged over tasks. */
export function validRate(tasks: readonly (readonly (number | null)[])[]): number {
  const rates = tasks
    .filter((runs) => runs.length > 0)
    .map((runs) => runs.filter((run) => run !== null).length / runs.length);
  return mean(rates) ?? 0;
}

/** A curve over evaluations: interquartile mean over runs, with a pointwise band. */
export interface Curve {
  readonly middle: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * Curve of many runs: at each step the interquartile mean, and its percentile interval when runs are redrawn with
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
