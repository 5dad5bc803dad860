import { deviation, mean, sum, variance } from 'd3-array';
import { criticalValue } from './pairs.ts';

/**
 * Candidates compared on paired seeds, with the noise between seeds that such a comparison needs: of all candidates together, or of
 * one pair, moderated by that of all pairs (`noisePrior`).
 */

/** The score of one training. */
export interface SeedScore {
  readonly seed: number;
  readonly score: number;
}

/** How much the score of one training moves from seed to seed, within an architecture. */
export interface Noise {
  readonly sd: number;
  /** Degrees of freedom behind it: how far it can be trusted itself. */
  readonly degrees: number;
  readonly architectures: number;
}

/** Noise of one training that all pairs of a report have in common; see {@link noisePrior}. */
export interface NoisePrior {
  /** Standard deviation of one training, s0 / sqrt(2): half the variance of a difference. */
  readonly sd: number;
  /** d0: how many degrees of freedom the common noise counts for. */
  readonly degrees: number;
}

// Below this a spread is rounding, not noise: scores are means of at most some million trials.
const negligible = 1e-12;
const noise = (squares: number, degrees: number, architectures: number): Noise => {
  const sd = Math.sqrt(squares / degrees);
  return { sd: sd < negligible ? 0 : sd, degrees, architectures };
};

/**
 * Standard deviation between seeds, pooled over architectures: sqrt(sum (n_i - 1) s_i^2 / sum (n_i - 1)). It includes what
 * a seed does to all architectures alike. Null where no architecture has two seeds.
 */
export function pooledNoise(architectures: readonly (readonly SeedScore[])[]): Noise | null {
  const repeated = architectures.filter((scores) => scores.length >= 2);
  if (repeated.length === 0) return null;
  const squares = sum(
    repeated,
    (scores) => (scores.length - 1) * (deviation(scores, ({ score }) => score) as number) ** 2,
  );
  return noise(
    squares,
    sum(repeated, (scores) => scores.length - 1),
    repeated.length,
  );
}

/**
 * Standard deviation of what is left when the mean of each architecture and of each seed is taken away: the residual of
 * the two-way additive model (randomised complete blocks, seeds as blocks), with (architectures - 1)(seeds - 1) degrees of
 * freedom. It is the noise of a difference on paired seeds, estimated from all architectures instead of from two.
 *
 * Only seeds that every architecture has count. Null below two architectures or two such seeds.
 */
export function pairedNoise(architectures: readonly (readonly SeedScore[])[]): Noise | null {
  const rows = architectures.filter((scores) => scores.length >= 2).map(bySeed);
  const seeds = [...(rows[0]?.keys() ?? [])].filter((seed) => rows.every((row) => row.has(seed)));
  if (rows.length < 2 || seeds.length < 2) return null;
  const score = (row: ReadonlyMap<number, number>, seed: number) => row.get(seed) as number;
  const rowMeans = rows.map((row) => mean(seeds, (seed) => score(row, seed)) as number);
  const seedMeans = seeds.map((seed) => mean(rows, (row) => score(row, seed)) as number);
  const grand = mean(rowMeans) as number;
  const squares = sum(
    rows.flatMap((row, r) =>
      seeds.map((seed, s) => (score(row, seed) - (rowMeans[r] as number) - (seedMeans[s] as number) + grand) ** 2),
    ),
  );
  return noise(squares, (rows.length - 1) * (seeds.length - 1), rows.length);
}

const bySeed = (scores: readonly SeedScore[]): ReadonlyMap<number, number> =>
  new Map(scores.map(({ seed, score }) => [seed, score]));

/** A pair's own noise pulled towards that of all pairs. Degrees of freedom are rounded down. */
function moderated(own: Noise, prior: NoisePrior): Noise {
  const total = prior.degrees + own.degrees;
  const squared = (prior.degrees * prior.sd ** 2 + own.degrees * own.sd ** 2) / total;
  return { sd: Math.sqrt(squared), degrees: Math.max(1, Math.floor(total + 1e-9)), architectures: own.architectures };
}

/** Significance of a difference: whether its interval is above, below, or includes zero. */
export type Verdict = 'better' | 'worse' | 'even';

/** Two architectures on the seeds they share. */
export type Comparison =
  | {
      readonly kind: 'measured';
      readonly verdict: Verdict;
      /** Paired seeds. */
      readonly n: number;
      /** Mean of (candidate - reference). */
      readonly difference: number;
      readonly standardError: number;
      readonly degrees: number;
      /** Difference in standard deviations of one training. */
      readonly effect: number;
      readonly interval: readonly [low: number, high: number];
    }
  | { readonly kind: 'unmeasured'; readonly n: number; readonly why: string };

/** How far from zero a difference has to be to count: what the verdict rests on, as a figure. */
export function marginOf({ interval: [low, high] }: Extract<Comparison, { kind: 'measured' }>): number {
  return (high - low) / 2;
}

/**
 * Compares two architectures on paired seeds. The standard error is that of the differences themselves, sd_d / sqrt(n) with
 * n - 1 degrees of freedom, moderated by that of other pairs if there are some; or, where candidates share it, that of the
 * shared noise, sd sqrt(2 / n).
 *
 * @param shared noise of paired differences on that rung, see {@link pairedNoise}; null for the pair's own.
 * @param level coverage of the interval; the verdict is the side of zero on which it lies.
 * @param prior noise of all pairs, see {@link noisePrior}; null for the pair's own alone.
 */
