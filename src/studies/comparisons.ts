import { type Rng, rngFor } from '../domain/rng.ts';
import {
  type CrossedPair,
  criticalValue,
  crossedEstimate,
  crossedInterval,
  detectable,
  effectSize,
  fewestPairs,
  holm,
  type Interval,
  iqmDifference,
  type Judged,
  type Pair,
  pairedBootstrap,
  pairsNeeded,
  permutationTest,
} from '../statistics/index.ts';
import { type RunResult, worthWithout } from './results.ts';
import { comparedPairs, type Study } from './spec.ts';

/** Coverage of every interval and band. */
export const level = 0.95;
export const resamples = 2000;
const permutations = 10_000;
/** Half-width of a 95 % interval of a normal distribution, in standard deviations. */
const normalReach = 1.96;

/** A run's score in the unit of the comparison. */
export type Value = (run: RunResult) => number;

/** Runs of two arms by task and seed; unpaired seeds are dropped. */
export function pairedRuns(results: readonly RunResult[], one: string, other: string): [RunResult, RunResult][] {
  const key = ({ task, seed }: RunResult) => `${seed} ${task}`;
  const partners = new Map(results.filter(({ arm }) => arm === other).map((run) => [key(run), run]));
  return results.flatMap((run): [RunResult, RunResult][] => {
    const partner = run.arm === one ? partners.get(key(run)) : undefined;
    return partner ? [[run, partner]] : [];
  });
}

/** An estimate of a difference, or of one arm's interquartile mean. */
export interface Estimate {
  readonly effect: number;
  readonly interval: Interval;
  /** What varies when trainings are repeated, and how many there are: see {@link unitOf}. */
  readonly units: number;
  /** Two-sided p of no difference; only a difference has one. */
  readonly p: () => number;
}

/** Paired seeds with training seeds of their own; or the training seeds of a table, which many searches share. */
export type Unit = 'paired seed' | 'training seed';

/** What a verdict is about, in a sentence for reports. */
export function inferenceSentence(unit: Unit, units: number): string {
  return unit === 'training seed'
    ? `Unit of inference: the training seed, ${count(units)} in all. Each run saw the trainings of one and was judged by those of the others; intervals and p are over searches and trainings, and hold for new ones on the same architectures.`
    : `Unit of inference: the paired seed, ${count(units)} in all. No two pairs share a training; intervals and p are over searches and trainings, and hold for new ones.`;
}

export const unitOf = (results: readonly RunResult[]): Unit =>
  results.some(({ crossed }) => crossed !== null) ? 'training seed' : 'paired seed';

const nothing: Judged = { value: 0, without: () => 0 };

function judged(run: RunResult, value: Value): Judged {
  return {
    value: value(run),
    without: (unit) => value({ ...run, worth: worthWithout(run, unit) }),
  };
}

/** Estimates an arm against another one, or against zero. */
export function estimate(pairs: readonly (readonly [RunResult, RunResult | null])[], value: Value, rng: Rng): Estimate {
  if (unitOf(pairs.map(([run]) => run)) === 'paired seed') {
    const plain = pairs.map(
      ([run, other]): Pair => ({ stratum: run.task, first: value(run), second: other ? value(other) : 0 }),
    );
    return {
      effect: iqmDifference(plain),
      p: () => permutationTest(plain, { rng, permutations }),
      interval: pairedBootstrap(plain, { rng, resamples, level }),
      units: pairs.length,
    };
  }
  const counted = new Map<string, number>();
  // A trained run has training seeds of its own: its pair is a unit.
  const ownUnit = (task: string) => {
    const seen = counted.get(task) ?? 0;
    counted.set(task, seen + 1);
    return { seen, units: pairs.filter(([run]) => run.task === task).length };
  };
  const crossed = pairs.map(
    ([run, other]): CrossedPair => ({
      stratum: run.task,
      ...(run.crossed ? { seen: run.crossed.seen, units: run.crossed.judged.length } : ownUnit(run.task)),
      first: judged(run, value),
      second: other ? judged(other, value) : nothing,
    }),
  );
  const found = crossedEstimate(crossed);
  return {
    effect: found.effect,
    p: () => found.p,
    interval: crossedInterval(found, level),
    units: found.units,
  };
}

/**
 * All comparisons of a study.
 *
 * The verdict is from the p of the estimate with Holm's correction; the interval shows the size of the difference. Both use
 * the difference of interquartile means, over runs paired by task and seed, and hold for new trainings: their unit is what
 * varies when trainings are repeated.
 */
