import { mean, sum } from 'd3-array';
import { type Interval, sortedMiddle } from './pairs.ts';
import { centralProbability, criticalValue } from './power.ts';

/**
 * Comparisons that hold for new trainings, where many searches share few training seeds.
 *
 * A tabular benchmark has one training of every candidate per training seed. A search sees the trainings of one seed, and
 * those of the other seeds judge what it hands in. So two searches differ in their own chances, but a training seed is common
 * to all searches that saw it and judges all others: the unit of inference is the training seed, however many searches there
 * are. Trainings of one seed are not independent either: they share data and start values, and similar candidates gain or
 * lose together.
 *
 * The standard error is Tukey's jackknife over training seeds: without seed u, the searches that saw u are left out, and u
 * judges none of the others. That has all three sources: the chances of the searches (which are nested in their seed), the
 * noise that they saw, and the noise that judges them, with any dependence between candidates. p is Student's, as the interval
 * is. Exchanging the labels within pairs would not do: that leaves no trace of judges who favour what one arm hands in, and
 * rejects arms of equal worth too often (tests/statistics/crossed.test.ts). Where each pair of runs has training seeds of its
 * own, the pairs themselves are the units (`pairs.ts`).
 */

/** A run's result by the trainings that judge it. */
export interface Judged {
  readonly value: number;
  /** The value when training seed `unit` does not judge. */
  readonly without: (unit: number) => number;
}

/** Two arms on one task and one search seed, which saw the trainings of the same seed. */
export interface CrossedPair {
  /** The task. Training seeds of different tasks are different units. */
  readonly stratum: string;
  /** Index of the training seed that both searches saw. */
  readonly seen: number;
  /** Training seeds of the task. */
  readonly units: number;
  readonly first: Judged;
  readonly second: Judged;
}

export interface CrossedEstimate {
  /** Difference of the interquartile means over all runs of all tasks, first minus second. */
  readonly effect: number;
  readonly standardError: number;
  /** Training seeds, over all tasks. */
  readonly units: number;
  /** Degrees of freedom of the standard error: training seeds less one per task. */
  readonly degrees: number;
  /** Two-sided p of equal arms: Student's t of the effect in standard errors. */
  readonly p: number;
}

/** Differences below rounding error count as zero. */
const negligible = 1e-12;

const middle = (values: readonly number[]): number => sortedMiddle(Float64Array.from(values).sort());

/** Difference of the interquartile means when `unit` of a task neither showed nor judged anything; of all for null. */
function difference(pairs: readonly CrossedPair[], left: { readonly stratum: string; readonly unit: number } | null) {
  const rows = pairs.filter(({ stratum, seen }) => stratum !== left?.stratum || seen !== left.unit);
  const worthOf = ({ stratum }: CrossedPair, { value, without }: Judged) =>
    left !== null && stratum === left.stratum ? without(left.unit) : value;
  return middle(rows.map((pair) => worthOf(pair, pair.first))) - middle(rows.map((pair) => worthOf(pair, pair.second)));
}

/**
 * The difference between two arms, with a standard error over training seeds: for each task, (K - 1) / K times the squared
 * deviations of its K estimates without one training seed each (Tukey 1958; Efron & Stein 1981, by which it errs upwards).
 *
 * @throws RangeError for no pairs; for fewer than three training seeds: with one that a run saw and one left out, none judges.
 */
export function crossedEstimate(pairs: readonly CrossedPair[]): CrossedEstimate {
  if (pairs.length === 0) throw new RangeError('no pairs have no difference');
  let variance = 0;
  let units = 0;
  const tasks = new Map(pairs.map((pair) => [pair.stratum, pair.units]));
  for (const [stratum, count] of tasks) {
    if (count < 3) throw new RangeError(`${count} training seeds cannot be seen, judge and be left out`);
    const estimates = Array.from({ length: count }, (_, unit) => difference(pairs, { stratum, unit }));
    const centre = mean(estimates) as number;
    variance += ((count - 1) / count) * sum(estimates, (each) => (each - centre) ** 2);
    units += count;
  }
  const effect = difference(pairs, null);
  const standardError = Math.sqrt(variance);
  const degrees = units - tasks.size;
  const p = Math.abs(effect) < negligible ? 1 : 1 - centralProbability(Math.abs(effect) / standardError, degrees);
  return { effect, standardError, units, degrees, p: Math.max(0, p) };
}

/** Student's interval around the effect, with the degrees of freedom of the training seeds. */
export function crossedInterval({ effect, standardError, degrees }: CrossedEstimate, level: number): Interval {
  const reach = criticalValue(level, degrees) * standardError;
  return { low: effect - reach, high: effect + reach };
}
