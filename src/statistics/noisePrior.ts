import { mean, variance } from 'd3-array';
import type { NoisePrior, SeedScore } from './seeds.ts';

/**
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
