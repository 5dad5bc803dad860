export { type ComponentDeps, roleConnections } from './buses.ts';
export { openChat, recordingPath } from './chat.ts';
export {
  type Component,
  type ComponentName,
  components,
  type LabOptions,
  limitsFor,
  openLab,
  startAgent,
  startArchivist,
  startWorker,
  tokensOf,
  type WorkerOptions,
} from './lab.ts';
export { runStudy, type TrainedRun } from './studyRuns.ts';
