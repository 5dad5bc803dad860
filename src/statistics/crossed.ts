import { mean, sum } from 'd3-array';
import { centralProbability, criticalValue, type Interval, sortedMiddle } from './pairs.ts';

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
const negligibleEffect = 1e-12;

const middle = (values: readonly number[]): number => sortedMiddle(Float64Array.from(values).sort());

/** The training seed that does not judge a pair; null for none; `out` for a pair that is left out. */
type LeaveOut = (pair: CrossedPair) => number | null | 'out';

/** Difference of the interquartile means of what is left. */
function difference(pairs: readonly CrossedPair[], leaveOut: LeaveOut): number {
  const first: number[] = [];
  const second: number[] = [];
  for (const pair of pairs) {
    const unit = leaveOut(pair);
    if (unit === 'out') continue;
    first.push(unit === null ? pair.first.value : pair.first.without(unit));
    second.push(unit === null ? pair.second.value : pair.second.without(unit));
  }
  return middle(first) - middle(second);
}

/**
 * Variance of the effect over the training seeds of one task.
 *
 * Write D(k, l) for the effect among runs that saw seed k when seed l alone judges them: a mean, an effect of k, one of l, and a
 * rest of variance c. The jackknife has the first two right and counts the rest 2 (K - 1) / (K - 2) times, since D(k, l)
 * goes with k and with l (Efron & Stein 1981: it errs upwards). c is estimated from the K (K - 1) estimates in which l does not judge
 * the runs that saw k, less the effects of rows and columns, and the excess c / ((K - 1) (K - 2)) is taken off; what remains is at
 * least the share of the rest, c / (K (K - 1)).
 */
function varianceOver(pairs: readonly CrossedPair[], stratum: string, seeds: number, effect: number): number {
  const indices = Array.from({ length: seeds }, (_, index) => index);
  const estimates = indices.map((unit) =>
    difference(pairs, (pair) => (pair.stratum !== stratum ? null : pair.seen === unit ? 'out' : unit)),
  );
  const centre = mean(estimates) as number;
  const jackknife = ((seeds - 1) / seeds) * sum(estimates, (each) => (each - centre) ** 2);
  // D(k, l) less the mean of its row, from the change of the effect when l leaves the K - 1 judges of one run in K.
  const scale = -seeds * (seeds - 2);
  const rows = indices.map((seen) =>
    indices.map((unit) => {
      if (unit === seen) return 0;
      const left = difference(pairs, (pair) => (pair.stratum === stratum && pair.seen === seen ? unit : null));
      return scale * (left - effect);
    }),
  );
  const columns = indices.map(
    (unit) => (sum(rows, (row) => row[unit] as number) * (seeds - 1)) / (seeds * (seeds - 2)),
  );
  const squares = sum(indices, (seen) =>
    sum(indices, (unit) => {
      const fit = (columns[unit] as number) + (columns[seen] as number) / (seeds - 1);
      return unit === seen ? 0 : (((rows[seen] as number[])[unit] as number) - fit) ** 2;
    }),
  );
  const rest = squares / (seeds * seeds - 3 * seeds + 1);
  return Math.max(rest / (seeds * (seeds - 1)), jackknife - rest / ((seeds - 1) * (seeds - 2)));
}

/**
 * The difference between two arms, with a standard error over training seeds.
 *
 * @throws RangeError for no pairs; for fewer than three training seeds: with one that a run saw and one left out, none judges.
 */
export function crossedEstimate(pairs: readonly CrossedPair[]): CrossedEstimate {
  if (pairs.length === 0) throw new RangeError('no pairs have no difference');
  const effect = difference(pairs, () => null);
  const tasks = new Map(pairs.map((pair) => [pair.stratum, pair.units]));
  const fewest = Math.min(...tasks.values());
  if (fewest < 3) throw new RangeError(`${fewest} training seeds cannot be seen, judge and be left out`);
  const standardError = Math.sqrt(sum(tasks, ([stratum, count]) => varianceOver(pairs, stratum, count, effect)));
  const units = sum(tasks.values());
  const degrees = units - tasks.size;
  const p = Math.abs(effect) < negligibleEffect ? 1 : 1 - centralProbability(Math.abs(effect) / standardError, degrees);
  return { effect, standardError, units, degrees, p: Math.max(0, p) };
}

/** Student's interval around the effect, with the degrees of freedom of the training seeds. */
export function crossedInterval({ effect, standardError, degrees }: CrossedEstimate, level: number): Interval {
  const reach = criticalValue(level, degrees) * standardError;
  return { low: effect - reach, high: effect + reach };
}