export function comparisonsOf(study: Study, results: readonly RunResult[], value: Value): Comparison[] {
  const unit = unitOf(results);
  const compared = comparedPairs(study).flatMap((arms) => {
    const pairs = pairedRuns(results, arms[0], arms[1]);
    if (pairs.length === 0) return [];
    const { p, ...found } = estimate(pairs, value, rngFor('study', study.question, ...arms));
    return [{ arms, pairs, ...found, p: p() }];
  });
  const adjusted = holm(compared.map(({ p }) => p));
  // The strictest level in Holm's procedure: units that satisfy it satisfy all comparisons.
  const question = { alpha: study.alpha / compared.length, power: study.power };
  return compared.map(({ arms, pairs, effect, interval, units, p }, index) => {
    // Standard deviation of single units that would give the difference the spread that it has.
    const reach = unit === 'paired seed' ? normalReach : criticalValue(level, units - 1);
    const sd = (Math.sqrt(units) * (interval.high - interval.low)) / (2 * reach);
    const significant = (adjusted[index] as number) <= study.alpha && effect !== 0;
    const verdict: Verdict = significant ? (effect > 0 ? 'better' : 'worse') : 'not distinguishable';
    const needed = pairsNeeded(effect, sd, question);
    const perSeed = unit === 'training seed' ? 1 : units / new Set(results.map(({ seed }) => seed)).size;
    const distinct = (side: 0 | 1) => new Set(pairs.map((runs) => `${runs[side].task} ${runs[side].candidate}`)).size;
    const comparison = {
      arms,
      pairs: pairs.length,
      unit,
      units,
      candidates: [distinct(0), distinct(1)] as const,
      effect,
      interval,
      p,
      adjusted: adjusted[index] as number,
      verdict,
      ...effectSize(
        pairs.map(([first, second]) => ({ stratum: first.task, first: value(first), second: value(second) })),
      ),
      // Not significant although the estimate says it should be: at least one more seed.
      moreSeeds:
        verdict !== 'not distinguishable'
          ? 0
          : needed === null
            ? null
            : Math.max(1, Math.ceil((needed - units) / perSeed)),
      detectable:
        sd > 0 && (unit === 'training seed' || pairs.length >= fewestPairs(question.alpha))
          ? detectable(sd, units, question)
          : null,
    };
    return { ...comparison, sentence: sentenceOf(comparison, study, compared.length) };
  });
}

export type Verdict = 'better' | 'worse' | 'not distinguishable';

/** Two arms, the one in question first. */
export interface Comparison {
  readonly arms: readonly [string, string];
  /** Runs of each arm, paired by task and seed. */
  readonly pairs: number;
  /** The unit of inference, and how many there are. */
  readonly unit: Unit;
  readonly units: number;
  /** Distinct candidates that the runs of each arm handed in. */
  readonly candidates: readonly [number, number];
  /** Difference of interquartile means, first minus second. */
  readonly effect: number;
  readonly interval: Interval;
  /** Two-sided p of no difference; `adjusted` by Holm's correction over the study. */
  readonly p: number;
  readonly adjusted: number;
  readonly verdict: Verdict;
  readonly standardised: number | null;
  /** Share of pairs in which the first arm wins. */
  readonly ahead: number;
  /** Further units to detect a difference of the observed size; null if a million would not suffice. */
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
  const { effect, interval, pairs, unit, units, adjusted, moreSeeds } = comparison;
  const number = figures(interval.high - interval.low);
  const after = comparisons > 1 ? ` after correction for ${comparisons} comparisons` : '';
  const on = unit === 'training seed' ? ` on ${count(units)} training seeds` : '';
  const where = `over ${count(pairs)} paired runs of ${count(study.budget.evaluations)} evaluations${on}`;
  const seeds = (number: number) => `${unit === 'training seed' ? 'training ' : ''}${number === 1 ? 'seed' : 'seeds'}`;
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
        ? `detecting a difference this large would need more than ${count(maxFurtherSeeds)} more ${seeds(2)}`
        : `detecting a difference this large would need about ${count(moreSeeds)} more ${seeds(moreSeeds)}`;
  const few = unit === 'paired seed' && pairs < fewest ? `; at least ${fewest} pairs are needed` : '';
  const effectFloor =
    comparison.detectable === null
      ? ''
      : `; minimum detectable effect at ${percent(study.power)} power: ${number(comparison.detectable)}`;
  return `${head}; ${tail}${few}${effectFloor}.`;
}
