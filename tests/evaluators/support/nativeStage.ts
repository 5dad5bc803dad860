import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { Job, Outcome } from '../../../src/domain/evaluation.ts';
import type { EvaluationKey } from '../../../src/domain/ids.ts';
import { type EvaluateHandlers, NativeWorker, type NativeWorkerOptions } from '../../../src/evaluators/index.ts';
import { manualOptions, standInCommand, standInJob } from './jobs.ts';
import { ManualTime } from './manualTime.ts';
import { isRunning } from './processes.ts';

/** Time and a directory of each test of a file, new for every test. */
export const stage = { time: new ManualTime(), directory: '' };
const workers: NativeWorker[] = [];

beforeEach(() => {
  stage.time = new ManualTime();
  stage.directory = mkdtempSync(join(tmpdir(), 'aira-worker-'));
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map(finish));
  rmSync(stage.directory, { recursive: true, force: true });
});

/** Stops a worker with a simulated clock: the grace period elapses at once. */
async function finish(worker: NativeWorker): Promise<void> {
  const { pid } = worker;
  const stopped = worker.stop();
  if (pid !== undefined && isRunning(pid)) process.kill(-pid, 'SIGKILL');
  await stopped;
}

export function workerOf(greeting = 'politely', options: Partial<NativeWorkerOptions> = {}): NativeWorker {
  const worker = new NativeWorker({ ...manualOptions(standInCommand(greeting), stage.time), ...options });
  workers.push(worker);
  return worker;
}

/** All outcomes of an evaluation in the order of their arrival. */
export async function outcomesOf(
  worker: NativeWorker,
  jobs: readonly Job[],
  handlers: Omit<EvaluateHandlers, 'onOutcome'> = {},
): Promise<[EvaluationKey, Outcome][]> {
  const outcomes: [EvaluationKey, Outcome][] = [];
  await worker.evaluate(jobs, { ...handlers, onOutcome: (each, outcome) => outcomes.push([each, outcome]) });
  return outcomes;
}

export async function failureOf(worker: NativeWorker, job: Job, handlers: Omit<EvaluateHandlers, 'onOutcome'> = {}) {
  const outcomes = await outcomesOf(worker, [job], handlers);
  expect(outcomes).toHaveLength(1);
  const [, outcome] = outcomes[0] ?? [];
  if (outcome?.status !== 'failed') throw new Error(`a failure was expected, not ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The worker still works: what happened to a candidate does not touch the next. */
export async function expectUsable(worker: NativeWorker): Promise<void> {
  const [[, outcome] = []] = await outcomesOf(worker, [standInJob('score')]);
  expect(outcome).toMatchObject({ status: 'ok', validation: 0.5, test: null });
}
