export { childEnvironment, type Environment } from '../platform/childProcess.ts';
export { chooseDevices, type Device, inspectMachine, type Machine } from '../platform/devices.ts';
export { packageRoot, taskRoots, trainersDirectory } from '../platform/packageRoot.ts';
export { type MemoryProbe, procMemory } from '../platform/processes.ts';
export { findNatsServer, findPython, machinePlaces, type ToolchainPlaces } from '../platform/toolchain.ts';
export { describeSandbox, openSandbox, probeSandbox, type Sandbox } from '../sandbox/index.ts';
export { type CheckOrder, checkTask, type TaskFinding } from '../tasks/airs/index.ts';
export { changesSince, contentOf, dataOf, directoryDigest, filesRead, readingOf } from '../tasks/content.ts';
export { digestTaskDirectory } from '../tasks/data/dataDigest.ts';
export { changedData, dataFolder, importData } from '../tasks/data/import.ts';
export { dataSetNames } from '../tasks/data/inspect.ts';
export { type DataRecord, importedData } from '../tasks/data/records.ts';
export { listTasks, loadTask, profileOf, registeredTasks, registerTask, type TaskEntry } from '../tasks/tasks.ts';
export { type Check, type ExamineOptions, examineMachine } from './doctor.ts';
export {
  batchKey,
  type EvaluateHandlers,
  type Evaluator,
  type EvaluatorHello,
  type OnOutcome,
  type Progress,
} from './evaluator.ts';
export { type EvaluatorSetting, openEvaluator, versionFor } from './openEvaluator.ts';
export { localSettings, runsScripts } from './ownTasks.ts';
export { prepareTask } from './programs/index.ts';
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
  type TableLook,
  tableSchema,
} from './tabular/table.ts';
export { tableTrainer } from './tabular/trainer.ts';
