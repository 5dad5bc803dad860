/**
 * Actors: the life cycles of a lab, as XState machines, and the lab that composes them.
 *
 * Role: archivist (the only writer of the archive), worker, agent, search, scale plan; start, drain and stop of each
 * and the connections per role (`components.ts`); runs of a study (`studyRuns.ts`). Non-role: how a candidate is proposed
 * (agents) or trained (evaluators), what a study concludes (studies). A machine gets its dependencies as one `…Deps` object and
 * reads no clock of its own.
 *
 * - Whatever goes wrong with a job is an outcome of that job; a worker ends only when its trainer cannot start or it is
 *   stopped.
 * - Requests and results that arrive while the disk syncs share the next transaction, each in its own savepoint, and are
 *   answered when it is on disk (`archivist.ts`).
 * - Jobs of a search whose process died leave the queue, and are queued again when it is resumed.
 * - Screening ends early for lack of time when the shortage lasts, judged by the workers of the launch and by measured final
 *   trainings (`domain/ladder.ts`).
 * - Runs of a study: arms of one seed run next to each other, in rotating order, on workers that outlive a search, in one
 *   archive. A run's name contains a hash of its specification, so a repeated or extended study finds the runs that exist.
 */

export { openChat, recordingPath } from './chat.ts';
export {
  type Component,
  type ComponentDeps,
  limitsFor,
  roleConnections,
  startAgent,
  startArchivist,
  startWorker,
  tokensOf,
  type WorkerOptions,
  type WorkerPart,
} from './components.ts';
export { type ComponentName, components, type LabOptions, openLab } from './lab.ts';
export { watchEvents } from './machines.ts';
export type { ScaleProgress } from './scalePlan.ts';
export { runStudy, type TrainedRun } from './studyRuns.ts';
export type { Stay } from './workerSteps.ts';
