import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { ArchiveReader } from '../memory/index.ts';
import {
  analyseScale,
  referenceOf,
  type ScaleAnalysis,
  type ScaleComparison,
  scaleObservations,
  type ZeroShotResult,
  type ZeroShotScore,
  zeroShotResult,
} from '../scale/index.ts';
import type { Estimate } from '../statistics/index.ts';
import type { ScaleDetail, ScaleFigures } from './api.ts';
import { apiVersion } from './apiSearch.ts';
import { finite, line } from './texts.ts';

/** What a scale plan shows: whether its patterns hold, with every training that the answer rests on. */

/** Points of a fitted parabola on a page. */
const parabolaPoints = 41;

type Curve = ScaleAnalysis['architectures'][number]['fit']['curves'][number];

function parabolaOf({ curve, sizes }: Curve): { parameters: number; loss: number | null }[] {
  const [low, high] = [sizes[0], sizes.at(-1)];
  if (curve === null || low === undefined || high === undefined) return [];
  const [from, to] = [Math.log10(low), Math.log10(high)];
  return Array.from({ length: parabolaPoints }, (_, step) => {
    const at = from + ((to - from) * step) / (parabolaPoints - 1);
    return { parameters: 10 ** at, loss: finite(curve(at)) };
  });
}

/** `/api/scales/:id`. @throws PrerequisiteError `not-a-scale-plan`, `unknown-search` */
export function scaleOf(reader: ArchiveReader, search: SearchId, scores: readonly ZeroShotScore[]): ScaleDetail {
  const { scale } = reader.searches.spec(search);
  if (!scale) {
    throw new PrerequisiteError('not-a-scale-plan', `"${search}" is a search, not a scale plan`, 'open it as a search');
  }
  const observations = scaleObservations(reader, search);
  const reference = referenceOf(observations);
  const analysis = analyseScale({ observations, reference });
  return { version: apiVersion, ...scaleFiguresOf(search, analysis, zeroShotResult(observations, scores, reference)) };
}

const estimate = (each: Estimate | null) =>
  each && { value: each.value, interval: each.interval && { low: each.interval.low, high: each.interval.high } };

const correlation = (each: (Estimate & { readonly ceiling: number | null }) | null) => {
  const plain = estimate(each);
  return each && plain && { ...plain, ceiling: finite(each.ceiling) };
};

const matchedOf = ({ matched }: ScaleComparison) =>
  matched.kind === 'unmeasured'
    ? null
    : {
        value: matched.difference,
        interval: { low: matched.interval[0], high: matched.interval[1] },
        runs: matched.n,
      };

function zeroShotOf({ size, reference, scorers, items, rows }: ZeroShotResult): NonNullable<ScaleFigures['zeroShot']> {
  return {
    size: line(size),
    reference: line(reference),
    scorers: scorers.map((scorer) => line(scorer)),
    tasks: Object.entries(items).map(([task, count]) => ({ task: line(task), items: count })),
    rows: rows.map(({ architecture, family, seeds, tasks: own, against }) => ({
      architecture: line(architecture),
      family: line(family),
      seeds,
      scores: Object.keys(items).map((task) => {
        const found = own.find((each) => each.task === task);
        return found ? { acc: found.acc, accNorm: found.accNorm } : null;
      }),
      against: against && { value: against.difference, interval: { ...against.interval } },
    })),
  };
}

