import { max, mean, min } from 'd3-array';
import { type Rng, rngFor } from '../domain/rng.ts';
import {
  bandedCurve,
  type CrossedPair,
  type Curve,
  criticalValue,
  crossedEstimate,
  crossedInterval,
  detectable,
  effectSize,
  elo,
  fewestPairs,
  holm,
  type Interval,
  iqmDifference,
  type Judged,
  normalisedScore,
  type Pair,
  pairedBootstrap,
  pairsNeeded,
  permutationTest,
  type Rating,
  validRate,
} from '../statistics/index.ts';
import { comparedPairs, type RunResult, type Study, type TaskFacts, worthWithout } from './spec.ts';

/**
 * What a study shows: its arms, their curves and what they spent; and every comparison of two arms, with its verdict in a
 * sentence (I11). Pure: equal results give equal figures.
 */

/** Coverage of every interval and band. */
const level = 0.95;
const resamples = 2000;
const permutations = 10_000;
/** Half-width of a 95 % interval of a normal distribution, in standard deviations. */
const normalReach = 1.96;
const curveResamples = 500;
const eloRounds = 100;

export interface ArmSummary {
  readonly name: string;
  readonly runs: number;
  /** Distinct candidates that its runs handed in. */
  readonly candidates: number;
  readonly middle: number;
  readonly interval: Interval;
  readonly mean: number;
  readonly validRate: number;
  /** Mean normalised score; null if a task has no scale. */
  readonly normalised: number | null;
  readonly elo: Rating;
  readonly rejected: number;
  readonly duplicate: number;
  readonly failed: number;
}

export interface TaskCurves {
  readonly task: TaskFacts;
  /** Regret if the optimum is known, else the score. */
  readonly shows: 'regret' | 'score';
  readonly arms: readonly { readonly name: string; readonly curve: Curve }[];
}

export interface Analysis {
  /** `worth` in the task's metric, or normalised over several tasks. */
  readonly unit: 'worth' | 'normalised';
  /** What varies when trainings are repeated; intervals and p are over these. */
  readonly inference: { readonly unit: Unit; readonly units: number };
  readonly arms: readonly ArmSummary[];
  readonly comparisons: readonly Comparison[];
  /** Device time per run where an arm rehearses candidates; empty otherwise. */
  readonly spending: readonly string[];
  /** Problems in the runs that may explain a difference or its absence. */
  readonly cautions: readonly string[];
  readonly curves: readonly TaskCurves[];
}

/** A run without a candidate counts as the worst run of its task. */
function worstOf(results: readonly RunResult[]): ReadonlyMap<string, number> {
  const tasks = new Set(results.map(({ task }) => task));
  return new Map(
    [...tasks].map((task) => [
      task,
      min(
        results.filter((run) => run.task === task),
        ({ worth }) => worth ?? undefined,
      ) ?? 0,
    ]),
  );
}

/** Scales of normalised scores: the task's optimum if known, else the best run. Null without a range. */
function scalesOf(tasks: readonly TaskFacts[], results: readonly RunResult[], worst: ReadonlyMap<string, number>) {
  return new Map(
    tasks.map(({ label, best }) => {
      const optimum =
        best ??
        max(
          results.filter(({ task }) => task === label),
          ({ worth }) => worth ?? undefined,
        );
      const low = worst.get(label);
      const scale = { optimum: 1, worst: low ?? 0, best: optimum ?? 0 };
      return [
        label,
        optimum !== undefined && low !== undefined && optimum > low && low >= 0 && optimum <= 1 ? scale : null,
      ] as const;
    }),
  );
}

const total = (runs: readonly RunResult[], count: (run: RunResult) => number): number =>
  runs.reduce((sum, run) => sum + count(run), 0);

function cautionsOf(arm: string, runs: readonly RunResult[]): string[] {
  const lost = total(runs, ({ lostAgents }) => lostAgents);
  const runsWithLoss = runs.filter(({ lostAgents }) => lostAgents > 0).length;
  const readings = total(runs, (run) => run.readings);
  const failed = total(runs, ({ failedReadings }) => failedReadings);
  const agents = lost === 1 ? 'agent was' : 'agents were';
  return [
    ...(lost > 0 ? [`Arm ${arm}: ${lost} ${agents} lost, in ${runsWithLoss} of ${runs.length} runs.`] : []),
    ...(failed > 0 ? [`Arm ${arm}: ${failed} of ${readings} literature searches and reads failed.`] : []),
  ];
}

/** Device time of screening and of rehearsals per run, by arm: what equal budgets came to. */
function spendingOf(study: Study, results: readonly RunResult[]): string[] {
  if (!results.some(({ spent }) => (spent?.rehearsals ?? 0) > 0)) return [];
  return study.arms.map(({ name }) => {
    const runs = results.filter(({ arm, spent }) => arm === name && spent !== undefined);
    const perRun = (part: 'screening' | 'rehearsals') =>
      total(runs, ({ spent }) => spent?.[part] ?? 0) / Math.max(1, runs.length);
    const [screening, rehearsals] = [perRun('screening'), perRun('rehearsals')];
    const parts = `${screening.toFixed(1)} of screening and ${rehearsals.toFixed(1)} of checks and experiments`;
    return `Arm ${name}: ${(screening + rehearsals).toFixed(1)} device seconds per run, ${parts}.`;
  });
}

