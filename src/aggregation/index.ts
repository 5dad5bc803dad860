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
