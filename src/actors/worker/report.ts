import { failpoint } from '../../platform/failpoint.ts';
import { held } from '../held.ts';
import { patiently } from '../patiently.ts';
import type { WorkerParts } from './parts.ts';
import type { Outcomes, Taken } from './taken.ts';

/**
 * Publishes what came of each job, and acknowledges the job when that is confirmed (I1). Killed in between, the job comes
 * again, and the claim finds it done.
 */
export async function report(
  { id, bus, timers, log }: WorkerParts,
  jobs: readonly Taken[],
  outcomes: Outcomes,
  signal: AbortSignal,
): Promise<void> {
  const patience = { signal, timers, log };
  for (const { delivery, attempt } of jobs) {
    const { job } = delivery;
    const outcome = held(outcomes.get(job.key) ?? null);
    const result = { key: job.key, worker: id, evaluator: job.evaluator, attempt, outcome };
    await patiently(() => bus.publishResult(result, `${job.key}:${id}:${attempt}`), patience);
    failpoint('result.after-publish');
    await patiently(() => delivery.ack(), patience);
    failpoint('job.after-ack');
  }
}
