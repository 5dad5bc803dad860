import { ascending, mean } from 'd3-array';
import type { Rng } from '../domain/rng.ts';
import { criticalValue, type Interval, quantileOf, type Resampling } from './pairs.ts';
import {
  type Frontier,
  frontierOf,
  frontierThrough,
  type IsoFlop,
  isoFlops,
  type ParabolaPlan,
  parabolaOf,
  parabolaPlan,
  type ScalingPoint,
  tokensBySize,
  vertexOf,
} from './scalingFit.ts';

/**
 * Architectures at equal compute, with intervals.
 *
 * The slope of a frontier alone is a poor merit: a constant gain leaves it unchanged, and an architecture that is better at
 * small sizes has a shallower one. Hence, at budgets where both have a minimum, the gap in loss, and the compute multiplier
 * 10^(gap / |slope of the reference|): how many times the compute the reference needs for the same loss.
 *
 * Intervals are percentiles of resamples. With five or more seeds of every size, seeds are redrawn, the same ones for all
 * architectures. With fewer, residuals of the parabolas are: standardised by their leverage, pooled over all architectures,
 * and drawn as whole runs, since the budgets of one run share a trunk. Percentiles are spread about the estimate by Student's
 * quantile over the normal one, because few degrees of freedom stand behind the noise.
 */

/** Fewer seeds of a size than this, and residuals are resampled. */
export const seedsToRedraw = 5;
/** A resample fails where a parabola loses its minimum; above this share there is no interval. */
const mostFailures = 0.05;
/** Degrees of freedom at which Student's t counts as normal. */
const normalDegrees = 1000;

export interface ArchitecturePoints {
  readonly name: string;
  readonly points: readonly ScalingPoint[];
}

export interface Estimate {
  readonly value: number;
  /** Null where the noise is unknown or too many resamples lose a minimum. */
  readonly interval: Interval | null;
}

/** One architecture by itself. */
export interface FrontierFit {
  readonly name: string;
  readonly curves: readonly IsoFlop[];
  readonly frontier: Frontier | null;
  readonly slope: Estimate | null;
  readonly sizeExponent: Estimate | null;
  readonly tokenExponent: Estimate | null;
}

/** One architecture against the reference. Gaps are in nats, above zero where the architecture has the lower loss. */
export interface EqualCompute {
  readonly name: string;
  readonly gaps: readonly { readonly budget: number; readonly gap: number }[];
  /** Mean of the gaps. */
  readonly gap: Estimate | null;
  readonly multiplier: Estimate | null;
  /** Slope over the reference's slope, less one: "scales x % faster" of the papers. */
  readonly slopeRatio: Estimate | null;
  readonly verdict: 'better' | 'worse' | 'even' | null;
  /** Why there is no gap. */
  readonly refused: string | null;
}

export interface ScalingFits {
  readonly fits: readonly FrontierFit[];
  readonly comparisons: readonly EqualCompute[];
  /** Null where no residual degree of freedom is left, so that nothing has an interval. */
  readonly resampling: {
    readonly of: 'seeds' | 'residuals';
    readonly degrees: number;
    readonly resamples: number;
  } | null;
}

/** A curve prepared for many fits at the same places. */
interface Prepared {
  readonly curve: IsoFlop;
  readonly plan: ParabolaPlan;
  readonly fitted: readonly number[];
  /** log10 D by log10 N. */
  readonly tokens: (logParameters: number) => number;
  /** Per point the number of its run, counted over all architectures. */
  readonly runs: readonly number[];
  /** Places of the points of each size. */
  readonly cells: readonly (readonly number[])[];
}

/** Curves without three sizes are left out. A run is one architecture at one size with one seed. */
function prepareAll(architectures: readonly (readonly IsoFlop[])[]): Prepared[][] {
  const numbers = new Map<string, number>();
  const numberOf = (key: string): number => numbers.get(key) ?? numbers.set(key, numbers.size).size - 1;
  return architectures.map((curves, index) =>
    curves.flatMap((curve) => {
      const plan = parabolaPlan(curve.points);
      if (plan === null || curve.curve === null) return [];
      const at = curve.curve;
      return {
        curve,
        plan,
        fitted: curve.points.map(({ parameters }) => at(Math.log10(parameters))),
        tokens: tokensBySize(curve.points),
        runs: curve.points.map(({ parameters, seed }) => numberOf(`${index} ${parameters} ${seed}`)),
        cells: curve.sizes.map((size) =>
          curve.points.flatMap(({ parameters }, place) => (parameters === size ? [place] : [])),
        ),
      };
    }),
  );
}

/** Losses of one curve in one resample, in the order of its points. */
type Draw = (prepared: Prepared) => ArrayLike<number>;

interface Drawing {
  readonly of: 'seeds' | 'residuals';
  readonly degrees: number;
  /** By how much a draw understates the noise. */
  readonly spread: number;
  next(rng: Rng): Draw;
}

