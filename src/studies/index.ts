/**
 * Studies: arms on paired seeds at equal budgets, and what they show.
 *
 * Role: study files, results, comparisons, attribution of a gain to changes, searches simulated on a tabular benchmark.
 * Non-role: running searches (actors), rendering (report).
 *
 * - A simulated search applies the archive's rules of submission and view in memory around the ordinary `think`; a property
 *   test compares its nodes with those of a real archive whose results arrive in any order. A table serves local models only.
 * - An attribution undoes each change alone and trains node, parent and variants on equal seeds of the final rung, as a search
 *   without agents: counted once, resumable, audited. One noise is estimated from all of them, with seeds as blocks; the
 *   intervals have simultaneous 95 % coverage (Bonferroni). What single changes do not explain is reported as interaction.
 * - `docs/ablation.md` is the method.
 */

export { type Analysis, analyse, type Comparison, inferenceSentence } from './analysis.ts';
export {
  type Attribution,
  type AttributionPlan,
  type ChangeEffect,
  conclude,
  type Difference,
  differenceOf,
  differenceText,
  distanceOf,
  planAttribution,
} from './attribution.ts';
export {
  type Arm,
  agentsOf,
  fewestSeeds,
  interleaved,
  type RunResult,
  runName,
  type Study,
  searchFileOf,
  studyJsonSchema,
  studySchema,
  type TaskFacts,
  trainedFacts,
  trainedResult,
} from './spec.ts';
export { runTabulated, tableFacts, tableSearch } from './tabulated.ts';
