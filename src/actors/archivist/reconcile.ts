import type { Bus } from '../../bus/index.ts';
import type { EvaluationKey } from '../../domain/ids.ts';
import { deviceClasses } from '../../domain/task.ts';
import type { Archive } from '../../memory/archive.ts';
import type { Logger } from '../../platform/log.ts';

/** What a reconciliation mended. */
export interface Mended {
  /** Jobs that the ledger holds open and the queue would not have delivered. */
  republished: number;
  /** Messages of jobs that are done or that no search wants now, of no job at all, or that the queue would never deliver. */
  purged: number;
}

/**
 * Makes the work queue agree with the ledger (I1): the queue may have lost messages (a power failure, a deleted stream),
 * hold some it believes acknowledged and will never deliver (seen after a kill of nats-server), or hold work that is done.
 *
 * Progress is never read off the queue; only this function looks into it, and the ledger is right wherever they differ.
 */
export async function reconcile(archive: Archive, bus: Bus, log: Logger): Promise<Mended> {
  // Read before the queue: what is decided and published meanwhile must not look lost. And after it: nor unwanted.
  const open = archive.openJobs();
  const { entries, classes } = await bus.inspectWork();
  const wanted = new Set(archive.openJobs().map(({ key }) => key));
  const mended: Mended = { republished: 0, purged: 0 };
  const deliverable = new Set<EvaluationKey>();
  const purge = async (seq: number): Promise<void> => {
    if (await bus.purgeJob(seq)) mended.purged++;
  };
  for (const { seq, key } of entries.filter((entry) => entry.jobClass === null || entry.key === null)) {
    log.warn({ seq, key }, 'no job in the work queue');
    await purge(seq);
  }
  for (const device of deviceClasses) {
    const queued = entries.filter((entry) => entry.jobClass === device && entry.key !== null);
    const { waiting, held } = classes[device];
    // A queue that will deliver nothing and has handed out nothing, but is not empty, holds messages it believes done.
    const orphaned = waiting + held === 0;
    for (const { seq, key } of queued) {
      if (key === null) continue;
      // Of a search whose process died nothing is left in the way of others; when it is resumed its jobs are queued again.
      if (orphaned || !wanted.has(key)) await purge(seq);
      else deliverable.add(key);
    }
  }
  for (const job of open) {
    if (archive.isDone(job.key) || !job.published || deliverable.has(job.key)) continue;
    archive.requeue(job.key);
    mended.republished++;
  }
  if (mended.republished + mended.purged > 0) log.info({ ...mended }, 'queue and ledger differed');
  return mended;
}
