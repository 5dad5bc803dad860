import { group, max, mean, min, sum } from 'd3-array';
import { TerminalError } from '../domain/errors.ts';
import { rngFor } from '../domain/rng.ts';
import {
  auditProxy,
  type Comparison,
  comparePaired,
  type EqualCompute,
  type FrontierFit,
  fitLaw,
  fitScaling,
  type LawResult,
  type ProxyAudit,
  type RungScores,
  type ScalingFits,
  type ScalingPoint,
  type SeedScore,
} from '../statistics/index.ts';
import { duration, powerText, type ScaleObservation } from './observations.ts';

/**
 * What trainings at growing sizes show: fits per architecture, comparisons with the reference of the same family, proxy audit,
 * cost, and the answer to "does it hold?". Pure: equal observations give equal figures.
 */

const level = 0.95;
const resamples = 1000;
/** Whole steps may miss the budget by this share before it is said. */
const budgetTolerance = 0.05;

export interface ScaleQuestion {
  readonly observations: readonly ScaleObservation[];
  /** Name of the architecture that others are compared with. */
  readonly reference: string;
  /** Cheaper rungs of the same architectures, by their names: nano, small. More is better. */
  readonly proxies?: readonly RungScores[];
}

export interface ScaleArchitecture {
  /** The name in the plan; with its family where the plan has several. */
  readonly label: string;
  readonly pattern: string;
  readonly family: string;
  readonly observations: readonly ScaleObservation[];
  /** With sizes in non-embedding parameters, as published. */
  readonly fit: FrontierFit;
  /** The same with all parameters; the convention moves the exponents. */
  readonly total: FrontierFit;
  readonly law: LawResult;
}

export interface ScaleComparison extends EqualCompute {
  readonly reference: string;
  /** Gap of the two scaling laws, averaged over the same budgets; null without both laws. */
  readonly lawGap: number | null;
  /** Losses at equal size, budget and seed; per run, averaged over its budgets. Above zero where the loss is lower. */
  readonly matched: Comparison;
}

export interface ScaleCost {
  readonly runs: number;
  readonly outcomes: number;
  /** Of the longest branch of each run. */
  readonly flops: number;
  readonly seconds: number;
}

export type ScaleVerdict = 'holds' | 'does not hold' | 'not established' | 'not answered';

export interface ScaleAnalysis {
  readonly verdict: ScaleVerdict;
  /** The first sentence of the report. */
  readonly answer: string;
  /** One sentence per further comparison. */
  readonly further: readonly string[];
  readonly reference: string;
  readonly architectures: readonly ScaleArchitecture[];
  readonly comparisons: readonly ScaleComparison[];
  readonly audits: readonly ProxyAudit[];
  readonly resampling: ScalingFits['resampling'];
  readonly cost: ScaleCost;
  readonly cautions: readonly string[];
}

function pointsOf(
  observations: readonly ScaleObservation[],
  parameters: (observation: ScaleObservation) => number,
): ScalingPoint[] {
  return observations.map((each) => ({
    parameters: parameters(each),
    budget: each.budgetFlops,
    flops: each.trainedFlops,
    tokens: each.tokens,
    seed: each.seed,
    loss: each.loss,
  }));
}

const nonEmbedding = ({ nonEmbedding: count }: ScaleObservation) => count;
const total = (each: ScaleObservation) => each.nonEmbedding + each.embedding;

/** Loss of both at equal size, budget and seed, one pair per run. */
function matchedRuns(own: readonly ScaleObservation[], other: readonly ScaleObservation[]): Comparison {
  const key = ({ size, seed, budgetFlops }: ScaleObservation) => JSON.stringify([size, seed, budgetFlops]);
  const known = new Map(other.map((each) => [key(each), each.loss]));
  const shared = own.filter((each) => known.has(key(each)));
  const runs = [...group(shared, ({ size, seed }) => JSON.stringify([size, seed])).values()];
  // `comparePaired` pairs by seed; here every run is a pair of its own.
  const scores = (loss: (each: ScaleObservation) => number): SeedScore[] =>
    runs.map((run, at) => ({ seed: at, score: -(mean(run, loss) as number) }));
  return comparePaired(
    scores(({ loss }) => loss),
    scores((each) => known.get(key(each)) as number),
    null,
    level,
  );
}

