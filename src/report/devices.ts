import type { NodeRecord } from '../memory/records.ts';
import type { ReportDevices } from './data.ts';

/**
 * How many workers trained for a search, and which share of the time from the first training to the last they spent
 * training. A pause of the search does not count: no more time is looked at than it went on. Null where nothing was trained.
 */
export function devicesOf(records: readonly NodeRecord[], elapsedMs: number): ReportDevices | null {
  const trained = records
    .flatMap(({ evaluations }) => evaluations)
    .flatMap(({ saved, worker, seconds, finishedAt }) =>
      saved || worker === null || seconds === null || finishedAt === null ? [] : [{ worker, seconds, finishedAt }],
    );
  if (trained.length === 0) return null;
  const begun = Math.min(...trained.map(({ finishedAt, seconds }) => finishedAt - 1000 * seconds));
  const span = Math.min(elapsedMs, Math.max(...trained.map(({ finishedAt }) => finishedAt)) - begun);
  const count = new Set(trained.map(({ worker }) => worker)).size;
  const training = trained.reduce((sum, { seconds }) => sum + seconds, 0);
  // Clocks of several machines differ a little.
  return { count, busy: span > 0 ? Math.min(1, (1000 * training) / (count * span)) : 1 };
}
