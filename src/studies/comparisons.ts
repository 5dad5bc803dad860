import { rngFor } from '../domain/rng.ts';
import {
  detectable,
  effectSize,
  fewestPairs,
  holm,
  type Interval,
  iqmDifference,
  type Pair,
  pairedBootstrap,
  pairsNeeded,
  permutationTest,
} from '../statistics/index.ts';
import type { RunResult } from './results.ts';
import { comparedPairs, type Study } from './spec.ts';

/** Coverage of every interval and band. */
export const level = 0.95;
export const resamples = 2000;
const permutations = 10_000;
/** Half-width of a 95 % interval of a normal distribution, in standard deviations. */
const normalReach = 1.96;

/** A run's score in the unit of the comparison. */
export type Value = (run: RunResult) => number;

/** Runs of two arms paired by task and seed; unpaired seeds are dropped. */
export function pairedRuns(results: readonly RunResult[], one: string, other: string, value: Value): Pair[] {
  const key = ({ task, seed }: RunResult) => `${seed} ${task}`;
  const partners = new Map(results.filter(({ arm }) => arm === other).map((run) => [key(run), run]));
  return results.flatMap((run) => {
    const partner = run.arm === one ? partners.get(key(run)) : undefined;
    return partner ? [{ stratum: run.task, first: value(run), second: value(partner) }] : [];
  });
}

/**
 * All comparisons of a study.
 *
 * The verdict is from the permutation test with Holm's correction; the interval shows the size of the difference. Both use
 * the difference of interquartile means, over runs paired by task and seed.
 */
export function comparisonsOf(study: Study, results: readonly RunResult[], value: Value): Comparison[] {
  const compared = comparedPairs(study).map((arms) => {
    const pairs = pairedRuns(results, arms[0], arms[1], value);
    const rng = rngFor('study', study.question, ...arms);
    return { arms, pairs, p: pairs.length > 0 ? permutationTest(pairs, { rng, permutations }) : 1, rng };
  });
  const adjusted = holm(compared.map(({ p }) => p));
  // The strictest level in Holm's procedure: seeds that satisfy it satisfy all comparisons.
  const question = { alpha: study.alpha / compared.length, power: study.power };
  return compared.flatMap(({ arms, pairs, p, rng }, index) => {
    if (pairs.length === 0) return [];
    const effect = iqmDifference(pairs);
    const interval = pairedBootstrap(pairs, { rng, resamples, level });
    // Standard deviation of single pairs that would give the mean difference the spread it has under resampling.
    const sd = (Math.sqrt(pairs.length) * (interval.high - interval.low)) / (2 * normalReach);
    const significant = (adjusted[index] as number) <= study.alpha && effect !== 0;
    const verdict: Verdict = significant ? (effect > 0 ? 'better' : 'worse') : 'not distinguishable';
    const needed = pairsNeeded(effect, sd, question);
    const perSeed = pairs.length / new Set(results.map(({ seed }) => seed)).size;
    const comparison = {
      arms,
      pairs: pairs.length,
      effect,
      interval,
      p,
      adjusted: adjusted[index] as number,
      verdict,
      ...effectSize(pairs),
      // Not significant although the estimate says it should be: at least one more seed.
      moreSeeds:
        verdict !== 'not distinguishable'
          ? 0
          : needed === null
            ? null
            : Math.max(1, Math.ceil((needed - pairs.length) / perSeed)),
      detectable: sd > 0 && pairs.length >= fewestPairs(question.alpha) ? detectable(sd, pairs.length, question) : null,
    };
    return [{ ...comparison, sentence: sentenceOf(comparison, study, compared.length) }];
  });
}

export type Verdict = 'better' | 'worse' | 'not distinguishable';

/** Two arms, the one in question first. */
export interface Comparison {
  readonly arms: readonly [string, string];
  /** Runs of each arm, paired by task and seed. */
  readonly pairs: number;
  /** Difference of interquartile means, first minus second. */
  readonly effect: number;
  readonly interval: Interval;
  /** Two-sided p of the paired permutation test; `adjusted` by Holm's correction over the study. */
  readonly p: number;
  readonly adjusted: number;
  readonly verdict: Verdict;
  readonly standardised: number | null;
  /** Share of pairs in which the first arm wins. */
  readonly ahead: number;
  /** Further seeds to detect a difference of the observed size; null if a million would not suffice. */
  readonly moreSeeds: number | null;
  /** Minimum detectable effect at the study's power; null if pairs do not differ. */
  readonly detectable: number | null;
  readonly sentence: string;
}

/** Beyond this number of further seeds the difference is negligible. */
const maxFurtherSeeds = 10_000;

/** Formats the figures of one sentence with equal decimals: enough for two digits of an interval of this width. */
function figures(width: number): (value: number) => string {
  const places = width > 0 ? Math.min(9, Math.max(3, 1 - Math.floor(Math.log10(width)))) : 3;
  return (value) => {
    const text = value.toFixed(places);
    return Number(text) === 0 ? text.replace('-', '') : text;
  };
}
const count = (value: number): string => value.toLocaleString('en-GB');
const percent = (value: number): string => `${Number((100 * value).toPrecision(3))} %`;

/** `p` for people: never zero. */
export const pText = (p: number): string => (p < 0.0001 ? 'p < 0.0001' : `p = ${p.toPrecision(2)}`);

/** A comparison in a sentence: better, worse, or not distinguishable at this budget, with the seeds needed. */
export function sentenceOf(comparison: Omit<Comparison, 'sentence'>, study: Study, comparisons: number): string {
  const [one, other] = comparison.arms;
  const { effect, interval, pairs, adjusted, moreSeeds } = comparison;
  const number = figures(interval.high - interval.low);
  const after = comparisons > 1 ? ` after correction for ${comparisons} comparisons` : '';
  const where = `over ${count(pairs)} paired runs of ${count(study.budget.evaluations)} evaluations`;
  const size = `${number(Math.abs(effect))} [${number(effect < 0 ? -interval.high : interval.low)}, ${number(effect < 0 ? -interval.low : interval.high)}]`;
  if (comparison.verdict !== 'not distinguishable') {
    const ahead = percent(comparison.verdict === 'better' ? comparison.ahead : 1 - comparison.ahead);
    const side = comparison.verdict === 'better' ? 'higher' : 'lower';
    const which = comparison.verdict === 'better' ? 'ahead' : 'behind';
    return `${one} is ${comparison.verdict} than ${other}: ${size} ${side} ${where}, ${which} in ${ahead} of the pairs (${pText(adjusted)}${after}).`;
  }
  const head = `${one} and ${other} are not distinguishable at this budget: the difference is ${number(effect)} [${number(interval.low)}, ${number(interval.high)}] ${where} (${pText(adjusted)}${after})`;
  const fewest = fewestPairs(study.alpha / comparisons);
  const tail =
    moreSeeds === null
      ? effect === 0
        ? 'no difference was observed'
        : 'more seeds would not make a difference this small significant'
      : moreSeeds > maxFurtherSeeds
        ? `detecting a difference this large would need more than ${count(maxFurtherSeeds)} more seeds`
        : `detecting a difference this large would need about ${count(moreSeeds)} more ${moreSeeds === 1 ? 'seed' : 'seeds'}`;
  const few = pairs < fewest ? `; at least ${fewest} pairs are needed` : '';
  const effectFloor =
    comparison.detectable === null
      ? ''
      : `; minimum detectable effect at ${percent(study.power)} power: ${number(comparison.detectable)}`;
  return `${head}; ${tail}${few}${effectFloor}.`;
}