/** Scores of all architectures at one size: at the largest budget that each of them has there, lower losses better. */
function sizeRung(
  size: string,
  observations: readonly ScaleObservation[],
  label: (each: ScaleObservation) => string,
): RungScores {
  const byName = group(
    observations.filter((each) => each.size === size),
    label,
  );
  const budgets = [...byName.values()].map((own) => new Set(own.map(({ budgetFlops }) => budgetFlops)));
  const common = [...(budgets[0] ?? [])].filter((budget) => budgets.every((set) => set.has(budget)));
  const largest = max(common);
  return {
    name: size,
    scores: new Map(
      [...byName].map(([name, own]) => [
        name,
        own.filter(({ budgetFlops }) => budgetFlops === largest).map(({ seed, loss }) => ({ seed, score: -loss })),
      ]),
    ),
  };
}

function audit(question: ScaleQuestion, label: (each: ScaleObservation) => string): ProxyAudit[] {
  const sizes = [...group(question.observations, ({ size }) => size)]
    .map(([size, own]) => ({ size, parameters: mean(own, nonEmbedding) as number }))
    .sort((a, b) => a.parameters - b.parameters)
    .map(({ size }) => sizeRung(size, question.observations, label));
  const target = sizes.at(-1);
  if (!target) return [];
  return [...(question.proxies ?? []), ...sizes.slice(0, -1)].map((rung) => auditProxy(rung, target, level));
}

function costOf(observations: readonly ScaleObservation[]): ScaleCost {
  const runs = [
    ...group(observations, ({ architecture, family, size, seed }) =>
      JSON.stringify([architecture, family, size, seed]),
    ).values(),
  ];
  return {
    runs: runs.length,
    outcomes: observations.length,
    flops: sum(runs, (run) => max(run, ({ trainedFlops }) => trainedFlops)),
    // Seconds of an outcome count from the start of its run.
    seconds: sum(runs, (run) => max(run, ({ seconds }) => seconds)),
  };
}

/**
 * Analyses the outcomes of a plan.
 *
 * @throws TerminalError `scale-observations` without observations, or without any of the reference.
 */
export function analyseScale(question: ScaleQuestion): ScaleAnalysis {
  const { observations, reference } = question;
  if (!observations.some(({ architecture }) => architecture === reference)) {
    throw new TerminalError('scale-observations', `no training of the reference ${reference} has an outcome`);
  }
  const families = [...new Set(observations.map(({ family }) => family))];
  const label = ({ architecture, family }: Pick<ScaleObservation, 'architecture' | 'family'>) =>
    families.length === 1 ? architecture : `${architecture} (${family})`;
  const results = families.map((family) => {
    const named = group(
      observations.filter((each) => each.family === family),
      label,
    );
    const base = label({ architecture: reference, family });
    const fitted = (parameters: (each: ScaleObservation) => number) =>
      fitScaling(
        [...named].map(([name, own]) => ({ name, points: pointsOf(own, parameters) })),
        base,
        { rng: rngFor('scale', family), resamples, level },
      );
    const published = fitted(nonEmbedding);
    const all = fitted(total);
    const architectures = [...named].map(
      ([name, own], index): ScaleArchitecture => ({
        label: name,
        pattern: own[0]?.pattern ?? '',
        family,
        observations: own,
        fit: published.fits[index] as FrontierFit,
        total: all.fits[index] as FrontierFit,
        law: fitLaw(pointsOf(own, nonEmbedding)),
      }),
    );
    const lawOf = (name: string) => architectures.find((each) => each.label === name)?.law.law ?? null;
    const comparisons = published.comparisons.map((comparison): ScaleComparison => {
      const [own, other] = [lawOf(comparison.name), lawOf(base)];
      const budgets = comparison.gaps.map(({ budget }) => budget);
      return {
        ...comparison,
        reference: base,
        lawGap:
          own === null || other === null
            ? null
            : (mean(budgets, (budget) => other.optimum(budget).loss - own.optimum(budget).loss) ?? null),
        matched: matchedRuns(named.get(comparison.name) ?? [], named.get(base) ?? []),
      };
    });
    return { architectures, comparisons, resampling: published.resampling };
  });
  // In the order of the plan, the families of an architecture next to each other: the first one gives the first sentence.
  const labels = [...new Set(observations.map(({ architecture }) => architecture))].flatMap((architecture) =>
    families.map((family) => label({ architecture, family })),
  );
  const comparisons = results
    .flatMap((each) => each.comparisons)
    .sort((a, b) => labels.indexOf(a.name) - labels.indexOf(b.name));
  const cost = costOf(observations);
  const [first, ...others] = comparisons.map((comparison) => ({ comparison, ...judged(comparison) }));
  const architectures = results.flatMap((each) => each.architectures);
  return {
    verdict: first?.verdict ?? 'not answered',
    answer: first
      ? `${first.sentence}, for ${costText(cost)}.`
      : `Not answered: only ${reference} has outcomes, after ${costText(cost)}.`,
    further: others.map(({ sentence }) => `${sentence}.`),
    reference,
    architectures,
    comparisons,
    audits: audit(question, label),
    resampling: results.map(({ resampling }) => resampling).find((each) => each !== null) ?? null,
    cost,
    cautions: cautionsOf(architectures, results[0]?.resampling ?? null),
  };
}

