import { mean, variance } from 'd3-array';
import { criticalValue, type Interval } from './pairs.ts';
import { pairedNoise, pooledNoise, type SeedScore } from './seeds.ts';

/**
 * How far a cheap rung can be trusted: its rank correlation with the target, and how much of that its own noise allows.
 *
 * The correlation of two noisy measurements is at most sqrt(r r') of their reliabilities (Spearman 1904), each the share of the
 * variance between architectures that is not noise of the means. For normal scores a correlation rho shows as Spearman's
 * (6 / pi) asin(rho / 2) and Kendall's (2 / pi) asin(rho) (Kruskal 1958), which is the ceiling printed here. A correlation near
 * its ceiling says that more seeds, not another proxy, would improve the ranking.
 */

/** One architecture on two rungs. */
export type Pair = readonly [lower: number, upper: number];

/** Fewer pairs than this say nothing about a rank correlation. */
const leastPairs = 5;

/** Whether a cheap rung ranks candidates like an expensive one. */
export interface Agreement {
  readonly n: number;
  /** Kendall's tau-b and Spearman's rho; null for too few pairs, or where a rung gave all the same score. */
  readonly kendall: number | null;
  readonly spearman: number | null;
  /** A tau below this can be chance: 1.96 sqrt(2 (2n + 5) / (9n (n - 1))), the normal approximation under no agreement. */
  readonly chance: number | null;
}

/** Pairs of equal values among sorted ones. */
function tiedPairs<T>(sorted: readonly T[], same: (a: T, b: T) => boolean): number {
  let tied = 0;
  let run = 0;
  for (let at = 1; at < sorted.length; at++) {
    run = same(sorted[at - 1] as T, sorted[at] as T) ? run + 1 : 0;
    tied += run;
  }
  return tied;
}

/** Sorts the values in place and returns how many pairs stood in descending order. Merge sort: O(n log n). */
function sortCountingInversions(values: Float64Array): number {
  const spare = new Float64Array(values.length);
  let inversions = 0;
  for (let width = 1; width < values.length; width *= 2) {
    for (let from = 0; from + width < values.length; from += 2 * width) {
      const middle = from + width;
      const end = Math.min(middle + width, values.length);
      let [left, right] = [from, middle];
      for (let to = from; to < end; to++) {
        if (right >= end || (left < middle && (values[left] as number) <= (values[right] as number))) {
          spare[to] = values[left++] as number;
        } else {
          inversions += middle - left;
          spare[to] = values[right++] as number;
        }
      }
      values.set(spare.subarray(from, end), from);
    }
  }
  return inversions;
}

/**
 * Kendall's tau-b, (concordant - discordant) / sqrt((all - ties in x)(all - ties in y)); null where it is 0 / 0. Counted by
 * sorting (Knight 1966, JASA 61, 436-439): a search of 10^5 nodes has 2 * 10^4 candidates on both rungs.
 */
export function kendallTau(pairs: readonly Pair[]): number | null {
  const all = (pairs.length * (pairs.length - 1)) / 2;
  const sorted = pairs.toSorted(([a, c], [b, d]) => a - b || c - d);
  const tiedLower = tiedPairs(sorted, ([a], [b]) => a === b);
  const tiedBoth = tiedPairs(sorted, ([a, c], [b, d]) => a === b && c === d);
  const upper = Float64Array.from(sorted, ([, value]) => value);
  // Of equal lower values the upper ones ascend, so that only pairs of different lower values count.
  const discordant = sortCountingInversions(upper);
  const tiedUpper = tiedPairs([...upper], (a, b) => a === b);
  const scale = Math.sqrt((all - tiedLower) * (all - tiedUpper));
  return scale === 0 ? null : (all - tiedLower - tiedUpper + tiedBoth - 2 * discordant) / scale;
}

/** Ranks from 1; equal values share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  const order = values.map((_, at) => at).sort((a, b) => (values[a] as number) - (values[b] as number));
  const found = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let end = from + 1;
    while (end < order.length && values[order[end] as number] === values[order[from] as number]) end++;
    for (let at = from; at < end; at++) found[order[at] as number] = (from + 1 + end) / 2;
    from = end;
  }
  return found;
}

/** Spearman's rho: the correlation of the ranks, ties sharing their mean rank; null where a side is constant. */
export function spearmanRho(pairs: readonly Pair[]): number | null {
  const lower = ranks(pairs.map(([value]) => value));
  const upper = ranks(pairs.map(([, value]) => value));
  const centre = mean(lower) ?? 0;
  const product = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, index) => sum + (value - centre) * ((b[index] as number) - centre), 0);
  const scale = Math.sqrt(product(lower, lower) * product(upper, upper));
  return scale === 0 ? null : product(lower, upper) / scale;
}

export function agreement(pairs: readonly Pair[]): Agreement {
  const n = pairs.length;
  if (n < leastPairs) return { n, kendall: null, spearman: null, chance: null };
  return {
    n,
    kendall: kendallTau(pairs),
    spearman: spearmanRho(pairs),
    chance: 1.96 * Math.sqrt((2 * (2 * n + 5)) / (9 * n * (n - 1))),
  };
}