/** Analyses the runs of a study. A pure function of study and runs: resampling is seeded by labels. */
export function analyse(study: Study, tasks: readonly TaskFacts[], results: readonly RunResult[]): Analysis {
  const worst = worstOf(results);
  const scales = scalesOf(tasks, results, worst);
  const normalised = (run: RunResult): number | null => {
    const scale = scales.get(run.task);
    return scale ? normalisedScore(run.worth, scale) : null;
  };
  const unit = tasks.length > 1 && tasks.every(({ label }) => scales.get(label)) ? 'normalised' : 'worth';
  const value: Value =
    unit === 'normalised' ? (run) => normalised(run) as number : (run) => run.worth ?? (worst.get(run.task) as number);

  const of = (arm: string) => results.filter((run) => run.arm === arm);
  const ratings = elo(
    study.arms.map(({ name }) => ({
      name,
      runs: Object.fromEntries(
        tasks.map(({ label }) => [
          label,
          of(name)
            .filter((run) => run.task === label)
            .map(({ worth }) => worth),
        ]),
      ),
    })),
    { rng: rngFor('study', study.question, 'elo'), rounds: eloRounds },
  );
  const arms = study.arms.map(({ name }, index): ArmSummary => {
    const runs = of(name);
    const values = runs.map(value);
    const found = estimate(
      runs.map((run) => [run, null]),
      value,
      rngFor('study', study.question, 'arm', name),
    );
    const scaled = runs.map(normalised);
    return {
      name,
      runs: runs.length,
      candidates: new Set(runs.flatMap(({ task, candidate }) => (candidate === null ? [] : `${task} ${candidate}`)))
        .size,
      middle: found.effect,
      interval: found.interval,
      mean: mean(values) as number,
      validRate: validRate(
        tasks.map(({ label }) => runs.filter((run) => run.task === label).map(({ worth }) => worth)),
      ),
      normalised: scaled.some((score) => score === null) ? null : (mean(scaled as number[]) ?? null),
      elo: ratings[index] as Rating,
      rejected: total(runs, ({ rejected }) => rejected),
      duplicate: total(runs, ({ duplicate }) => duplicate),
      failed: total(runs, ({ failed }) => failed),
    };
  });
  const comparisons = comparisonsOf(study, results, value);
  return {
    unit,
    inference: { unit: unitOf(results), units: Math.max(0, ...comparisons.map(({ units }) => units)) },
    arms,
    comparisons,
    spending: spendingOf(study, results),
    cautions: study.arms.flatMap(({ name }) => cautionsOf(name, of(name))),
    curves: curvesOf(study, tasks, results, worst),
  };
}

function curvesOf(
  study: Study,
  tasks: readonly TaskFacts[],
  results: readonly RunResult[],
  worst: ReadonlyMap<string, number>,
): TaskCurves[] {
  return tasks.map((task) => {
    const shows = task.best !== null && task.course === 'worth' ? 'regret' : 'score';
    const at = (score: number | null) => {
      const known = score ?? (worst.get(task.label) as number);
      return shows === 'regret' ? (task.best as number) - known : known;
    };
    const arms = study.arms.flatMap(({ name }) => {
      const runs = results.filter((run) => run.arm === name && run.task === task.label && run.course.length > 0);
      if (runs.length === 0) return [];
      const rng = rngFor('study', study.question, 'curve', task.label, name);
      return [
        {
          name,
          curve: bandedCurve([runs.map(({ course }) => course.map(at))], { rng, resamples: curveResamples, level }),
        },
      ];
    });
    return { task, shows, arms };
  });
}

/** A run's score in the unit of the comparison. */
type Value = (run: RunResult) => number;

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
interface Estimate {
  readonly effect: number;
  readonly interval: Interval;
  /** What varies when trainings are repeated, and how many there are: see {@link unitOf}. */
  readonly units: number;
  /** Two-sided p of no difference; only a difference has one. */
  readonly p: () => number;
}

/** Paired seeds with training seeds of their own; or the training seeds of a table, which many searches share. */
type Unit = 'paired seed' | 'training seed';

/** What a verdict is about, in a sentence for reports. */
export function inferenceSentence(unit: Unit, units: number): string {
  return unit === 'training seed'
    ? `Unit of inference: the training seed, ${count(units)} in all. Each run saw the trainings of one and was judged by those of the others; intervals and p are over searches and trainings, and hold for new ones on the same architectures.`
    : `Unit of inference: the paired seed, ${count(units)} in all. No two pairs share a training; intervals and p are over searches and trainings, and hold for new ones.`;
}

const unitOf = (results: readonly RunResult[]): Unit =>
  results.some(({ crossed }) => crossed !== null) ? 'training seed' : 'paired seed';

const nothing: Judged = { value: 0, without: () => 0 };

function judged(run: RunResult, value: Value): Judged {
  return {
    value: value(run),
    without: (unit) => value({ ...run, worth: worthWithout(run, unit) }),
  };
}

/** Estimates an arm against another one, or against zero. */
function estimate(pairs: readonly (readonly [RunResult, RunResult | null])[], value: Value, rng: Rng): Estimate {
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

type Verdict = 'better' | 'worse' | 'not distinguishable';

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
const pText = (p: number): string => (p < 0.0001 ? 'p < 0.0001' : `p = ${p.toPrecision(2)}`);

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
