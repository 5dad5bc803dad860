import {
  type Architecture,
  composition,
  type LayerCost,
  type OwnPrimitive,
  type Primitive,
  runs,
} from '../domain/architecture.ts';
import { AggregationError } from './layerwise.ts';
import { contextLength, llama, llama32At3B, type ModelSize, modelSizes, type SizeName, stackCost } from './sizes.ts';

/**
 * A pattern carried to a larger size: by stretching or stacking, to the sizes of `sizes.ts` with what it costs there, or to a size of
 * the trainer of runs at scale (`carryToSize`).
 */

/** How a small pattern is deepened. */
export const scalingRules = ['stretch', 'stack'] as const;
export type ScalingRule = (typeof scalingRules)[number];

/** How fractions of a layer are rounded: up, as published, or to the whole layers nearest to the target. */
export const roundings = ['up', 'nearest'] as const;
export type Rounding = (typeof roundings)[number];

/** Rounding tolerance for products that should be integers. */
const tolerance = 1e-9;
const ceil = (value: number) => Math.ceil(value - tolerance);
const floor = (value: number) => Math.floor(value + tolerance);

function checkFactor(factor: number): void {
  if (!Number.isFinite(factor) || factor <= 0) {
    throw new AggregationError(`a pattern cannot be scaled by ${factor}; the factor must be positive`);
  }
}

/**
 * Stretching (Composer, arXiv 2510.00379): each run of h layers becomes ceil(factor x h) layers.
 *
 * @throws AggregationError for a factor that is not positive.
 */
export function stretch(pattern: Architecture, factor: number): Architecture {
  checkFactor(factor);
  return runs(pattern).flatMap(({ primitive, length }) => new Array<Primitive>(ceil(factor * length)).fill(primitive));
}

/**
 * Stacking (Composer, arXiv 2510.00379): floor(factor) copies of the pattern, then what is missing as one more copy,
 * stretched by the fractional part of the factor. Below a factor of one this is the same as stretching.
 *
 * @throws AggregationError for a factor that is not positive.
 */
export function stack(pattern: Architecture, factor: number): Architecture {
  const { whole, rest } = copies(pattern, factor);
  return rest > 0 ? [...whole, ...stretch(pattern, rest)] : whole;
}

function copies(pattern: Architecture, factor: number): { whole: Architecture; rest: number } {
  checkFactor(factor);
  const count = floor(factor);
  const rest = factor - count;
  return { whole: Array.from({ length: count }, () => pattern).flat(), rest: rest > tolerance ? rest : 0 };
}

/**
 * Stretches to the whole layers nearest to `target` parameters, by largest remainders: every run of h layers gets
 * floor(factor x h), then the runs in order of their remainders, largest first, one layer more where that brings the sum
 * nearer to the target. From a factor of one the result is within half a layer of the target: a run is left out only if its
 * layer would overshoot by more than the sum falls short, and no layer is added that does.
 *
 * @param keepRuns whether a run has at least one layer; below a factor of one the sum may then exceed the target.
 */
function nearestStretch(
  pattern: Architecture,
  {
    factor,
    target,
    size,
    own,
    keepRuns,
  }: Pick<Scaling, 'factor' | 'size' | 'own'> & { target: number; keepRuns: boolean },
): Architecture {
  const rows = runs(pattern).map(({ primitive, length }) => {
    const layers = Math.max(keepRuns ? 1 : 0, floor(factor * length));
    return {
      primitive,
      layers,
      remainder: factor * length - layers,
      each: stackCost([primitive], size, own).parameters,
    };
  });
  let sum = rows.reduce((total, { layers, each }) => total + layers * each, 0);
  // The sort is stable: of equal remainders the run nearer to the input is first.
  for (const row of rows.toSorted((a, b) => b.remainder - a.remainder)) {
    if (row.remainder <= tolerance || Math.abs(sum + row.each - target) >= Math.abs(sum - target)) continue;
    row.layers++;
    sum += row.each;
  }
  return rows.flatMap(({ primitive, layers }) => new Array<Primitive>(layers).fill(primitive));
}

interface Scaling {
  readonly factor: number;
  readonly size: ModelSize;
  readonly rule: ScalingRule;
  readonly rounding: Rounding;
  readonly own: readonly OwnPrimitive[];
}

function scaled(pattern: Architecture, { factor, size, rule, rounding, own }: Scaling): Architecture {
  if (rounding === 'up') return rule === 'stretch' ? stretch(pattern, factor) : stack(pattern, factor);
  const { whole, rest } = rule === 'stack' ? copies(pattern, factor) : { whole: [], rest: factor };
  if (rest === 0) return whole;
  const target = stackCost(llama(size), size).parameters - stackCost(whole, size, own).parameters;
  const part = { factor: rest, target, size, own, keepRuns: whole.length === 0 };
  return [...whole, ...nearestStretch(pattern, part)];
}