export function comparePaired(
  candidate: readonly SeedScore[],
  reference: readonly SeedScore[],
  shared: Noise | null,
  level: number,
  prior: NoisePrior | null = null,
): Comparison {
  const base = bySeed(reference);
  const differences = candidate.flatMap(({ seed, score }) => {
    const other = base.get(seed);
    return other === undefined ? [] : [score - other];
  });
  const n = differences.length;
  if (n === 0) return { kind: 'unmeasured', n, why: 'they share no seed' };
  const own = deviation(differences);
  const ofPair = own === undefined ? null : noise((own * own * (n - 1)) / 2, n - 1, 2);
  const basis = shared ?? (ofPair && prior ? moderated(ofPair, prior) : ofPair);
  if (basis === null) return { kind: 'unmeasured', n, why: 'one paired seed cannot show the noise' };
  if (basis.sd === 0) return { kind: 'unmeasured', n, why: 'all seeds agree exactly, which leaves the noise unknown' };
  const difference = mean(differences) as number;
  const standardError = basis.sd * Math.sqrt(2 / n);
  const reach = criticalValue(level, basis.degrees) * standardError;
  const interval = [difference - reach, difference + reach] as const;
  return {
    kind: 'measured',
    verdict: interval[0] > 0 ? 'better' : interval[1] < 0 ? 'worse' : 'even',
    n,
    difference,
    standardError,
    degrees: basis.degrees,
    effect: difference / basis.sd,
    interval,
  };
}

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

/**
 * The prior may count for at most this many times a pair's own degrees of freedom. Pairs of one report share candidates, so
 * their variances scatter less than independent ones, and without a bound d0 is overrated (tests/long/familyWise.test.ts).
 */
const mostWeight = 2;

/** Digamma: recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.5, 6.3.18); error below 1e-11. */
export function digamma(argument: number): number {
  let [x, sum] = [argument, 0];
  for (; x < 10; x++) sum -= 1 / x;
  const square = 1 / (x * x);
  return sum + Math.log(x) - 0.5 / x - square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)));
}

/** Trigamma, likewise (6.4.6, 6.4.12). */
export function trigamma(argument: number): number {
  let [x, sum] = [argument, 0];
  for (; x < 10; x++) sum += 1 / (x * x);
  const square = 1 / (x * x);
  return sum + 1 / x + square / 2 + (square / x) * (1 / 6 - square * (1 / 30 - square * (1 / 42 - square / 30)));
}

/** The x with trigamma(x) = y, which falls from infinity to 0: bisection of log x. */
function trigammaInverse(y: number): number {
  let [low, high] = [1e-8, 1e8];
  for (let step = 0; step < 100; step++) {
    const middle = Math.sqrt(low * high);
    if (trigamma(middle) > y) low = middle;
    else high = middle;
  }
  return Math.sqrt(low * high);
}

/**
 * The prior of all pairs of these architectures, on seeds that all have. Null below three architectures or two such seeds, and
 * where some pair differs by the same amount on every seed, which leaves its noise unknown.
 *
 * Noise of one pair, moderated by that of all pairs of a report. With few seeds the variance of one pair's differences is
 * itself mostly chance, and one figure pooled over all pairs is wrong where candidates differ in noise. Between them lies the
 * empirical Bayes estimate of Smyth (2004, "Linear models and empirical Bayes methods for assessing differential expression in
 * microarray experiments", section 6.2): variances of pairs scatter around a common one as a scaled inverse chi-square with
 * `degrees` d0, estimated from the logarithms of all of them,
 *
 *   e = log s^2 - psi(d / 2) + log(d / 2),   psi'(d0 / 2) = var(e) - psi'(d / 2),   log s0^2 = mean(e) + psi(d0 / 2) - log(d0 / 2)
 *
 * with d = seeds - 1, and a pair's variance is (d0 s0^2 + d s^2) / (d0 + d) on d0 + d degrees of freedom.
 */
export function noisePrior(architectures: readonly (readonly SeedScore[])[]): NoisePrior | null {
  const rows = architectures
    .filter((scores) => scores.length >= 2)
    .map((scores) => new Map(scores.map(({ seed, score }) => [seed, score])));
  const seeds = [...(rows[0]?.keys() ?? [])].filter((seed) => rows.every((row) => row.has(seed)));
  const own = seeds.length - 1;
  if (rows.length < 3 || own < 1) return null;
  const variances = rows.flatMap((one, at) =>
    rows
      .slice(at + 1)
      .map((other) => variance(seeds, (seed) => (one.get(seed) as number) - (other.get(seed) as number)) as number),
  );
  // Below this a spread is rounding, not noise.
  if (variances.some((each) => each < 1e-24)) return null;
  const logarithms = variances.map((each) => Math.log(each) - digamma(own / 2) + Math.log(own / 2));
  const excess = (variance(logarithms) as number) - trigamma(own / 2);
  const estimated = excess > 0 ? 2 * trigammaInverse(excess) : Number.POSITIVE_INFINITY;
  // As log s0^2 belongs to the estimate of d0, it is taken there; for an infinite d0, psi(x) - log x is 0.
  const shift = Number.isFinite(estimated) ? digamma(estimated / 2) - Math.log(estimated / 2) : 0;
  const common = Math.exp((mean(logarithms) as number) + shift);
  return { sd: Math.sqrt(common / 2), degrees: Math.min(estimated, mostWeight * own) };
}