const nats = (value: number): string => Math.abs(value).toFixed(4);
const signed = (value: number): string => `${value < 0 ? '−' : ''}${nats(value)}`;

const costText = ({ runs, flops, seconds }: ScaleCost): string =>
  `${runs} ${runs === 1 ? 'run' : 'runs'}, ${powerText(flops)} FLOPs and ${duration(seconds)} of training`;

/** Where a loss is against another's: `0.0450 nats below that of llama (95 % interval 0.0200 to 0.0700)`. */
function gapText(
  value: number,
  reference: string,
  interval: { readonly low: number; readonly high: number } | null,
): string {
  const above = value < 0;
  const [from, to] =
    interval === null ? [0, 0] : above ? [-interval.high, -interval.low] : [interval.low, interval.high];
  const bounds = interval === null ? '' : ` (95 % interval ${signed(from)} to ${signed(to)})`;
  return `${nats(value)} nats ${above ? 'above' : 'below'} that of ${reference}${bounds}`;
}

/** The verdict on one comparison and its sentence, without the closing stop. */
function judged(comparison: ScaleComparison): { readonly verdict: ScaleVerdict; readonly sentence: string } {
  const { name, reference, gap, multiplier, refused, gaps, matched } = comparison;
  if (gap === null) {
    const equal =
      matched.kind === 'unmeasured'
        ? ''
        : `; at equal size, budget and seed the loss of ${name} is ${gapText(matched.difference, reference, { low: matched.interval[0], high: matched.interval[1] })} over ${matched.n} runs`;
    return { verdict: 'not answered', sentence: `Not answered at the best size of each: ${refused}${equal}` };
  }
  const budgets = gaps.map(({ budget }) => budget);
  const over =
    budgets.length === 1
      ? `at one budget of ${powerText(budgets[0] as number)} FLOPs`
      : `over ${budgets.length} budgets of ${powerText(min(budgets) as number)} to ${powerText(max(budgets) as number)} FLOPs`;
  const times =
    multiplier === null
      ? ''
      : `, worth ${multiplier.value.toFixed(2)} times the compute${multiplier.interval ? ` (${multiplier.interval.low.toFixed(2)} to ${multiplier.interval.high.toFixed(2)})` : ''}`;
  const fact = `at equal compute the loss of ${name} is ${gapText(gap.value, reference, gap.interval)}${times}, ${over}`;
  switch (comparison.verdict) {
    case 'better':
      return { verdict: 'holds', sentence: `It holds: ${fact}` };
    case 'worse':
      return { verdict: 'does not hold', sentence: `It does not hold: ${fact}` };
    case 'even':
      return { verdict: 'not established', sentence: `Not established: ${fact}` };
    default:
      return { verdict: 'not established', sentence: `Not established, since no interval can be computed: ${fact}` };
  }
}

function cautionsOf(architectures: readonly ScaleArchitecture[], resampling: ScalingFits['resampling']): string[] {
  const curves = architectures.flatMap(({ label, fit }) => fit.curves.map((curve) => ({ label, curve })));
  const refused = curves.flatMap(({ label, curve }) =>
    curve.refused === null ? [] : [`${label} at ${powerText(curve.budget)} FLOPs: ${curve.refused}`],
  );
  const exact = curves.filter(({ curve }) => curve.curve !== null && curve.degrees === 0).length;
  const off = architectures
    .flatMap(({ observations }) => observations)
    .filter(({ trainedFlops, budgetFlops }) => Math.abs(trainedFlops / budgetFlops - 1) > budgetTolerance).length;
  return [
    ...(refused.length > 0
      ? [
          `No minimum is printed for ${refused.length} of ${curves.length} isoFLOP curves. ${refused.slice(0, 6).join('; ')}${refused.length > 6 ? `; ${refused.length - 6} more` : ''}.`,
        ]
      : []),
    ...(exact > 0
      ? [
          `${exact} of ${curves.length} parabolas run through all their points: with as many points as coefficients they cannot show noise.`,
        ]
      : []),
    ...(resampling === null
      ? ['Nothing has an interval: no architecture has more trainings at a budget than a parabola has coefficients.']
      : resampling.degrees < 6
        ? [`Intervals rest on ${resampling.degrees} degrees of freedom; more sizes or seeds would narrow them.`]
        : []),
    ...(off > 0
      ? [
          `${off} trainings differ from their budget by more than ${100 * budgetTolerance} % of its FLOPs, because steps are whole.`,
        ]
      : []),
  ];
}
