/**
 * Aggregation: what all agents' nodes have in common, and what it costs at a larger size.
 *
 * Role: K-means on scores, layer-wise clustering, stretching and stacking to 350M, 1B and 3B, parameter and FLOP counts. Pure
 * functions. Non-role: training an aggregate, programs (they have no layers to vote on).
 *
 * - Equal scores are never split between clusters, and equal input gives equal output.
 */

export { type CarryRule, carryRules, carryToSize, type Extrapolation, extrapolateAll } from './extrapolate.ts';
export {
  AggregationError,
  aggregate,
  aggregateByAgent,
  aggregateUnder,
  type Conditioning,
  conditionings,
  type Pattern,
  type ScoredNode,
} from './layerwise.ts';
export { contextLength, type ModelSize, modelSizes } from './sizes.ts';
