import { failpoint } from '../../platform/failpoint.ts';
import { patiently } from '../patiently.ts';
import type { WorkerParts } from './parts.ts';
import type { Taken } from './taken.ts';

/**
 * Those of the jobs that are still wanted; the others are acknowledged. To the ledger each claim is a training that begins,
 * so this is asked when the device is free for it and not before.
 */
export async function claim(
  { id, bus, timers, log }: WorkerParts,
  jobs: readonly Taken[],
  signal: AbortSignal,
): Promise<readonly Taken[]> {
  const patience = { signal, timers, log };
  const wanted = await Promise.all(
    jobs.map(async ({ delivery, attempt }) => {
      failpoint('worker.before-claim');
      const request = { key: delivery.job.key, worker: id, attempt };
      const { go } = await patiently(() => bus.ask('job-claim', request), patience);
      if (!go) await patiently(() => delivery.ack(), patience);
      failpoint('worker.after-claim');
      return go;
    }),
  );
  return jobs.filter((_, index) => wanted[index]);
}
