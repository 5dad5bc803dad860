export { type ComponentDeps as LabSetting, roleConnections as busesAt } from './buses.ts';
export { openChat, recordingPath } from './chat.ts';
export {
  type Component as Part,
  type ComponentName as PartName,
  components as parts,
  type LabOptions as EnsembleSetting,
  limitsFor,
  openLab,
  startAgent,
  startArchivist,
  startWorker,
  tokensOf,
  type WorkerOptions as WorkerSetting,
} from './lab.ts';
export { runStudy, type TrainedRun } from './studyRuns.ts';
