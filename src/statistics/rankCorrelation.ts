import { mean } from 'd3-array';

/** One architecture on two rungs. */
export type Pair = readonly [lower: number, upper: number];

/** Fewer pairs than this say nothing about a rank correlation. */
export const leastPairs = 5;

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
