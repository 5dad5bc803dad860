/**
 * The embedded nats-server.
 *
 * Role: starts it on a store directory, tells its URL once it listens, stops it, and sees that it does not outlive us.
 * Not here: starting it again after it died, which is its owner's decision; the clients.
 *
 * Invariants
 *  1. At most one server per store directory (see the store's claim).
 *  2. The server does not outlive this process for long, however that dies: a watchdog holds the reading end of a pipe
 *     of which only this process has the writing end, and stops the server when that closes. Should the watchdog be
 *     killed as well, the next start on the same directory stops the server.
 *  3. Interrupts of the terminal do not reach the server: it has a process group of its own, so that clients can still
 *     say what they have to say while the program shuts down.
 *  4. Nothing of our environment but PATH reaches it (I7).
 *  5. Nobody is let in without the key of a user, from the loopback neither (I12).
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { AiraError, errorMessage, PrerequisiteError, toError } from '../domain/errors.ts';
import { deferred, type Logger } from '../platform/index.ts';
import { type BusUser, labUsers } from './credentials.ts';
import { maxEnvelopeBytes } from './envelope.ts';
import { claimStore, type StoreClaim } from './storeClaim.ts';

export interface ServerOptions {
  /** A path, or a name to be found on PATH. */
  readonly binary: string;
  /** Where streams are kept; created if missing, readable by its owner alone. */
  readonly storeDir: string;
  /** Default: whichever is free. */
  readonly port?: number | undefined;
  /** Who is let in. */
  readonly users: readonly BusUser[];
  readonly log: Logger;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has ended, wanted or not, and the store may be claimed again. */
  readonly closed: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stop(): Promise<void>;
}

const readyWithinMs = 15_000;
const stopWithinMs = 5_000;
const pollMs = 20;
const portsSchema = z.looseObject({ nats: z.array(z.url()).min(1) });

function unwritable(storeDir: string, cause: unknown): PrerequisiteError {
  return new PrerequisiteError(
    'nats-store-unwritable',
    `The bus cannot keep its streams in ${storeDir} (${errorMessage(cause)}).`,
    'Make the directory writable, or use another one.',
    { cause },
  );
}

async function claimDirectory(storeDir: string, log: Logger): Promise<StoreClaim> {
  try {
    mkdirSync(storeDir, { recursive: true, mode: 0o700 });
    chmodSync(storeDir, 0o700);
    return await claimStore(storeDir, log);
  } catch (thrown) {
    throw thrown instanceof AiraError ? thrown : unwritable(storeDir, thrown);
  }
}

function configure(storeDir: string, port: number, users: readonly BusUser[]): { config: string; ports: string } {
  const config = join(storeDir, 'nats.conf');
  const ports = join(storeDir, 'ports');
  const jetstream = join(storeDir, 'jetstream');
  try {
    rmSync(strayStreams(jetstream), { recursive: true, force: true });
    // Files of servers that were killed stay behind.
    rmSync(ports, { recursive: true, force: true });
    mkdirSync(ports);
    writeFileSync(config, serverConfig({ port, ports, jetstream, users }), { mode: 0o600 });
    chmodSync(config, 0o600);
  } catch (thrown) {
    throw unwritable(storeDir, thrown);
  }
  return { config, ports };
}

