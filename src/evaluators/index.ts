/**
 * Evaluators: from a job to its scores.
 *
 * Role: trainers of stacks (`stacks`), of programs (`programs`), of runs at scale (`scale`) and of tabular benchmarks (`table.ts`), one
 * interface for all (`evaluator.ts`); the content guard and the worker's own task directories (`openEvaluator.ts`); `aira doctor`.
 * Non-role: which jobs there are, promotion.
 *
 * - One single-threaded trainer process per CPU core, or one per GPU, speaking JSON lines (`stacks/trainer.ts`).
 * - The evaluator version is `<engine>-<hash of the sources that decide a score>` (`version.ts`); a worker takes jobs of its own version
 *   only. Engines therefore never meet in one search (I2). `docs/tasks.md` describes them. The vector width that torch chooses
 *   is not part of the version: machines of different kinds may differ in the last bits.
 * - A search over primitives of the user has their digests in its version (`domain/architecture.ts`); a worker takes its jobs if it
 *   has the same modules. `primitives.ts` asks Python for their manifest.
 * - A training depends on (architecture, seed, settings) alone (I6), and on the files that the job names: they are compared
 *   before and after (I10). A job whose files differ ends as `data`.
 * - A program is trained and asked for predictions in a fresh sandbox each; a trusted process computes the score (I3).
 *   `programs/trial.ts` takes one program from files to scores, `programs/preparation.ts` prepares data once per hash of all that decides
 *   them, `programs/stage.ts` runs one stage with its trusted process next to a sandbox, and maps its end to a reason code.
 * - A rehearsal (`rehearsals.ts`) is a short training before a proposal: the same stages, on training rows that
 *   `gpu-workers/aira_rehearsal` divides again, so that no hidden row has a part in it. It gives no score.
 */

export { type Check, examineMachine } from './doctor.ts';
export {
  batchKey,
  type EvaluateHandlers,
  type Evaluator,
  type EvaluatorHello,
} from './evaluator.ts';
export { type EvaluatorOptions, localSettings, openEvaluator, runsScripts } from './openEvaluator.ts';
export { askPrimitives, manifestOf, manifestWith, primitiveFolders } from './primitives.ts';
export { prepareTask } from './programs/preparation.ts';
export { openRehearsals } from './rehearsals.ts';
export { ScaleEvaluator } from './scale/evaluator.ts';
export {
  type Described,
  type ExportForm,
  exportForms,
  type Price,
  type SweepEvent,
  zeroShotTasks,
} from './scale/protocol.ts';
export {
  buildTokens,
  describeScale,
  type ExportOrder,
  exportConfiguration,
  exportModel,
  priceScale,
  scoreItems,
  sweepJob,
  type TaskItems,
  tokenData,
} from './scale/tools.ts';
export { type ScaleWorkerOptions, trainerJob, trunkOf } from './scale/trainerJob.ts';
export { engineFor, probeEngine, workerCommand } from './stacks/engine.ts';
export { NativeWorker, type NativeWorkerOptions } from './stacks/nativeWorker.ts';
export type { WorkerCommand } from './stacks/trainer.ts';
export { WorkerStartError } from './stacks/trainer.ts';
export {
  type BuildProgress,
  buildTable,
  fewestTrainingSeeds,
  readTable,
  Table,
  type TableFile,
  type TableQuery,
  tableSchema,
  tableTrainer,
} from './table.ts';
export { evaluatorVersion, scaleVersion, versionFor } from './version.ts';
