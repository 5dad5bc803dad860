import { type Architecture, composition, type Primitive, runs } from '../domain/architecture.ts';
import { AggregationError } from './pool.ts';
import {
  cacheBytes,
  contextLength,
  llama,
  type ModelSize,
  modelSizes,
  parameters,
  trainingFlopsPerToken,
} from './sizes.ts';

/** How a small pattern is deepened. */
export const scalingRules = ['stretch', 'stack'] as const;
export type ScalingRule = (typeof scalingRules)[number];

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
  checkFactor(factor);
  const copies = floor(factor);
  const rest = factor - copies;
  const whole = Array.from({ length: copies }, () => pattern).flat();
  return rest > tolerance ? [...whole, ...stretch(pattern, rest)] : whole;
}

/** A pattern at a target size, and its cost. */
export interface Extrapolation {
  readonly size: string;
  /** `reference` is the Llama stack whose parameters the others were scaled to. */
  readonly rule: ScalingRule | 'reference';
  readonly architecture: Architecture;
  readonly layers: Readonly<Record<Primitive, number>>;
  /** M / m: target over pattern, both in non-embedding parameters at the target's widths. */
  readonly factor: number;
  readonly parameters: number;
  readonly trainingFlopsPerToken: number;
  readonly cacheBytes: number;
  /** Tokens of a sample, and in the cache. */
  readonly context: number;
}

/**
 * A pattern scaled to the parameters of the Llama model of a size. Rounding up whole layers overshoots: the result has at
 * least as many parameters as the target.
 *
 * @throws AggregationError for an empty pattern.
 */
export function extrapolate(
  pattern: Architecture,
  size: ModelSize,
  rule: ScalingRule,
  context: number = contextLength,
): Extrapolation {
  if (pattern.length === 0) throw new AggregationError('an empty pattern cannot be extrapolated');
  const factor = parameters(llama(size), size) / parameters(pattern, size);
  return priced(rule === 'stretch' ? stretch(pattern, factor) : stack(pattern, factor), size, rule, factor, context);
}

/** A pattern at all target sizes under both rules, each size after its reference model. */
export function extrapolateAll(pattern: Architecture, context: number = contextLength): Extrapolation[] {
  return Object.values(modelSizes).flatMap((size) => [
    referenceModel(size, context),
    ...scalingRules.map((rule) => extrapolate(pattern, size, rule, context)),
  ]);
}

/** The Llama stack of a size, in the same units. */
export function referenceModel(size: ModelSize, context: number = contextLength): Extrapolation {
  return priced(llama(size), size, 'reference', 1, context);
}

function priced(
  architecture: Architecture,
  size: ModelSize,
  rule: Extrapolation['rule'],
  factor: number,
  context: number,
): Extrapolation {
  return {
    size: size.name,
    rule,
    architecture,
    layers: composition(architecture),
    factor,
    parameters: parameters(architecture, size),
    trainingFlopsPerToken: trainingFlopsPerToken(architecture, size, context),
    cacheBytes: cacheBytes(architecture, size, context),
    context,
  };
}
