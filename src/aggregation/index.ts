/**
 * Aggregation: what all agents' nodes have in common, and what it costs at a larger size.
 *
 * Role: K-means on scores, layer-wise clustering, stretching and stacking to 350M, 1B and 3B, parameter and FLOP counts. Pure
 * functions. Non-role: training an aggregate, programs (they have no layers to vote on).
 *
 * - Equal scores are never split between clusters, and equal input gives equal output.
 */

export {
  type Extrapolation,
  extrapolate,
  extrapolateAll,
  referenceModel,
  type ScalingRule,
  scalingRules,
  stack,
  stretch,
} from './extrapolate.ts';
export {
  aggregate,
  aggregateByAgent,
  type Conditioning,
  conditionings,
  type LayerVote,
  layerwise,
  type Pattern,
} from './layerwise.ts';
export {
  AggregationError,
  type Cluster,
  type Electorate,
  elect,
  kmeans,
  type Member,
  type ScoredNode,
} from './pool.ts';
export {
  cacheBytes,
  contextLength,
  layerParameters,
  llama,
  type ModelSize,
  modelSizes,
  parameters,
  type SizeName,
  sizeNames,
  trainingFlopsPerSample,
  trainingFlopsPerToken,
} from './sizes.ts';