/** A pattern at a target size, and its cost. */
export interface Extrapolation extends LayerCost {
  readonly size: string;
  /** `reference`: a known stack of that size, the first of which has the target's parameters. */
  readonly rule: ScalingRule | 'reference';
  /** Null for a reference. */
  readonly rounding: Rounding | null;
  /** Whose shape a reference has; null for others. */
  readonly reference: string | null;
  readonly architecture: Architecture;
  readonly layers: Readonly<Record<Primitive, number>>;
  /** M / m: target over pattern, both in non-embedding parameters at the target's widths. */
  readonly factor: number;
  /** Parameters over those of the target, minus one. */
  readonly overTarget: number;
  /** Tokens of a sample, and in the cache. */
  readonly context: number;
}

/**
 * A pattern scaled to the parameters of the Llama-like model of a size. The published rule rounds every run up, so a
 * pattern of many short runs overshoots: `overTarget` says by how much.
 *
 * @param own manifest entries of the pattern's own primitives.
 * @throws AggregationError for an empty pattern, or a primitive without known costs.
 */
export function extrapolate(
  pattern: Architecture,
  size: ModelSize,
  rule: ScalingRule,
  rounding: Rounding = 'up',
  own: readonly OwnPrimitive[] = [],
): Extrapolation {
  if (pattern.length === 0) throw new AggregationError('an empty pattern cannot be extrapolated');
  const factor = stackCost(llama(size), size).parameters / stackCost(pattern, size, own).parameters;
  const given = { rule, rounding, reference: null, factor };
  return priced(scaled(pattern, { factor, size, rule, rounding, own }), size, given, own);
}

/** A pattern at all target sizes under both rules and roundings, each size after its reference models. */
export function extrapolateAll(pattern: Architecture, own: readonly OwnPrimitive[] = []): Extrapolation[] {
  return Object.values(modelSizes).flatMap((size) => [
    ...referenceModels(size),
    ...scalingRules.flatMap((rule) => roundings.map((rounding) => extrapolate(pattern, size, rule, rounding, own))),
  ]);
}

/** The Llama-like stack that sets the parameters of a size; at 3B, Llama 3.2 3B as well, which has other heads. */
export function referenceModels(size: ModelSize): Extrapolation[] {
  const models: readonly ModelSize[] = size.name === llama32At3B.name ? [size, llama32At3B] : [size];
  return models.map((model) =>
    priced(llama(model), model, { rule: 'reference', rounding: null, reference: model.reference, factor: 1 }, []),
  );
}

function priced(
  architecture: Architecture,
  size: ModelSize,
  given: Pick<Extrapolation, 'rule' | 'rounding' | 'reference' | 'factor'>,
  own: readonly OwnPrimitive[],
): Extrapolation {
  const target: ModelSize = modelSizes[size.name as SizeName] ?? size;
  const cost = stackCost(architecture, size, own);
  return {
    ...given,
    size: size.name,
    architecture,
    layers: composition(architecture),
    ...cost,
    overTarget: cost.parameters / stackCost(llama(target), target).parameters - 1,
    context: contextLength,
  };
}

/**
 * How a pattern is carried to a size whose layers cost what the trainer of runs at scale says, which knows more sizes and families
 * than `sizes.ts`.
 *
 * `stretch` and `stack` are Composer's (arXiv 2510.00379) and never have fewer layers than the pattern has runs, so a deep pattern
 * overshoots a small size. `nearest-fit` does not: it reads evenly spaced layers at the depth whose parameters are nearest.
 */
export const carryRules = ['stretch', 'stack', 'nearest-fit'] as const;
export type CarryRule = (typeof carryRules)[number];

/** Parameters of one layer of each primitive at the target's widths. */
type LayerSizes = Readonly<Record<Primitive, number>>;

/** Layers of the deepest architecture. */
const deepest = 512;

/** @throws AggregationError for a primitive that the trainer does not list. */
function total(layers: Architecture, size: LayerSizes): number {
  return layers.reduce((sum, layer) => {
    const each = size[layer];
    if (each === undefined) throw new AggregationError(`the trainer of runs at scale knows no parameters of ${layer}`);
    return sum + each;
  }, 0);
}

/** The layers of `pattern` at the middles of `depth` equal parts. */
function sampled(pattern: Architecture, depth: number): Architecture {
  return Array.from({ length: depth }, (_, layer) => {
    return pattern[Math.floor(((layer + 0.5) / depth) * pattern.length)] as Primitive;
  });
}

/** Nearest by ratio; of two equally near depths the smaller. */
function nearestFit(pattern: Architecture, target: number, size: LayerSizes): Architecture {
  const distance = (layers: Architecture) => Math.abs(Math.log(total(layers, size) / target));
  let best = sampled(pattern, 1);
  for (let depth = 2; depth <= deepest; depth++) {
    const layers = sampled(pattern, depth);
    if (distance(layers) < distance(best)) best = layers;
  }
  return best;
}

/**
 * A pattern carried to the parameters of `reference`, a stack of the target's size.
 *
 * @throws AggregationError for an empty pattern, or a primitive that the trainer does not list.
 */
export function carryToSize(
  pattern: Architecture,
  reference: Architecture,
  size: LayerSizes,
  rule: CarryRule,
): Architecture {
  if (pattern.length === 0) throw new AggregationError('an empty pattern cannot be extrapolated');
  if (rule === 'nearest-fit') return nearestFit(pattern, total(reference, size), size);
  const factor = total(reference, size) / total(pattern, size);
  return rule === 'stretch' ? stretch(pattern, factor) : stack(pattern, factor);
}