/** The figures of an analysis and of zero-shot scores, as the dashboard and the page of a plan show them. */
export function scaleFiguresOf(id: string, analysis: ScaleAnalysis, zeroShot: ZeroShotResult | null): ScaleFigures {
  const sizes = new Set(analysis.architectures.flatMap(({ observations }) => observations.map(({ size }) => size)));
  return {
    id: line(id),
    verdict: analysis.verdict,
    answer: line(analysis.answer, 2000),
    further: analysis.further.map((sentence) => line(sentence, 2000)),
    cautions: analysis.cautions.map((sentence) => line(sentence, 1000)),
    reference: line(analysis.reference),
    cost: {
      runs: analysis.cost.runs,
      outcomes: analysis.cost.outcomes,
      flops: analysis.cost.flops,
      durationMs: 1000 * analysis.cost.seconds,
    },
    resampling: analysis.resampling && { ...analysis.resampling },
    architectures: analysis.architectures.map(({ label, pattern, family, fit, total, law }) => {
      const logs = fit.curves.map(({ logFlops }) => logFlops);
      const { frontier } = fit;
      const reach = frontier && logs.length > 0 ? [Math.min(...logs), Math.max(...logs)] : [];
      return {
        label: line(label),
        pattern: line(pattern),
        family: line(family),
        curves: fit.curves.map((curve) => ({
          budgetFlops: curve.budget,
          flops: 10 ** curve.logFlops,
          points: curve.points.map(({ parameters, tokens, seed, loss }) => ({
            parameters,
            tokens,
            seed,
            loss: finite(loss),
          })),
          parabola: parabolaOf(curve),
          minimum: curve.minimum && {
            parameters: 10 ** curve.minimum.logParameters,
            tokens: 10 ** curve.minimum.logTokens,
            loss: curve.minimum.loss,
          },
          refused: curve.refused === null ? null : line(curve.refused),
        })),
        frontier: reach.map((logFlops) => ({ flops: 10 ** logFlops, loss: frontier?.at(logFlops) ?? 0 })),
        slope: estimate(fit.slope),
        sizeExponent: estimate(fit.sizeExponent),
        tokenExponent: estimate(fit.tokenExponent),
        totalSizeExponent: estimate(total.sizeExponent),
        law: law.law && {
          E: law.law.E,
          A: law.law.A,
          B: law.law.B,
          alpha: law.law.alpha,
          beta: law.law.beta,
          residual: law.law.residual,
          sizeExponent: law.law.sizeExponent,
          points: law.law.points,
        },
        lawRefused: law.law === null ? line(law.why) : null,
      };
    }),
    comparisons: analysis.comparisons.map((each) => ({
      name: line(each.name),
      reference: line(each.reference),
      gaps: each.gaps.map(({ budget, gap }) => ({ budgetFlops: budget, gap })),
      gap: estimate(each.gap),
      multiplier: estimate(each.multiplier),
      slopeRatio: estimate(each.slopeRatio),
      lawGap: finite(each.lawGap),
      matched: matchedOf(each),
      verdict: each.verdict,
      refused: each.refused === null ? null : line(each.refused),
    })),
    audits: analysis.audits.map((each) => ({
      rung: line(each.rung),
      target: line(each.target),
      n: each.n,
      pairs: each.pairs.map(({ name, rung, target }) => ({ name: line(name), rung, target })),
      spearman: correlation(each.spearman),
      kendall: correlation(each.kendall),
      reliability: { rung: finite(each.reliability.rung), target: finite(each.reliability.target) },
      isSize: sizes.has(each.rung),
      refused: each.refused === null ? null : line(each.refused),
    })),
    zeroShot: zeroShot && zeroShotOf(zeroShot),
    observations: analysis.architectures.flatMap(({ label, observations }) =>
      observations
        .toSorted((a, b) => a.nonEmbedding - b.nonEmbedding || a.budgetFlops - b.budgetFlops || a.seed - b.seed)
        .map((each) => ({
          architecture: line(label),
          family: line(each.family),
          size: line(each.size),
          parameters: each.nonEmbedding,
          embedding: each.embedding,
          budgetFlops: each.budgetFlops,
          flops: each.trainedFlops,
          tokens: each.tokens,
          seed: each.seed,
          loss: finite(each.loss),
          durationMs: 1000 * each.seconds,
          tokensPerSecond: finite(each.tokensPerSecond),
          mfu: finite(each.mfu),
          peakMemoryBytes: finite(each.peakMemoryBytes),
          cacheBytesPerToken: each.cacheBytesPerToken,
          evaluation: line(each.evaluation),
        })),
    ),
  };
}
