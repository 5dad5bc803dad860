import { ascending, group, mean } from 'd3-array';
import type { Rng } from '../domain/rng.ts';
import { type Interval, quantileOf, type Resampling } from './pairs.ts';
import { criticalValue } from './power.ts';
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

const runOf = ({ parameters, seed }: ScalingPoint): string => `${parameters} ${seed}`;

/** A curve prepared for many fits at the same places. */
interface Prepared {
  readonly curve: IsoFlop;
  readonly plan: ParabolaPlan;
  readonly fitted: readonly number[];
  /** log10 D by log10 N. */
  readonly tokens: (logParameters: number) => number;
}

function prepare(curve: IsoFlop): Prepared | null {
  const plan = parabolaPlan(curve.points);
  if (plan === null || curve.curve === null) return null;
  const at = curve.curve;
  const fitted = curve.points.map(({ parameters }) => at(Math.log10(parameters)));
  return { curve, plan, fitted, tokens: tokensBySize(curve.points) };
}

/** Losses of one resample, by architecture and curve, in the order of the curve's points. */
type Draw = (architecture: number, prepared: Prepared) => number[];
type Drawing = {
  readonly of: 'seeds' | 'residuals';
  readonly degrees: number;
  readonly spread: number;
  next(rng: Rng): Draw;
};

const atLeast = (values: readonly number[]): number => (values.length === 0 ? 0 : Math.min(...values));

/** Seeds of each size, the same draw for sizes of equal rank in all architectures. */
function seedDrawing(all: readonly (readonly Prepared[])[]): Drawing | null {
  const cells = all.flatMap((curves) =>
    curves.flatMap(({ curve }) => [...group(curve.points, ({ parameters }) => parameters).values()]),
  );
  const fewest = atLeast(cells.map((cell) => cell.length));
  if (fewest < seedsToRedraw) return null;
  // Budgets of one run are not independent: the one with most seeds counts.
  const free = ({ curve }: Prepared) => curve.points.length - curve.sizes.length;
  const degrees = all.reduce((sum, curves) => sum + Math.max(0, ...curves.map(free)), 0);
  return {
    of: 'seeds',
    degrees,
    // Redrawing n values underestimates their variance by (n - 1) / n.
    spread: Math.sqrt(fewest / (fewest - 1)),
    next(rng) {
      const draws = new Map<number, number[]>();
      const draw = (rank: number, place: number): number => {
        const known = draws.get(rank) ?? [];
        draws.set(rank, known);
        while (known.length <= place) known.push(rng.float());
        return known[place] as number;
      };
      return (_, { curve }) =>
        curve.sizes.flatMap((size, rank) => {
          const at = curve.points.filter(({ parameters }) => parameters === size);
          return at.map((_point, place) => (at[Math.floor(draw(rank, place) * at.length)] as ScalingPoint).loss);
        });
    },
  };
}

/** Standardised residuals of whole runs, from a pool of all architectures. */
function residualDrawing(all: readonly (readonly Prepared[])[]): Drawing | null {
  const runs = new Map<string, Map<number, number>>();
  for (const [index, curves] of all.entries()) {
    for (const { curve, plan, fitted } of curves) {
      for (const [place, point] of curve.points.entries()) {
        const free = 1 - (plan.leverage[place] as number);
        if (free < 1e-9) continue;
        const key = `${index} ${runOf(point)}`;
        const run = runs.get(key) ?? new Map<number, number>();
        run.set(curve.budget, (point.loss - (fitted[place] as number)) / Math.sqrt(free));
        runs.set(key, run);
      }
    }
  }
  const degrees = all.reduce((sum, curves) => sum + Math.max(0, ...curves.map(({ curve }) => curve.degrees)), 0);
  if (degrees === 0 || runs.size === 0) return null;
  const pool = [...runs.values()];
  const having = new Map<number, { residuals: number[]; centre: number }>();
  for (const budget of new Set(pool.flatMap((run) => [...run.keys()]))) {
    const residuals = pool.flatMap((run) => run.get(budget) ?? []);
    having.set(budget, { residuals, centre: mean(residuals) as number });
  }
  return {
    of: 'residuals',
    degrees,
    spread: 1,
    next(rng) {
      const donors = new Map<string, Map<number, number>>();
      return (architecture, { curve, fitted }) =>
        curve.points.map((point, place) => {
          const key = `${architecture} ${runOf(point)}`;
          const donor = donors.get(key) ?? rng.pick(pool);
          donors.set(key, donor);
          const known = having.get(curve.budget);
          if (!known) return fitted[place] as number;
          // A donor that was not trained at this budget passes the question to one that was.
          const residual = donor.get(curve.budget) ?? rng.pick(known.residuals);
          return (fitted[place] as number) + residual - known.centre;
        });
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
  const minima = all.map((curves, index) =>
    curves.flatMap((prepared) => {
      const { curve, plan, tokens } = prepared;
      // Only budgets whose own fit has a minimum enter an estimate.
      if (curve.minimum === null) return [];
      const vertex = vertexOf(parabolaOf(plan, draw(index, prepared)), plan.centre);
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
  const prepared = curves.map((each) => each.flatMap((curve) => prepare(curve) ?? []));
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
  const own10 = fit.frontier?.slope;
  const slopeRatio =
    slope === undefined || own10 === undefined
      ? null
      : estimate(own10 / slope - 1, ({ frontiers }) => {
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