/** Seeds of each size, the same draw for sizes of equal rank in all architectures. */
function seedDrawing(all: readonly (readonly Prepared[])[]): Drawing | null {
  const curves = all.flat();
  const counts = curves.flatMap(({ cells }) => cells.map(({ length }) => length));
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
  if (counts.length === 0 || fewest < seedsToRedraw) return null;
  const ranks = Math.max(...curves.map(({ cells }) => cells.length));
  // One draw serves all architectures and budgets, so it has the degrees of freedom of one curve.
  const degrees = Math.min(...curves.map(({ curve }) => curve.points.length - curve.sizes.length));
  return {
    of: 'seeds',
    degrees,
    // Redrawing n values understates their variance by (n - 1) / n.
    spread: Math.sqrt(fewest / (fewest - 1)),
    next(rng) {
      const draws = Float64Array.from({ length: ranks * most }, () => rng.float());
      return ({ curve, cells }) => {
        const losses = new Float64Array(curve.points.length);
        for (const [rank, places] of cells.entries()) {
          for (const [at, place] of places.entries()) {
            const drawn = places[Math.floor((draws[rank * most + at] as number) * places.length)] as number;
            losses[place] = (curve.points[drawn] as ScalingPoint).loss;
          }
        }
        return losses;
      };
    },
  };
}

/** Standardised residuals of whole runs, from a pool of all architectures. */
function residualDrawing(all: readonly (readonly Prepared[])[]): Drawing | null {
  const budgets = [...new Set(all.flat().map(({ curve }) => curve.budget))];
  const runs = new Map<number, Float64Array>();
  for (const { curve, plan, fitted, runs: numbers } of all.flat()) {
    for (const [place, point] of curve.points.entries()) {
      const free = 1 - (plan.leverage[place] as number);
      if (free < 1e-9) continue;
      const number = numbers[place] as number;
      const run = runs.get(number) ?? new Float64Array(budgets.length).fill(Number.NaN);
      run[budgets.indexOf(curve.budget)] = (point.loss - (fitted[place] as number)) / Math.sqrt(free);
      runs.set(number, run);
    }
  }
  // Budgets of one run are not independent: of each architecture the budget with most trainings counts.
  const degrees = all.reduce((sum, curves) => sum + Math.max(0, ...curves.map(({ curve }) => curve.degrees)), 0);
  if (degrees === 0 || runs.size === 0) return null;
  const pool = [...runs.values()];
  const known = budgets.map((_, at) => pool.flatMap((run) => run[at] as number).filter(Number.isFinite));
  const centres = known.map((residuals) => mean(residuals) ?? 0);
  const count = 1 + Math.max(...all.flat().flatMap(({ runs: numbers }) => numbers));
  return {
    of: 'residuals',
    degrees,
    spread: 1,
    next(rng) {
      const donors = Array.from({ length: count }, () => pool[rng.below(pool.length)] as Float64Array);
      return ({ curve, fitted, runs: numbers }) => {
        const at = budgets.indexOf(curve.budget);
        const residuals = known[at] as number[];
        if (residuals.length === 0) return fitted;
        return Float64Array.from(fitted, (value, place) => {
          const own = (donors[numbers[place] as number] as Float64Array)[at] as number;
          // A donor that was not trained at this budget passes the question to one that was.
          return value + (Number.isNaN(own) ? rng.pick(residuals) : own) - (centres[at] as number);
        });
      };
    },
  };
}

interface Resampled {
  /** Per architecture; null where a parabola lost its minimum or there is no frontier. */
  readonly frontiers: readonly (Frontier | null)[];
  /** Losses of the minima, per architecture and budget. */
  readonly minima: readonly ReadonlyMap<number, number>[];
}

function refit(all: readonly (readonly Prepared[])[], draw: Draw): Resampled {
  const minima = all.map((curves) =>
    curves.flatMap((prepared) => {
      const { curve, plan, tokens } = prepared;
      // Only budgets whose own fit has a minimum enter an estimate.
      if (curve.minimum === null) return [];
      const vertex = vertexOf(parabolaOf(plan, draw(prepared)), plan.centre);
      if (vertex === null) return [null];
      const logTokens = tokens(vertex.logParameters);
      return [{ budget: curve.budget, logFlops: curve.logFlops, ...vertex, logTokens }];
    }),
  );
  return {
    frontiers: minima.map((found) =>
      found.includes(null) ? null : frontierThrough(found.flatMap((each) => each ?? [])),
    ),
    minima: minima.map((found) => new Map(found.flatMap((each) => (each ? [[each.budget, each.loss] as const] : [])))),
  };
}

/**
 * Fits every architecture and compares each with the reference.
 *
 * @param reference the name of one of them.
 */
