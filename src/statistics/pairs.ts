import { group, mean, sum } from 'd3-array';
import type { Rng } from '../domain/rng.ts';

/**
 * Two arms of a study, compared over pairs of runs.
 *
 * Role: the difference of interquartile means with its bootstrap interval and permutation test, where each pair has training
 * seeds of its own; Student's t, power and Holm's correction; the same difference where searches share few training seeds
 * (`crossedEstimate`). Non-role: candidates compared seed by seed (`seeds.ts`), scores of one arm (`scores.ts`).
 */

/** Two arms on one task and one seed: the same start, the same budget, the same noise. */
export interface Pair {
  /** Runs are exchangeable within a stratum, a task, and not between strata. */
  readonly stratum: string;
  readonly first: number;
  readonly second: number;
}

/** Difference of the interquartile means over all runs of all tasks, first minus second. */
export function iqmDifference(pairs: readonly Pair[]): number {
  const first = Float64Array.from(pairs, (pair) => pair.first).sort();
  const second = Float64Array.from(pairs, (pair) => pair.second).sort();
  return sortedMiddle(first) - sortedMiddle(second);
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const strataOf = (pairs: readonly Pair[]): Pair[][] => [...group(pairs, (pair) => pair.stratum).values()];

/** Quantile of values in ascending order, between neighbours in proportion. */
export function quantileOf(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  const above = sorted[Math.ceil(at)] as number;
  return below + (above - below) * (at - Math.floor(at));
}

export interface Resampling {
  readonly rng: Rng;
  /** How often; the ends of a 95 % interval rest on a fortieth of it each. */
  readonly resamples: number;
  /** Coverage, such as 0.95. */
  readonly level: number;
}

/**
 * Percentile interval of the difference of interquartile means under resampling of seeds: with replacement, within each
 * task, both arms of a pair together. Stratified bootstrap of Agarwal et al. 2021 (arXiv 2108.13264), paired.
 */
export function pairedBootstrap(pairs: readonly Pair[], { rng, resamples, level }: Resampling): Interval {
  const strata = strataOf(pairs);
  const first = new Float64Array(pairs.length);
  const second = new Float64Array(pairs.length);
  const found = Float64Array.from({ length: resamples }, () => {
    let at = 0;
    for (const stratum of strata) {
      for (let draw = 0; draw < stratum.length; draw++, at++) {
        const pair = stratum[rng.below(stratum.length)] as Pair;
        first[at] = pair.first;
        second[at] = pair.second;
      }
    }
    // Sorted in place: both are refilled for the next resample.
    return sortedMiddle(first.sort()) - sortedMiddle(second.sort());
  }).sort();
  return { low: quantileOf(found, (1 - level) / 2), high: quantileOf(found, (1 + level) / 2) };
}

/** Up to this many pairs, all assignments of labels are enumerated: 4096. */
const exactUpTo = 12;

/** Differences below rounding error count as zero. */
const negligible = 1e-12;

/**
 * Two-sided permutation test: were the two arms the same, the labels within each pair could as well be the other way
 * round. The share of assignments whose difference of interquartile means is at least the observed one; of all
 * assignments for up to twelve pairs, else of `permutations` random ones and the observed one (Phipson & Smyth 2010, which
 * keeps p above zero and the test valid). Below six pairs no difference reaches p = 0.05.
 */
export function permutationTest(
  pairs: readonly Pair[],
  { rng, permutations }: { rng: Rng; permutations: number },
): number {
  const observed = Math.abs(iqmDifference(pairs)) - negligible;
  const first = new Float64Array(pairs.length);
  const second = new Float64Array(pairs.length);
  const isAsExtreme = (swapped: (index: number) => boolean): boolean => {
    for (const [index, pair] of pairs.entries()) {
      const swap = swapped(index);
      first[index] = swap ? pair.second : pair.first;
      second[index] = swap ? pair.first : pair.second;
    }
    return Math.abs(sortedMiddle(first.sort()) - sortedMiddle(second.sort())) >= observed;
  };
  if (pairs.length <= exactUpTo) {
    const assignments = 2 ** pairs.length;
    let extreme = 0;
    for (let bits = 0; bits < assignments; bits++) if (isAsExtreme((index) => ((bits >> index) & 1) === 1)) extreme++;
    return extreme / assignments;
  }
  let extreme = 1;
  for (let draw = 0; draw < permutations; draw++) if (isAsExtreme(() => rng.float() < 0.5)) extreme++;
  return extreme / (permutations + 1);
}

export interface EffectSize {
  /** Mean difference in standard deviations of the differences (Cohen's d for pairs); null where they do not vary. */
  readonly standardised: number | null;
  /** Share of pairs in which the first arm is ahead; ties count half. */
  readonly ahead: number;
}

export function effectSize(pairs: readonly Pair[]): EffectSize {
  const { mean, sd } = differences(pairs);
  const ahead = pairs.reduce((sum, { first, second }) => sum + (first > second ? 1 : first === second ? 0.5 : 0), 0);
  return { standardised: sd > negligible ? mean / sd : null, ahead: ahead / pairs.length };
}

/** Mean of the paired differences, and their standard deviation within tasks; 0 if it cannot be estimated. */
export function differences(pairs: readonly Pair[]): { readonly mean: number; readonly sd: number } {
  let squares = 0;
  let degrees = 0;
  let sum = 0;
  for (const stratum of strataOf(pairs)) {
    const all = stratum.map(({ first, second }) => first - second);
    const centre = all.reduce((total, each) => total + each, 0) / all.length;
    squares += all.reduce((total, each) => total + (each - centre) ** 2, 0);
    degrees += all.length - 1;
    sum += centre * all.length;
  }
  return { mean: pairs.length > 0 ? sum / pairs.length : 0, sd: degrees > 0 ? Math.sqrt(squares / degrees) : 0 };
}

/**
 * Interquartile mean: what is left when a quarter of the scores, rounded down, is cut off at either end. Less moved by
 * single runs than the mean, and less wasteful than the median. Agarwal et al. 2021 (arXiv 2108.13264), as in rliable:
 * scipy's trim_mean(scores, 0.25).
 *
 * @throws RangeError for no scores.
 */
export function interquartileMean(scores: readonly number[]): number {
  return sortedMiddle(Float64Array.from(scores).sort());
}

/** The same of scores that are in ascending order already. */
export function sortedMiddle(sorted: Float64Array): number {
  const cut = Math.floor(sorted.length / 4);
  const middle = mean(sorted.subarray(cut, sorted.length - cut));
  if (middle === undefined) throw new RangeError('no scores have no mean');
  return middle;
}

interface Question {
  /** Chance of a false alarm that is accepted. */
  readonly alpha: number;
  /** Chance of seeing a difference that is there. */
  readonly power: number;
}

/** Bound on degrees of freedom, where Student's t is within 0.3 % of the normal distribution. */
const mostDegrees = 1000;
/** Above this number of pairs a study is impractical. */
const mostPairs = 1_000_000;

/** Standard errors by which a true difference must exceed zero to be detected with this power in a two-sided paired t test. */
function reach(pairs: number, { alpha, power }: Question): number {
  const degrees = Math.min(mostDegrees, Math.max(1, pairs - 1));
  // The one-sided quantile at `power` is the two-sided one that covers 2 power - 1.
  return criticalValue(1 - alpha, degrees) + criticalValue(2 * power - 1, degrees);
}

/** A permutation test of so few pairs cannot reach alpha, whatever the difference: its least p is 2^(1 - n). */
export function fewestPairs(alpha: number): number {
  return Math.ceil(Math.log2(2 / alpha) - 1e-9);
}

/**
 * Pairs needed to detect a true difference of `difference` if paired differences have SD `sd`. Student's t approximation,
 * at least what the permutation test needs. Null if a million would not suffice.
 */
export function pairsNeeded(difference: number, sd: number, question: Question): number | null {
  const fewest = Math.max(2, fewestPairs(question.alpha));
  const enough = (pairs: number) => Math.abs(difference) * Math.sqrt(pairs) >= reach(pairs, question) * sd;
  if (!(Math.abs(difference) > 0) || !enough(mostPairs)) return null;
  let [low, high] = [fewest - 1, fewest];
  while (!enough(high)) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (enough(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** The minimum detectable effect of this many pairs at this power. */
export function detectable(sd: number, pairs: number, question: Question): number {
  return (reach(pairs, question) * sd) / Math.sqrt(pairs);
}

/**
 * Probability that |T| <= t for Student's t with a whole number of degrees of freedom: the finite trigonometric sums of
 * Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
 */
export function centralProbability(t: number, degrees: number): number {
  if (!Number.isInteger(degrees) || degrees < 1)
    throw new RangeError(`${degrees} is not a number of degrees of freedom`);
  const angle = Math.atan(Math.abs(t) / Math.sqrt(degrees));
  const cosine = Math.cos(angle);
  const odd = degrees % 2 === 1;
  let term = odd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = odd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= (cosine * cosine * (power - 1)) / power;
    sum += term;
  }
  return odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
}

/**
 * How many standard errors reach on each side of an estimate to cover the truth with this probability.
 *
 * @param level coverage in (0, 1), such as 0.95.
 * @param degrees degrees of freedom of the standard error, a positive integer.
 */
export function criticalValue(level: number, degrees: number): number {
  if (!(level > 0 && level < 1)) throw new RangeError(`${level} is not a coverage between 0 and 1`);
  let low = 0;
  let high = 1;
  while (centralProbability(high, degrees) < level) high *= 2;
  // Sixty halvings exhaust the precision of a double.
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (centralProbability(middle, degrees) < level) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Holm's correction: p-values such that rejecting those up to alpha keeps the chance of any false rejection among all of
 * them at alpha, whatever their dependence. Holm 1979. In the order of `ps`.
 */
export function holm(ps: readonly number[]): number[] {
  const order = ps.map((p, index) => ({ p, index })).sort((a, b) => a.p - b.p);
  const adjusted = new Array<number>(ps.length);
  let least = 0;
  for (const [rank, { p, index }] of order.entries()) {
    least = Math.max(least, Math.min(1, p * (ps.length - rank)));
    adjusted[index] = least;
  }
  return adjusted;
}

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
 * own, the pairs themselves are the units.
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

interface CrossedEstimate {
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
  const p = Math.abs(effect) < negligible ? 1 : 1 - centralProbability(Math.abs(effect) / standardError, degrees);
  return { effect, standardError, units, degrees, p: Math.max(0, p) };
}

/** Student's interval around the effect, with the degrees of freedom of the training seeds. */
export function crossedInterval({ effect, standardError, degrees }: CrossedEstimate, level: number): Interval {
  const reach = criticalValue(level, degrees) * standardError;
  return { low: effect - reach, high: effect + reach };
}
