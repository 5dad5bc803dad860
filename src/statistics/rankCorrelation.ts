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

/** Kendall's tau-b, (concordant - discordant) / sqrt((all - ties in x)(all - ties in y)); null where it is 0 / 0. */
export function kendallTau(pairs: readonly Pair[]): number | null {
  let balance = 0;
  let untiedLower = 0;
  let untiedUpper = 0;
  for (const [index, [lower, upper]] of pairs.entries()) {
    for (const [otherLower, otherUpper] of pairs.slice(index + 1)) {
      const a = Math.sign(lower - otherLower);
      const b = Math.sign(upper - otherUpper);
      balance += a * b;
      untiedLower += a * a;
      untiedUpper += b * b;
    }
  }
  const scale = Math.sqrt(untiedLower * untiedUpper);
  return scale === 0 ? null : balance / scale;
}

/** Ranks from 1; equal values share the mean of their ranks. */
function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const below = values.filter((other) => other < value).length;
    const equal = values.filter((other) => other === value).length;
    return below + (equal + 1) / 2;
  });
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
