/**
 * Statistics: pure functions; resampling draws from labelled streams, so equal input gives equal figures.
 *
 * Role: paired comparisons, intervals, permutation tests, power, rank correlation, acceptance of programs, scaling fits. Non-role:
 * files, searches.
 *
 * - The unit of inference is what varies when trainings are repeated: a paired seed that has training seeds of its own
 *   or a training seed that many searches share (both in `pairs.ts`).
 * - A program is accepted when it beats the best so far on the final rung by more than two standard errors of the paired
 *   difference, with noise pooled over all that was trained there and Student's t; then it and the baseline are trained on a
 *   fresh seed, and fresh seed and hidden split have to agree (`acceptance.ts`). Anything less is "not distinguishable", and
 *   what does not exceed the floors of its rows is not accepted at all.
 */

export {
  acceptance,
  type Floor,
  type FloorLevel,
  floorAbove,
  floorLevels,
  freshSeeds,
  recordBreakers,
  type Trial,
  twoSigma,
} from './acceptance.ts';
export {
  type CrossedPair,
  criticalValue,
  crossedEstimate,
  crossedInterval,
  detectable,
  effectSize,
  fewestPairs,
  holm,
  type Interval,
  iqmDifference,
  type Judged,
  type Pair,
  pairedBootstrap,
  pairsNeeded,
  permutationTest,
} from './pairs.ts';
export {
  type Agreement,
  agreement,
  agreementSentence,
  auditProxy,
  type ProxyAudit,
  type RungScores,
} from './proxyAudit.ts';
export {
  type EqualCompute,
  type Estimate,
  type FrontierFit,
  fitScaling,
  type ScalingFits,
} from './scalingBootstrap.ts';
export type { ScalingPoint } from './scalingFit.ts';
export { fitLaw, type LawResult } from './scalingLaw.ts';
export {
  type AccuracyDifference,
  bandedCurve,
  type Curve,
  compareItems,
  elo,
  type ItemScores,
  normalisedScore,
  type Rating,
  validRate,
} from './scores.ts';
export {
  type Comparison,
  comparePaired,
  marginOf,
  type Noise,
  type NoisePrior,
  noisePrior,
  pairedNoise,
  pooledNoise,
  type SeedScore,
  summarise,
} from './seeds.ts';
