/**
 * The embedded nats-server.
 *
 * Role: claims a store directory, starts the server on it, returns its URL once it listens, stops it, ensures that it does not
 * outlive this process, and restarts the one of a lab when it dies. Non-role: its configuration (serverConfig.ts), clients.
 *
 *   SRV-1  At most one server per store directory: two would destroy it, and nats-server does not check. A file in the directory
 *          names the process that started the server, and the server; it is created by a system call that only one process can
 *          win.
 *   SRV-2  The server does not outlive this process for long: a watchdog has the read end of a pipe whose write end only
 *          this process has, and stops the server when it closes. If the watchdog is killed as well, the next start on the
 *          directory stops the server.
 *   SRV-3  Terminal interrupts do not reach the server: it has its own process group, so that clients can finish.
 *   SRV-4  Only PATH of our environment reaches it (I7).
 *   SRV-5  Every connection needs a user's key, also from the loopback interface (I12).
 *
 *   STR-1  While its owner lives, a claim is refused to everyone else.
 *   STR-2  A claim of a dead owner is taken over; its server is stopped first, and only a process with the recorded number
 *          and start time is ever signalled.
 *   STR-3  The file is complete whenever it exists: it is written aside, then linked or renamed into place.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { AiraError, errorMessage, PrerequisiteError, toError } from '../domain/errors.ts';
import { deferred, identify, isAlive, type Logger, type ProcessIdentity, processSchema } from '../platform/index.ts';
import { labUsers } from './credentials.ts';
import { type Listening, listeningOf, serverConfig, strayStreams } from './serverConfig.ts';
import type { BusUser } from './subjects.ts';

export interface ServerOptions {
  /** A path, or a name to be found on PATH. */
  readonly binary: string;
  /** Stream store; created if missing, private to its owner. */
  readonly storeDir: string;
  /** Default: any free port. */
  readonly port?: number | undefined;
  /** Users that may connect. */
  readonly users: readonly BusUser[];
  /** Where it listens and with which certificate; default: loopback, without TLS. */
  readonly listening?: Listening | null | undefined;
  readonly log: Logger;
}

export interface NatsServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Resolves when the server has ended for any reason and the store may be claimed again. */
  readonly closed: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Admits these users and no others from now on; cuts off those that are connected. */
  admit(users: readonly BusUser[]): void;
  stop(): Promise<void>;
}

const readyWithinMs = 15_000;

const stopWithinMs = 5_000;

const pollMs = 20;

const portsSchema = z.looseObject({ nats: z.array(z.url()).min(1) });

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

async function launch(
  { binary, storeDir, port = -1, users, listening = null, log }: ServerOptions,
  claim: StoreClaim,
): Promise<NatsServer> {
  const { config, ports, jetstream } = configure(storeDir, port, users, listening);
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
    log.warn({ error: cause.message }, 'no watchdog: a crash would leave the server running'),
  );

  const lines: string[] = [];
  let isListening = false;
  createInterface({ input: server.stderr }).on('line', (line) => {
    const [, level = 'INF', text = line] = /\[(INF|WRN|ERR|FTL)\] (.*)$/.exec(line) ?? [];
    // Startup errors are reported by the exception.
    if (level === 'INF' || !isListening) log.debug(text);
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
    const timeout = new AbortController();
    const late = delay(stopWithinMs, undefined, { signal: timeout.signal }).then(
      () => server.kill('SIGKILL'),
      () => undefined,
    );
    await closed;
    timeout.abort();
    await late;
  }

  for (let waited = 0; waited < readyWithinMs; waited += pollMs) {
    if (ended) throw failedStart(binary, port, lines);
    const url = readUrl(ports, `_${pid}.ports`);
    if (url !== undefined) {
      isListening = true;
      const { port: bound } = new URL(url);
      const own = listening === null ? url : localUrl(listening, Number(bound));
      const admit = (next: readonly BusUser[]): void => {
        const text = serverConfig({ port: Number(bound), ports, jetstream, users: next, listening });
        writeFileSync(`${config}.new`, text, { mode: 0o600 });
        renameSync(`${config}.new`, config);
        if (!ended) server.kill('SIGHUP');
      };
      return { url: own, port: Number(bound), pid, closed, admit, stop };
    }
    await delay(pollMs);
  }
  await stop();
  throw failedStart(binary, port, [`it did not listen within ${readyWithinMs / 1_000} s`]);
}

const storeOf = (home: string): string => join(home, 'nats');

const portsFolder = (storeDir: string): string => join(storeDir, 'ports');

