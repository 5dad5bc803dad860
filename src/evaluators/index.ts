export { chooseDevices, type Device, inspectMachine, type Machine } from './devices.ts';
export { type Check, type ExamineOptions, examineMachine } from './doctor.ts';
export { type Engine, type EngineChoice, engineFor } from './engine.ts';
export { evaluatorVersion } from './evaluatorVersion.ts';
export {
  type EvaluateHandlers,
  NativeWorker,
  type NativeWorkerOptions,
  type Progress,
} from './nativeWorker.ts';
export { packageRoot, taskRoots, trainersDirectory } from './packageRoot.ts';
export { batchKey, type OnOutcome } from './population.ts';
export { type MemoryProbe, procMemory } from './processMemory.ts';
export { childEnvironment, type Environment } from './program.ts';
export type { Hello } from './protocol.ts';
export { type BuildProgress, buildTable } from './table/build.ts';
export { readTable, Table, type TableFile, type TableLook, tableSchema } from './table/table.ts';
export { tableTrainer } from './table/trainer.ts';
export { listTasks, loadTask, profileOf, type TaskEntry } from './tasks.ts';
export { findNatsServer, findPython, machinePlaces, type ToolchainPlaces } from './toolchain.ts';
export { WorkerStartError } from './trainer.ts';
export { type WorkerCommandOptions, workerCommand } from './workerCommand.ts';
export type { WorkerCommand } from './workerProcess.ts';
