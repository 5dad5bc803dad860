import { isLost } from '../domain/ending.ts';
import { PrerequisiteError, toError } from '../domain/errors.ts';
import { trainings } from '../domain/ladder.ts';
import type { SearchSpec } from '../domain/search.ts';
import { readArchive } from '../memory/index.ts';
import { type Device, deferred, type Timers } from '../platform/index.ts';
import { type RunResult, trainedResult } from '../studies/index.ts';
import type { Lab, RunningSearch } from './lab.ts';

/** One run of a study in the laboratory. */
export interface TrainedRun {
  readonly arm: string;
  /** Label of the task. */
  readonly task: string;
  readonly spec: SearchSpec;
}

export interface StudyRunsOptions {
  readonly lab: Lab;
  readonly home: string;
  readonly devices: readonly Device[];
  readonly runs: readonly TrainedRun[];
  /** The study file, which each search keeps. */
  readonly source: string;
  readonly timers: Timers;
  readonly onRun: (result: RunResult, known: boolean) => void;
  /** How far the run under way is, 0 to 1, and in words. */
  readonly onProgress: (share: number, now: string) => void;
  readonly signal: AbortSignal;
}

const lookEveryMs = 500;

/** The recorded result of a run that has ended; null for any other. */
function recorded(home: string, { arm, task, spec }: TrainedRun): RunResult | null {
  const reader = readArchive(home);
  try {
    if (!reader.searches.exists(spec.id) || reader.searches.phase(spec.id) !== 'finished') return null;
    const { agents } = reader.searchStatus.of(spec.id);
    const lost = agents.filter(({ end }) => end !== null && isLost(end)).length;
    return { arm, task, seed: spec.seed, ...trainedResult(spec, reader.records.nodes(spec.id), lost) };
  } finally {
    reader.close();
  }
}

function watchProgress(running: RunningSearch, { arm, spec }: TrainedRun, setting: StudyRunsOptions): () => void {
  const planned = trainings(spec.budget.evaluations, spec.references.length, spec.ladder);
  const all = planned.screen + planned.confirm + planned.final;
  return setting.timers.every(lookEveryMs, () => {
    const searchStatus = running.searchStatus();
    if (!searchStatus) return;
    const done = searchStatus.doneOn.screen + searchStatus.doneOn.confirm + searchStatus.doneOn.final;
    const now = `${arm} on seed ${spec.seed}, ${searchStatus.phase}: ${searchStatus.trainings.done} trained, ${searchStatus.training} training`;
    setting.onProgress(Math.min(1, done / Math.max(1, all)), now);
  });
}

/**
 * The runs of a study as ordinary searches of one laboratory, one after the other, on workers that stay.
 *
 * Role: runs what has not been run, in the given order, and reads results back from the ledger. Non-role: planning and
 * order (studies), the life of a search (its actor).
 *
 * STU-1. A run that the ledger records as finished is not run again; an unfinished one is resumed. So the same command
 *     resumes an interrupted study, and adds seeds to a finished one.
 * STU-2. A result is read from the ledger alone, never from what was seen while it ran.
 *
 * @returns the results; fewer than the runs where it was stopped.
 *
 * @throws whatever ends a search badly, and PrerequisiteError when all workers have given up.
 */
export async function runStudy(setting: StudyRunsOptions): Promise<RunResult[]> {
  const { lab, home, devices, runs, source, onRun, signal } = setting;
  const results: RunResult[] = [];
  const open = runs.filter((run) => {
    const result = recorded(home, run);
    if (!result) return true;
    results.push(result);
    onRun(result, true);
    return false;
  });
  if (open.length === 0) return results;
  const kinds = [...new Set(open.map(({ spec }) => spec.space.kind))];
  const workers = lab.startWorkers(devices, kinds);
  const lost = deferred<never>();
  // A rejection may have no listener left.
  lost.promise.catch(() => undefined);
  Promise.all(workers.map(({ ended }) => ended)).then((ends) => {
    const error = ends.find((end) => end !== null);
    if (error) lost.reject(toError(error));
  }, lost.reject);
  try {
    for (const run of open) {
      if (signal.aborted) break;
      const running = lab.runSearch(run.spec, source, { devices: [], without: [], crew: workers.length });
      const drain = () => running.drain();
      signal.addEventListener('abort', drain);
      const stopWatching = watchProgress(running, run, setting);
      try {
        const end = await Promise.race([running.ended, lost.promise]);
        if (end.how === 'failed') throw end.error;
      } finally {
        stopWatching();
        signal.removeEventListener('abort', drain);
      }
      const result = recorded(home, run);
      if (result) {
        results.push(result);
        onRun(result, false);
      } else if (!signal.aborted) {
        throw new PrerequisiteError(
          'study-run',
          `the search ${run.spec.id} was stopped`,
          'give the same command again',
        );
      }
    }
    return results;
  } finally {
    for (const worker of workers) worker.stop();
    await Promise.all(workers.map(({ ended }) => ended));
  }
}