function configure(
  storeDir: string,
  port: number,
  users: readonly BusUser[],
  listening: Listening | null,
): { config: string; ports: string; jetstream: string } {
  const config = join(storeDir, 'nats.conf');
  const ports = portsFolder(storeDir);
  const jetstream = join(storeDir, 'jetstream');
  try {
    rmSync(strayStreams(jetstream), { recursive: true, force: true });
    // Killed servers leave their files behind.
    rmSync(ports, { recursive: true, force: true });
    mkdirSync(ports);
    writeFileSync(config, serverConfig({ port, ports, jetstream, users, listening }), { mode: 0o600 });
    chmodSync(config, 0o600);
  } catch (thrown) {
    throw unwritable(storeDir, thrown);
  }
  return { config, ports, jetstream };
}

/** Ends when the pipe closes, or is killed after the server has ended. */
function watchOver(serverPid: number): ChildProcess {
  // A server with a full disk ignores SIGTERM.
  const script = 'read -r _; kill -TERM "$1" && sleep 5 && kill -KILL "$1"';
  const watchdog = spawn('/bin/sh', ['-c', script, 'watchdog', String(serverPid)], {
    detached: true,
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  watchdog.unref();
  return watchdog;
}

/** URL from the file that the server writes when it listens: `<program>_<pid>.ports`. */
function readUrl(ports: string, end: `_${number}.ports` | '.ports'): string | undefined {
  try {
    const file = readdirSync(ports).find((name) => name.endsWith(end)) ?? '';
    return portsSchema.parse(JSON.parse(readFileSync(join(ports, file), 'utf8'))).nats[0];
  } catch {
    // None, or not completely written yet.
    return undefined;
  }
}

/** How components on this machine reach a server that listens for others too. */
const localUrl = ({ host }: Listening, port: number): string =>
  `tls://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`;

/** Address of the embedded server of a home; after a crash of its process it may be that of a server which is gone. */
export function embeddedUrl(home: string): string | null {
  const url = readUrl(portsFolder(storeOf(home)), '.ports') ?? null;
  const listening = listeningOf(home);
  return url === null || listening === null ? url : localUrl(listening, Number(new URL(url).port));
}

function failedStart(binary: string, port: number, lines: readonly string[]): PrerequisiteError {
  if (lines.some((line) => /address already in use/i.test(line))) {
    return new PrerequisiteError(
      'port-taken',
      `Port ${port} of 127.0.0.1 is taken by another program.`,
      'Choose another port, or omit --port to use a free one.',
    );
  }
  const reason = lines.findLast((line) => /\[(FTL|ERR)\]/.test(line)) ?? lines.at(-1) ?? 'no output';
  return new PrerequisiteError(
    'nats-start-failed',
    `${binary} did not start (${reason.replace(/^.*\[(FTL|ERR)\] /, '')}).`,
    'Run it with the nats.conf in the store directory; nats-server 2.9 or newer is required.',
  );
}

function missingBinary(binary: string, cause: unknown): PrerequisiteError {
  return new PrerequisiteError(
    'nats-missing',
    `The program ${binary} cannot be run (${errorMessage(cause)}).`,
    'Install nats-server (Debian: apt install nats-server), or use an external server.',
    { cause },
  );
}

function unwritable(storeDir: string, cause: unknown): PrerequisiteError {
  return new PrerequisiteError(
    'nats-store-unwritable',
    `The stream store ${storeDir} is not writable (${errorMessage(cause)}).`,
    'Make the directory writable, or use another one.',
    { cause },
  );
}

// The server of a lab.

/** An embedded nats-server that is restarted on its port, with its streams, when it dies. */
export interface EmbeddedServer {
  readonly url: string;
  /** Rejects if the server died and could not be restarted; otherwise stays pending. */
  readonly gone: Promise<never>;
  stop(): Promise<void>;
}

const renewalMs = 1000;

/** Beyond this another restart will not help. */
const maxRestarts = 20;

/** @throws PrerequisiteError if the first start fails. */
export async function embedServer(
  binary: string,
  home: string,
  port: number | undefined,
  log: Logger,
): Promise<EmbeddedServer> {
  const listening = listeningOf(home);
  const common = { binary, storeDir: storeOf(home), listening, log };
  let users = labUsers(home);
  let server: NatsServer = await startServer({ ...common, users, port: port ?? listening?.port });
  let stopping = false;
  let repeats = false;
  /** Issued, revoked and expired credentials: compared once a second, since other processes issue them. */
  const renewal = setInterval(() => {
    try {
      const now = labUsers(home);
      const isNew = JSON.stringify(now) !== JSON.stringify(users);
      if (!isNew && !repeats) return;
      server.admit(now);
      users = now;
      // A server that is busy may miss a signal; the second one finds nothing to do.
      repeats = isNew;
      if (!isNew) return;
      log.info({ users: users.length }, 'the credentials have changed');
    } catch (thrown) {
      log.warn({ error: errorMessage(thrown) }, 'the credentials cannot be read; those of before stay admitted');
    }
  }, renewalMs);
  renewal.unref();
  const watch = async (): Promise<void> => {
    for (let restarts = 0; restarts < maxRestarts; restarts++) {
      const { signal, code } = await server.closed;
      if (stopping) return;
      log.warn({ signal, code }, 'nats-server exited; restarting it');
      server = await startServer({ ...common, users, port: server.port });
    }
    throw new AiraError('nats-dies', `nats-server died ${maxRestarts} times`);
  };
  const gone = deferred<never>();
  const watching = watch().catch((thrown) => gone.reject(toError(thrown)));
  return {
    url: server.url,
    gone: gone.promise,
    async stop() {
      stopping = true;
      clearInterval(renewal);
      await server.stop();
      await watching;
    },
  };
}

// The claim of a store directory.

const claimSchema = z.strictObject({ v: z.literal(1), owner: processSchema, server: processSchema.nullable() });

type Claim = z.infer<typeof claimSchema>;

interface StoreClaim {
  /** Records the server process, so that the next owner can stop it if this process dies. */
  record(serverPid: number): void;
  release(): void;
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

/**
 * Claims the directory for this process; stops the server of a dead owner.
 *
 * @throws PrerequisiteError `nats-store-in-use` while another owner lives, `nats-orphan` if its server survives.
 */
async function claimStore(storeDir: string, log: Logger): Promise<StoreClaim> {
  const path = join(storeDir, 'owner.json');
  const aside = join(storeDir, `owner.${process.pid}.tmp`);
  const owner = identify(process.pid);
  if (owner === undefined) throw new Error('cannot determine the start time of this process from /proc or ps');
  const write = (claim: Claim) => writeFileSync(aside, JSON.stringify(claim), { mode: 0o600, flush: true });

  for (;;) {
    write({ v: 1, owner, server: null });
    try {
      linkSync(aside, path);
      rmSync(aside);
      break;
    } catch (cause) {
      rmSync(aside, { force: true });
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    }
    const found = readClaim(path);
    if (found === undefined) continue;
    if (isAlive(found.claim.owner)) {
      throw new PrerequisiteError(
        'nats-store-in-use',
        `Another aira process (PID ${found.claim.owner.pid}) is using ${storeDir}.`,
        'Stop that process, or use another directory.',
      );
    }
    if (found.claim.server !== null) await stopOrphan(found.claim.server, storeDir, log);
    // Several processes may reach this point: the moved file must still be the one inspected, or it is moved back.
    const stale = join(storeDir, `owner.${process.pid}.stale`);
    try {
      renameSync(path, stale);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
      continue;
    }
    if (readFileSync(stale, 'utf8') !== found.text) renameSync(stale, path);
    rmSync(stale, { force: true });
  }

  let released = false;
  return {
    record(serverPid) {
      write({ v: 1, owner, server: identify(serverPid) ?? null });
      renameSync(aside, path);
    },
    release() {
      // Once only: afterwards the file may belong to another process.
      if (!released) rmSync(path, { force: true });
      released = true;
    },
  };
}

function readClaim(path: string): { text: string; claim: Claim } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cause;
  }
  try {
    return { text, claim: claimSchema.parse(JSON.parse(text)) };
  } catch (cause) {
    throw new PrerequisiteError(
      'nats-storeClaim',
      `The file ${path} is not a valid claim for this version of Aira.`,
      'Check that no nats-server uses the directory, then delete the file.',
      { cause },
    );
  }
}

async function stopOrphan(server: ProcessIdentity, storeDir: string, log: Logger): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!isAlive(server)) return;
    log.warn({ pid: server.pid, storeDir, signal }, 'stopping a nats-server whose owner has died');
    try {
      process.kill(server.pid, signal);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'ESRCH') break;
    }
    for (let waited = 0; waited < 5_000 && isAlive(server); waited += 20) await delay(20);
  }
  if (isAlive(server)) {
    throw new PrerequisiteError(
      'nats-orphan',
      `A nats-server (process ${server.pid}) is still running on ${storeDir} and cannot be stopped.`,
      `Stop process ${server.pid}, then retry.`,
    );
  }
}
