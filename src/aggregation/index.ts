export {
  type Extrapolation,
  extrapolateAll,
} from './extrapolate.ts';
export {
  aggregate,
  aggregateByAgent,
  type Conditioning,
  conditionings,
  type Pattern,
} from './layerwise.ts';
export {
  AggregationError,
  type ScoredNode,
} from './pool.ts';
