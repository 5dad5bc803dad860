import { rngFor } from '../domain/rng.ts';
import { effectSize, iqmDifference, type Pair, pairedBootstrap, permutationTest } from '../statistics/pairs.ts';
import { detectable, fewestPairs, holm, pairsNeeded } from '../statistics/power.ts';
import type { RunResult } from './results.ts';
import { sentenceOf } from './sentence.ts';
import { comparedPairs, type Study } from './spec.ts';
import type { Comparison, Verdict } from './verdict.ts';

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
      ...{ effect, interval, p, adjusted: adjusted[index] as number, verdict },
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
