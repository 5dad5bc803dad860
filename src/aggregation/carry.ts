import type { Architecture, Primitive } from '../domain/architecture.ts';
import { stack, stretch } from './extrapolate.ts';
import { AggregationError } from './layerwise.ts';

/**
 * A pattern carried to a size whose layers cost what somebody else says: the trainer of runs at scale, which knows more sizes and
 * families than `sizes.ts`.
 *
 * `stretch` and `stack` are Composer's (arXiv 2510.00379) and never have fewer layers than the pattern has runs, so a deep pattern
 * overshoots a small size. `nearest-fit` does not: it reads evenly spaced layers at the depth whose parameters are nearest.
 */
export const carryRules = ['stretch', 'stack', 'nearest-fit'] as const;
export type CarryRule = (typeof carryRules)[number];

/** Parameters of one layer of each primitive at the target's widths. */
export type LayerSizes = Readonly<Record<Primitive, number>>;

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
