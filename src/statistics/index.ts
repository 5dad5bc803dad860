export { acceptance, freshSeeds, recordBreakers, type Trial, twoSigma } from './acceptance.ts';
export { elo, type Rating } from './elo.ts';
export {
  effectSize,
  type Interval,
  interquartileMean,
  iqmDifference,
  type Pair,
  pairedBootstrap,
  permutationTest,
} from './pairs.ts';
export { detectable, fewestPairs, holm, pairsNeeded } from './power.ts';
export { type Agreement, agreement, agreementSentence } from './rankCorrelation.ts';
export { bandedCurve, type Curve, normalisedScore, validRate } from './scores.ts';
export {
  type Comparison,
  comparePaired,
  marginOf,
  type Noise,
  pairedNoise,
  pooledNoise,
  type SeedScore,
  summarise,
} from './seeds.ts';