/** Ends with the pipe's writing end, or when it is killed because the server has ended before. */
function watchOver(serverPid: number): ChildProcess {
  // A server whose disk is full does not heed a polite request.
  const script = 'read -r _; kill -TERM "$1" && sleep 5 && kill -KILL "$1"';
  const watchdog = spawn('/bin/sh', ['-c', script, 'watchdog', String(serverPid)], {
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  return watchdog;
}

function failedStart(binary: string, port: number, lines: readonly string[]): PrerequisiteError {
  if (lines.some((line) => /address already in use/i.test(line))) {
    return new PrerequisiteError(
      'port-taken',
      `Port ${port} of 127.0.0.1 is taken by another program.`,
      'Choose another port, or none to have a free one.',
    );
  }
  const reason = lines.findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? lines.at(-1) ?? 'it said nothing';
  return new PrerequisiteError(
    'nats-start-failed',
    `${binary} did not start (${reason.replace(/^.*\[(FTL|ERR)\] /, '')}).`,
    'Try it by hand with the nats.conf in the store directory; nats-server 2.9 or newer is needed.',
  );
}

function missingBinary(binary: string, cause: unknown): PrerequisiteError {
  return new PrerequisiteError(
    'nats-missing',
    `The program ${binary} cannot be run (${errorMessage(cause)}).`,
    'Install nats-server (Debian: apt install nats-server), or use a server that runs elsewhere.',
    { cause },
  );
}

/** The file that the server writes when it listens: `<program>_<pid>.ports`. */
function readUrl(ports: string, pid: number): string | undefined {
  const file = readdirSync(ports).find((name) => name.endsWith(`_${pid}.ports`));
  if (file === undefined) return undefined;
  try {
    return portsSchema.parse(JSON.parse(readFileSync(join(ports, file), 'utf8'))).nats[0];
  } catch {
    // Not yet written to its end.
    return undefined;
  }
}

async function launch(
  { binary, storeDir, port = -1, users, log }: ServerOptions,
  claim: StoreClaim,
): Promise<NatsServer> {
  const { config, ports } = configure(storeDir, port, users);
  const server = spawn(binary, ['-c', config], {
    detached: true,
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { pid } = server;
  if (pid === undefined) {
    const [cause] = await once(server, 'error');
    throw missingBinary(binary, cause);
  }
  claim.record(pid);
  const watchdog = watchOver(pid);
  watchdog.on('error', (cause) =>
    log.warn({ error: cause.message }, 'no watchdog: a crash would leave the server behind'),
  );

  const lines: string[] = [];
  let listening = false;
  createInterface({ input: server.stderr }).on('line', (line) => {
    const [, level = 'INF', text = line] = /\[(INF|WRN|ERR|FTL)\] (.*)$/.exec(line) ?? [];
    // What keeps it from starting is told by the error.
    if (level === 'INF' || !listening) log.debug(text);
    else log.warn(text);
    lines.push(line);
    if (lines.length > 50) lines.shift();
  });

  let ended = false;
  const closed: NatsServer['closed'] = new Promise((resolve) => {
    server.once('close', (code, signal) => {
      ended = true;
      watchdog.kill('SIGKILL');
      claim.release();
      resolve({ code, signal });
    });
  });
  async function stop(): Promise<void> {
    if (!ended) server.kill('SIGTERM');
    const patience = new AbortController();
    const late = delay(stopWithinMs, undefined, { signal: patience.signal }).then(
      () => server.kill('SIGKILL'),
      () => undefined,
    );
    await closed;
    patience.abort();
    await late;
  }

  for (let waited = 0; waited < readyWithinMs; waited += pollMs) {
    if (ended) throw failedStart(binary, port, lines);
    const url = readUrl(ports, pid);
    if (url !== undefined) {
      listening = true;
      return { url, port: Number(new URL(url).port), pid, closed, stop };
    }
    await delay(pollMs);
  }
  await stop();
  throw failedStart(binary, port, [`it did not listen within ${readyWithinMs / 1_000} s`]);
}

/**
 * Starts a server and waits until it listens.
 *
 * @throws PrerequisiteError `nats-missing`, `port-taken`, `nats-store-unwritable`, `nats-store-in-use`,
 * `nats-start-failed`.
 */
export async function startServer(options: ServerOptions): Promise<NatsServer> {
  const claim = await claimDirectory(options.storeDir, options.log);
  try {
    return await launch(options, claim);
  } catch (thrown) {
    claim.release();
    throw thrown;
  }
}

/** An embedded nats-server that is started again, on its port and with its streams, when it dies. */
export interface EmbeddedServer {
  readonly url: string;
  /** Rejects when the server died and could not be brought back; stays open otherwise. */
  readonly gone: Promise<never>;
  stop(): Promise<void>;
}

/** More restarts than this, and something is wrong that another one does not mend. */
const mostRestarts = 20;

/** @throws PrerequisiteError when it cannot be started at first. */
export async function embedServer(
  binary: string,
  home: string,
  port: number | undefined,
  log: Logger,
): Promise<EmbeddedServer> {
  const common = { binary, storeDir: `${home}/nats`, users: labUsers(home), log };
  let server: NatsServer = await startServer({ ...common, port });
  let stopping = false;
  const watch = async (): Promise<void> => {
    for (let restarts = 0; restarts < mostRestarts; restarts++) {
      const { signal, code } = await server.closed;
      if (stopping) return;
      log.warn({ signal, code }, 'nats-server ended; starting it again');
      server = await startServer({ ...common, port: server.port });
    }
    throw new AiraError('nats-dies', `nats-server died ${mostRestarts} times`);
  };
  const gone = deferred<never>();
  const watching = watch().catch((thrown) => gone.reject(toError(thrown)));
  return {
    url: server.url,
    gone: gone.promise,
    async stop() {
      stopping = true;
      await server.stop();
      await watching;
    },
  };
}

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
          max_store: mostFileBytes, max_mem: mostMemoryBytes,
          max_streams: 8, max_consumers: mostConsumers,
        },
        users: users.map(({ nkey, publish, subscribe }) => ({
          nkey, permissions: { publish: { allow: publish }, subscribe: { allow: subscribe } },
        })),
      },
      SYS: { users: [] },
    },
    system_account: 'SYS',
  };
  return `${JSON.stringify(config, null, 1)}\n`;
}