export function fitScaling(
  architectures: readonly ArchitecturePoints[],
  reference: string,
  { rng, resamples, level }: Resampling,
): ScalingFits {
  const curves = architectures.map(({ points }) => isoFlops(points));
  const prepared = prepareAll(curves);
  const drawing = seedDrawing(prepared) ?? residualDrawing(prepared);
  const drawn = drawing ? Array.from({ length: resamples }, () => refit(prepared, drawing.next(rng))) : [];
  const widen = drawing
    ? (drawing.spread * criticalValue(level, drawing.degrees)) / criticalValue(level, normalDegrees)
    : 1;
  const estimate = (value: number, of: (resample: Resampled) => number | null): Estimate => {
    const values = drawn.flatMap((resample) => of(resample) ?? []).filter(Number.isFinite);
    if (values.length === 0 || values.length < (1 - mostFailures) * drawn.length) return { value, interval: null };
    const sorted = Float64Array.from(values).sort();
    const end = (share: number) => value + (quantileOf(sorted, share) - value) * widen;
    return { value, interval: { low: end((1 - level) / 2), high: end((1 + level) / 2) } };
  };

  const fits = architectures.map(({ name }, index): FrontierFit => {
    const own = curves[index] as IsoFlop[];
    const frontier = frontierOf(own);
    const of = (read: (frontier: Frontier) => number) =>
      frontier &&
      estimate(read(frontier), ({ frontiers }) => {
        const found = frontiers[index];
        return found ? read(found) : null;
      });
    return {
      name,
      curves: own,
      frontier,
      slope: of(({ slope }) => slope),
      sizeExponent: of(({ sizeExponent }) => sizeExponent),
      tokenExponent: of(({ tokenExponent }) => tokenExponent),
    };
  });
  const base = architectures.findIndex(({ name }) => name === reference);
  const comparisons = fits.flatMap((fit, index) =>
    index === base || base < 0 ? [] : [against(fit, index, fits[base] as FrontierFit, base, estimate)],
  );
  return { fits, comparisons, resampling: drawing && { of: drawing.of, degrees: drawing.degrees, resamples } };
}

const meanGap = (own: ReadonlyMap<number, number>, other: ReadonlyMap<number, number>, budgets: readonly number[]) => {
  const gaps = budgets.map((budget) => (other.get(budget) ?? Number.NaN) - (own.get(budget) ?? Number.NaN));
  return mean(gaps.every(Number.isFinite) ? gaps : []) ?? null;
};

function against(
  fit: FrontierFit,
  index: number,
  other: FrontierFit,
  base: number,
  estimate: (value: number, of: (resample: Resampled) => number | null) => Estimate,
): EqualCompute {
  const minimaOf = ({ curves }: FrontierFit) =>
    new Map(curves.flatMap(({ budget, minimum }) => (minimum ? [[budget, minimum.loss] as const] : [])));
  const [own, theirs] = [minimaOf(fit), minimaOf(other)];
  const budgets = [...own.keys()].filter((budget) => theirs.has(budget)).sort(ascending);
  const none = { name: fit.name, gaps: [], gap: null, multiplier: null, slopeRatio: null, verdict: null };
  if (budgets.length === 0)
    return { ...none, refused: `${fit.name} and ${other.name} have no budget at which both have a minimum` };
  const value = meanGap(own, theirs, budgets) as number;
  const gapIn = ({ minima }: Resampled) =>
    meanGap(minima[index] as ReadonlyMap<number, number>, minima[base] as ReadonlyMap<number, number>, budgets);
  const gap = estimate(value, gapIn);
  const slope = other.frontier?.slope;
  // Spread on the logarithm, where the interval is nearly symmetric.
  const decades =
    slope === undefined || slope >= 0
      ? null
      : estimate(value / -slope, (resample) => {
          const drawnGap = gapIn(resample);
          const drawnSlope = resample.frontiers[base]?.slope;
          return drawnGap === null || drawnSlope === undefined || drawnSlope >= 0 ? null : drawnGap / -drawnSlope;
        });
  const ownSlope = fit.frontier?.slope;
  const slopeRatio =
    slope === undefined || ownSlope === undefined
      ? null
      : estimate(ownSlope / slope - 1, ({ frontiers }) => {
          const [mine, its] = [frontiers[index]?.slope, frontiers[base]?.slope];
          return mine === undefined || its === undefined ? null : mine / its - 1;
        });
  const { interval } = gap;
  return {
    name: fit.name,
    gaps: budgets.map((budget) => ({
      budget,
      gap: (theirs.get(budget) as number) - (own.get(budget) as number),
    })),
    gap,
    multiplier: decades && {
      value: 10 ** decades.value,
      interval: decades.interval && { low: 10 ** decades.interval.low, high: 10 ** decades.interval.high },
    },
    slopeRatio,
    verdict: interval === null ? null : interval.low > 0 ? 'better' : interval.high < 0 ? 'worse' : 'even',
    refused: null,
  };
}
