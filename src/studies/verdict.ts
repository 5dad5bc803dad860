import type { Interval } from '../statistics/pairs.ts';

export type Verdict = 'better' | 'worse' | 'not distinguishable';

/** Two arms, the one in question first. */
export interface Comparison {
  readonly arms: readonly [string, string];
  /** Runs of each arm, paired by task and seed. */
  readonly pairs: number;
  /** Difference of interquartile means, first minus second. */
  readonly effect: number;
  readonly interval: Interval;
  /** Two-sided, of the paired permutation test; and after Holm's correction for all comparisons of the study. */
  readonly p: number;
  readonly adjusted: number;
  readonly verdict: Verdict;
  readonly standardised: number | null;
  /** Share of pairs in which the first is ahead. */
  readonly ahead: number;
  /** Further seeds at which a difference as large as the observed one would be told; null where a million would not do. */
  readonly moreSeeds: number | null;
  /** The smallest difference that this study would have told with the wanted power; null where pairs do not differ. */
  readonly detectable: number | null;
  readonly sentence: string;
}
