import { mean, variance } from 'd3-array';
import type { Interval } from './pairs.ts';
import { criticalValue } from './pairs.ts';
import { kendallTau, leastPairs, type Pair, spearmanRho } from './rankCorrelation.ts';
import { pairedNoise, pooledNoise, type SeedScore } from './seeds.ts';

/**
 * How far a cheap rung can be trusted: its rank correlation with the target, and how much of that its own noise allows.
 *
 * The correlation of two noisy measurements is at most sqrt(r r') of their reliabilities (Spearman 1904), each the share of the
 * variance between architectures that is not noise of the means. For normal scores a correlation rho shows as Spearman's
 * (6 / pi) asin(rho / 2) and Kendall's (2 / pi) asin(rho) (Kruskal 1958), which is the ceiling printed here. A correlation near
 * its ceiling says that more seeds, not another proxy, would improve the ranking.
 */

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
