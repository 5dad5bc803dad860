/**
 * Scale: plans of trainings at growing sizes, and what their losses show.
 *
 * Role: the plan file, its expansion into runs, prices, observations and their analysis, models for export.
 * Non-role: training (gpu-workers/aira_scale), queue and ledger (actors, memory), pages (report).
 *
 * - A plan is stored as a search without agents: each budget of each run is a reference, so its trainings are ordinary evaluations:
 *   counted once under a key that hashes data, trainer, device class, model, recipe and seed, resumable, audited.
 * - Budgets of one run share a trunk (warm-up, stable, decay): each is an evaluation of its own, and its loss depends on its own
 *   budget alone.
 * - Parameters, FLOPs and memory are what the trainer says (`describe`, `price`); there is no second formula here.
 */

export {
  analyseScale,
  type ScaleAnalysis,
  type ScaleComparison,
  type ScaleQuestion,
} from './analysis.ts';
export { type PlanMachine, smallestRuns } from './expand.ts';
export {
  duration,
  lossTable,
  powerText,
  referenceOf,
  type ScaleObservation,
  scaleObservations,
  shortNumber,
} from './observations.ts';
export { type ScaleFile, scaleFileJsonSchema, scaleFileSchema } from './plan.ts';
export {
  dataNameOf,
  forecastText,
  generatedName,
  modelFor,
  planSpec,
  type ResolvedPlan,
  resolvePlan,
  searchProvenance,
  vocabularyOf,
} from './resolve.ts';
export {
  largestTrainings,
  type ZeroShotResult,
  type ZeroShotScore,
  zeroShotFileSchema,
  zeroShotResult,
  zeroShotText,
} from './zeroShot.ts';
