import { type ChildProcess, spawn } from 'node:child_process';
import { connect } from 'nats';
import { vi } from 'vitest';
import { findNatsServer } from '../../src/platform/installation.ts';

/** A server that no part of Aira has started, once it answers. */
export async function serve(store: string, port: number): Promise<ChildProcess> {
  const options = ['-js', '-sd', store, '-a', '127.0.0.1', '-p', `${port}`];
  const server = spawn(findNatsServer(), options, { stdio: 'ignore' });
  await vi.waitFor(
    async () => {
      const nc = await connect({ servers: `nats://127.0.0.1:${port}`, reconnect: false });
      await nc.close();
    },
    { timeout: 20_000, interval: 50 },
  );
  return server;
}
