export { busesAt, type LabSetting } from './buses.ts';
export { openChat, recordingPath } from './chat.ts';
export {
  type EnsembleSetting,
  limitsFor,
  openLab,
  type Part,
  type PartName,
  parts,
  startAgent,
  startArchivist,
  startWorker,
  tokensOf,
  type WorkerSetting,
} from './lab.ts';
export { runStudy, type TrainedRun } from './studyRuns.ts';
