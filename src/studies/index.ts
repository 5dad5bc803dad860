export { type Analysis, type ArmSummary, analyse, type TaskCurves } from './analysis.ts';
export { type Attribution, type AttributionPlan, type ChangeEffect, conclude, planAttribution } from './attribution.ts';
export type { Comparison } from './comparisons.ts';
export { type Difference, differenceOf, differenceText, distanceOf } from './difference.ts';
export {
  type RunResult,
  runName,
  type TaskFacts,
  trainedFacts,
  trainedResult,
} from './results.ts';
export {
  type Arm,
  agentsOf,
  interleaved,
  type Study,
  searchFileOf,
  studyJsonSchema,
  studySchema,
} from './spec.ts';
export { runTabulated, tableFacts, tableSearch } from './tabulated.ts';
