export { type Check, type ExamineOptions, examineMachine } from './doctor.ts';
export {
  batchKey,
  type EvaluateHandlers,
  type Evaluator,
  type EvaluatorHello,
  type OnOutcome,
  type Progress,
} from './evaluator.ts';
export { type EvaluatorOptions, openEvaluator, versionFor } from './openEvaluator.ts';
export { localSettings, runsScripts } from './ownTasks.ts';
export { prepareTask } from './programs/commands.ts';
export type { Hello } from './protocol.ts';
export { type Engine, type EngineChoice, engineFor, evaluatorVersion, probeEngine } from './stacks/engine.ts';
export { NativeWorker, type NativeWorkerOptions } from './stacks/nativeWorker.ts';
export { WorkerStartError } from './stacks/trainer.ts';
export { type WorkerCommandOptions, workerCommand } from './stacks/workerCommand.ts';
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
