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
/** Half the width of a 95 % interval of a normal distribution, in standard deviations. */
const normalReach = 1.96;

/** A run's score in the unit in which arms are compared. */
export type Value = (run: RunResult) => number;

/** Runs of two arms by task and seed; a seed that only one of them has is left out. */
export function pairedRuns(results: readonly RunResult[], one: string, other: string, value: Value): Pair[] {
  const key = ({ task, seed }: RunResult) => `${seed} ${task}`;
  const partners = new Map(results.filter(({ arm }) => arm === other).map((run) => [key(run), run]));
  return results.flatMap((run) => {
    const partner = run.arm === one ? partners.get(key(run)) : undefined;
    return partner ? [{ stratum: run.task, first: value(run), second: value(partner) }] : [];
  });
}

/**
 * Every comparison that the study asks for.
 *
 * The verdict is that of the permutation test after Holm's correction; the interval tells how large the difference may be.
 * Both rest on the same statistic, the difference of interquartile means, over runs paired by task and seed.
 */
export function comparisonsOf(study: Study, results: readonly RunResult[], value: Value): Comparison[] {
  const compared = comparedPairs(study).map((arms) => {
    const pairs = pairedRuns(results, arms[0], arms[1], value);
    const rng = rngFor('study', study.question, ...arms);
    return { arms, pairs, p: pairs.length > 0 ? permutationTest(pairs, { rng, permutations }) : 1, rng };
  });
  const adjusted = holm(compared.map(({ p }) => p));
  // The strictest level that Holm's procedure asks of any comparison: seeds that satisfy it satisfy all.
  const question = { alpha: study.alpha / compared.length, power: study.power };
  return compared.flatMap(({ arms, pairs, p, rng }, index) => {
    if (pairs.length === 0) return [];
    const effect = iqmDifference(pairs);
    const interval = pairedBootstrap(pairs, { rng, resamples, level });
    // What single pairs would have to scatter by for a mean of them to move as this difference does under resampling.
    const sd = (Math.sqrt(pairs.length) * (interval.high - interval.low)) / (2 * normalReach);
    const significant = (adjusted[index] as number) <= study.alpha && effect !== 0;
    const verdict: Verdict = significant ? (effect > 0 ? 'better' : 'worse') : 'not distinguishable';
    const needed = pairsNeeded(effect, sd, question);
    const perSeed = pairs.length / new Set(results.map(({ seed }) => seed)).size;
    const found = {
      arms,
      pairs: pairs.length,
      effect, interval, p, adjusted: adjusted[index] as number, verdict,
      ...effectSize(pairs),
      // A difference that was not told although the estimate says it could have been: at least one more seed.
      moreSeeds:
        verdict !== 'not distinguishable'
          ? 0
          : needed === null
            ? null
            : Math.max(1, Math.ceil((needed - pairs.length) / perSeed)),
      detectable: sd > 0 && pairs.length >= fewestPairs(question.alpha) ? detectable(sd, pairs.length, question) : null,
    };
    return [{ ...found, sentence: sentenceOf(found, study, compared.length) }];
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

/** Beyond so many further seeds the answer is that there is next to nothing to find. */
const mostSeeds = 10_000;

/** The figures of one sentence to equally many places: as many as show two digits of an interval of this width. */
function figures(width: number): (value: number) => string {
  const places = width > 0 ? Math.min(9, Math.max(3, 1 - Math.floor(Math.log10(width)))) : 3;
  return (value) => {
    const text = value.toFixed(places);
    return Number(text) === 0 ? text.replace('-', '') : text;
  };
}
const count = (value: number): string => value.toLocaleString('en-GB');
const percent = (value: number): string => `${Number((100 * value).toPrecision(3))} %`;

/** `p` as it is quoted: never as zero. */
export const pText = (p: number): string => (p < 0.0001 ? 'p < 0.0001' : `p = ${p.toPrecision(2)}`);

/**
 * What a comparison says, in a sentence that a person can trust: better, worse, or not distinguishable at this budget and
 * how many more seeds it would take.
 */
export function sentenceOf(found: Omit<Comparison, 'sentence'>, study: Study, comparisons: number): string {
  const [one, other] = found.arms;
  const { effect, interval, pairs, adjusted, moreSeeds } = found;
  const number = figures(interval.high - interval.low);
  const after = comparisons > 1 ? ` after correction for ${comparisons} comparisons` : '';
  const where = `over ${count(pairs)} paired runs of ${count(study.budget.evaluations)} evaluations`;
  const size = `${number(Math.abs(effect))} [${number(effect < 0 ? -interval.high : interval.low)}, ${number(effect < 0 ? -interval.low : interval.high)}]`;
  if (found.verdict !== 'not distinguishable') {
    const ahead = percent(found.verdict === 'better' ? found.ahead : 1 - found.ahead);
    const side = found.verdict === 'better' ? 'higher' : 'lower';
    const which = found.verdict === 'better' ? 'ahead' : 'behind';
    return `${one} is ${found.verdict} than ${other}: ${size} ${side} ${where}, ${which} in ${ahead} of the pairs (${pText(adjusted)}${after}).`;
  }
  const head = `${one} and ${other} are not distinguishable at this budget: the difference is ${number(effect)} [${number(interval.low)}, ${number(interval.high)}] ${where} (${pText(adjusted)}${after})`;
  const fewest = fewestPairs(study.alpha / comparisons);
  const tail =
    moreSeeds === null
      ? effect === 0
        ? 'no difference was seen at all'
        : 'a difference as small as this one cannot be told from none by more seeds'
      : moreSeeds > mostSeeds
        ? `were it as large as it looks, it would take more than ${count(mostSeeds)} further seeds to tell`
        : `were it as large as it looks, it would take about ${count(moreSeeds)} more ${moreSeeds === 1 ? 'seed' : 'seeds'} to tell`;
  const few = pairs < fewest ? `; no difference whatever can be told from fewer than ${fewest} pairs` : '';
  const seen =
    found.detectable === null
      ? ''
      : `; a difference of ${number(found.detectable)} would have been seen with a chance of ${percent(study.power)}`;
  return `${head}; ${tail}${few}${seen}.`;
}
