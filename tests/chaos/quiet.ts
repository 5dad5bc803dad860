import { connect } from 'nats';
import { expect, vi } from 'vitest';
import { streamNames } from '../../src/bus/subjects.ts';

/** Waits until every published result has been delivered and acknowledged: only then has the archive seen all of them. */
export async function quiet(url: string): Promise<void> {
  const nc = await connect({ servers: url });
  try {
    const jsm = await nc.jetstreamManager();
    await vi.waitFor(
      async () => {
        const { num_pending, num_ack_pending } = await jsm.consumers.info(streamNames.results, 'archivist');
        expect(num_pending + num_ack_pending).toBe(0);
      },
      { timeout: 60_000, interval: 50 },
    );
  } finally {
    await nc.close();
  }
}
