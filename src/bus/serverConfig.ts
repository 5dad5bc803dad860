import { join } from 'node:path';
import type { BusUser } from './credentials.ts';
import { maxEnvelopeBytes } from './envelope.ts';

/** The account of the lab. Streams lie below a folder of this name. */
const account = 'AIRA';

/** What the server may keep on disk and in memory, and what it takes. Streams have limits of their own within these. */
const mostFileBytes = 1024 ** 3;
const mostMemoryBytes = 64 * 1024 ** 2;
const mostConnections = 4096;
const mostConsumers = 4096;

/**
 * Streams from the time when a lab's server knew no accounts. They can be read by nobody now and are not deleted by
 * themselves; the ledger publishes again what is still to be done.
 */
export const strayStreams = (jetstream: string): string => join(jetstream, 'jetstream', '$G');

/**
 * The configuration of an embedded server: the loopback alone, and users by public nkey alone.
 *
 * All users are within an account: where nats-server before 2.9.23 finds a block \`authorization\` beside a system account, it
 * lets in whoever shows nothing (CVE-2023-47090).
 */
export function serverConfig({
  port,
  ports,
  jetstream,
  users,
}: {
  readonly port: number;
  /** Folder for the file that says where the server listens. */
  readonly ports: string;
  readonly jetstream: string;
  readonly users: readonly BusUser[];
}): string {
  const config = {
    host: '127.0.0.1',
    port,
    ports_file_dir: ports,
    max_payload: 2 * maxEnvelopeBytes,
    max_connections: mostConnections,
    jetstream: { store_dir: jetstream, max_file_store: mostFileBytes, max_memory_store: mostMemoryBytes },
    accounts: {
      [account]: {
        jetstream: {
          ...{ max_store: mostFileBytes, max_mem: mostMemoryBytes },
          ...{ max_streams: 8, max_consumers: mostConsumers },
        },
        users: users.map(({ nkey, publish, subscribe }) => ({
          ...{ nkey, permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } } },
        })),
      },
      SYS: { users: [] },
    },
    system_account: 'SYS',
  };
  return `${JSON.stringify(config, null, 1)}\n`;
}
