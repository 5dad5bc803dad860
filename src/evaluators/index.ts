export { type Check, examineMachine } from './doctor.ts';
export {
  batchKey,
  type EvaluateHandlers,
  type Evaluator,
  type EvaluatorHello,
} from './evaluator.ts';
export { type EvaluatorOptions, openEvaluator, versionFor } from './openEvaluator.ts';
export { localSettings, runsScripts } from './ownTasks.ts';
export { prepareTask } from './programs/commands.ts';

export { engineFor, evaluatorVersion, probeEngine } from './stacks/engine.ts';
export { NativeWorker, type NativeWorkerOptions } from './stacks/nativeWorker.ts';
export { WorkerStartError } from './stacks/trainer.ts';
export { workerCommand } from './stacks/workerCommand.ts';
export type { WorkerCommand } from './stacks/workerProcess.ts';
export {
  type BuildProgress,
  buildTable,
  readTable,
  Table,
  type TableFile,
  type TableQuery,
  tableSchema,
} from './tabular/table.ts';
export { tableTrainer } from './tabular/trainer.ts';