/** What the agreement of two rungs allows to say. */
export function agreementSentence({ n, kendall, spearman, chance }: Agreement, lower: string, upper: string): string {
  const both = `${n} ${n === 1 ? 'candidate has' : 'candidates have'} scores on both rungs`;
  if (n < leastPairs) return `${both}; at least ${leastPairs} are needed before their order can be compared.`;
  if (kendall === null || spearman === null || chance === null) {
    return `${both}, but one rung gave all of them the same score, so there is no order to compare.`;
  }
  const figures = `Kendall tau-b ${kendall.toFixed(2)}, Spearman ${spearman.toFixed(2)}, n = ${n}`;
  if (kendall >= chance) return `The ${lower} rung orders candidates much as the ${upper} rung does (${figures}).`;
  if (kendall <= -chance) return `The ${lower} rung orders candidates against the ${upper} rung (${figures}).`;
  return `Whether the ${lower} rung orders candidates as the ${upper} rung does is not established (${figures}; below ${chance.toFixed(2)} a tau can be chance).`;
}

/** Scores of architectures on one rung: a search rung, or one size. More is better. */
export interface RungScores {
  readonly name: string;
  readonly scores: ReadonlyMap<string, readonly SeedScore[]>;
}

export interface Correlation {
  readonly value: number;
  readonly interval: Interval | null;
  /** The most that the noise of both rungs allows; null where a rung has one seed per architecture. */
  readonly ceiling: number | null;
}

export interface ProxyAudit {
  readonly rung: string;
  readonly target: string;
  /** Architectures with scores on both. */
  readonly n: number;
  readonly pairs: readonly { readonly name: string; readonly rung: number; readonly target: number }[];
  readonly spearman: Correlation | null;
  readonly kendall: Correlation | null;
  /** Share of the variance between architectures that is not noise. */
  readonly reliability: { readonly rung: number | null; readonly target: number | null };
  /** Why there is no correlation. */
  readonly refused: string | null;
}

/**
 * 1 - noise of a mean / variance of the means, within [0, 1]; null below two architectures, or where no seed was repeated.
 * Noise that a seed does to all architectures alike changes no rank and is taken out where seeds are shared.
 */
export function reliability(rows: readonly (readonly SeedScore[])[]): number | null {
  const noise = pairedNoise(rows) ?? pooledNoise(rows);
  const observed = variance(rows, (row) => mean(row, ({ score }) => score) as number);
  if (noise === null || observed === undefined) return null;
  if (observed === 0) return 0;
  const ofMeans = mean(rows, (row) => noise.sd ** 2 / row.length) as number;
  return Math.min(1, Math.max(0, 1 - ofMeans / observed));
}

/** An interval of +-reach on Fisher's z = atanh(r); null where r is +-1, which z cannot hold, or the error is unknown. */
function fisher(r: number, error: number, level: number): Interval | null {
  if (!(Math.abs(r) < 1) || !Number.isFinite(error)) return null;
  const reach = criticalValue(level, 1000) * error;
  return { low: Math.tanh(Math.atanh(r) - reach), high: Math.tanh(Math.atanh(r) + reach) };
}

/**
 * Compares one rung with the target over the architectures that both scored.
 *
 * Standard errors of z: sqrt((1 + rho^2 / 2) / (n - 3)) for Spearman (Bonett & Wright 2000), sqrt(0.437 / (n - 4)) for Kendall
 * (Fieller, Hartley & Pearson 1957).
 */
export function auditProxy(rung: RungScores, target: RungScores, level: number): ProxyAudit {
  const names = [...rung.scores.keys()].filter((name) => target.scores.has(name));
  const meanOf = ({ scores }: RungScores, name: string) => mean(scores.get(name) ?? [], ({ score }) => score);
  const pairs = names.flatMap((name) => {
    const [low, high] = [meanOf(rung, name), meanOf(target, name)];
    return low === undefined || high === undefined ? [] : [{ name, rung: low, target: high }];
  });
  const n = pairs.length;
  const rows = ({ scores }: RungScores) => pairs.map(({ name }) => scores.get(name) ?? []);
  const found = { rung: reliability(rows(rung)), target: reliability(rows(target)) };
  const base = { rung: rung.name, target: target.name, n, pairs, reliability: found };
  const refuse = (refused: string): ProxyAudit => ({ ...base, spearman: null, kendall: null, refused });
  if (n < leastPairs) {
    const have = `${n} ${n === 1 ? 'architecture has' : 'architectures have'} scores on both`;
    return refuse(`${have}; at least ${leastPairs} are needed before their order can be compared`);
  }
  const values: Pair[] = pairs.map(({ rung: low, target: high }) => [low, high]);
  const [rho, tau] = [spearmanRho(values), kendallTau(values)];
  if (rho === null || tau === null) return refuse('one rung gave all architectures the same score');
  const most = found.rung === null || found.target === null ? null : Math.sqrt(found.rung * found.target);
  const correlation = (value: number, error: number, ceiling: (most: number) => number): Correlation => ({
    value,
    interval: fisher(value, error, level),
    ceiling: most === null ? null : ceiling(most),
  });
  return {
    ...base,
    spearman: correlation(rho, Math.sqrt((1 + rho ** 2 / 2) / (n - 3)), (r) => (6 / Math.PI) * Math.asin(r / 2)),
    kendall: correlation(tau, Math.sqrt(0.437 / (n - 4)), (r) => (2 / Math.PI) * Math.asin(r)),
    refused: null,
  };
}
