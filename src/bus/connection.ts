/**
 * The connection of a role to NATS; a process with several roles has one for each.
 *
 * Role: connects, reconnects for ever, tells the rest of the room when the line is cut and when it is back, and closes.
 * Not here: subjects, schemas, streams.
 *
 * Invariants
 *  1. A link that was opened never gives up: it ends by `close` alone.
 *  2. `closing` is aborted before anything is torn down, and what was `keep`-ed is awaited before the line is cut, so
 *     that a handler at work can still answer and acknowledge.
 *  3. Credentials in the URL reach neither messages nor logs.
 */

import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  createInbox,
  credsAuthenticator,
  DebugEvents,
  ErrorCode,
  Events,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nkeyAuthenticator,
  type TlsOptions,
} from 'nats';
import { errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { Meta } from './envelope.ts';
import { inboxPrefix, type Role } from './roles.ts';
import { subjects } from './subjects.ts';

export interface LinkOptions {
  /** `nats://host:port`; credentials are `access`, because the client ignores those in a URL. */
  readonly url: string;
  readonly access?: Access | undefined;
  /** As what this connection speaks; decides where it receives replies. Without it, wherever the client likes. */
  readonly role?: Role | undefined;
  /** How this process is called in the server's own listings. */
  readonly name: string;
  readonly clock: Clock;
  /** A fresh id per message. */
  readonly ids: () => string;
  readonly log: Logger;
  /** How long the first connection may take. Default 4 s. */
  readonly connectWithinMs?: number | undefined;
}

export interface Link {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly clock: Clock;
  readonly log: Logger;
  readonly closing: AbortSignal;
  readonly connected: boolean;
  /** Calls back at each loss of the line, until disposed of. */
  onDisconnect(listener: () => void): () => void;
  /** Resolves when the line is up, or when one of the signals is aborted. */
  whenConnected(signals: readonly AbortSignal[]): Promise<void>;
  /**
   * Resolves when the server knows of the subscriptions made so far. A line that is lost meanwhile is waited for: the
   * client makes its subscriptions again by itself. @throws TerminalError `bus-closed`.
   */
  subscribed(): Promise<void>;
  /** Has `close` wait for this. */
  keep(work: Promise<void>): void;
  /** A fresh subject below this role's own prefix. */
  inbox(): string;
  /** As what this connection speaks, where roles are separated. */
  readonly role: Role | undefined;
  stamp(traceparent?: string, token?: string): Meta;
  close(): Promise<void>;
}

/** How long each question to the JetStream API may take. */
const apiTimeoutMs = 5_000;

export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

async function connectFirst({
  url,
  access,
  role,
  name,
  clock,
  connectWithinMs = 4_000,
}: LinkOptions): Promise<NatsConnection> {
  const shown = withoutCredentials(url);
  const deadline = clock.monotonic() + connectWithinMs;
  for (;;) {
    const left = deadline - clock.monotonic();
    try {
      return await connect({
        servers: url,
        name,
        inboxPrefix: inboxPrefix(role),
        ...connectionAccess(access),
        timeout: Math.max(100, left),
        maxReconnectAttempts: -1,
        reconnectTimeWait: 250,
        reconnectJitter: 100,
        // A peer that vanished without closing is noticed after three unanswered pings.
        pingInterval: 10_000,
        maxPingOut: 2,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
    } catch (cause) {
      if (cause instanceof NatsError && cause.isAuthError()) {
        throw new PrerequisiteError(
          'nats-refused',
          `The NATS server at ${shown} refused the credentials.`,
          'For the lab of this machine give its --home; for another server --nats-creds or --nats-nkey with a file, or AIRA_NATS_USER and AIRA_NATS_PASSWORD.',
          { cause },
        );
      }
      const mayComeUp = cause instanceof NatsError && cause.code === ErrorCode.ConnectionRefused;
      if (!mayComeUp || deadline - clock.monotonic() <= 0) {
        throw new PrerequisiteError(
          'nats-unreachable',
          `No NATS server answers at ${shown} (${withoutCredentials(errorMessage(cause))}).`,
          'Start one there, or correct the URL.',
          { cause },
        );
      }
      await delay(200);
    }
  }
}

/**
 * @throws PrerequisiteError `nats-unreachable`, `nats-refused` or `nats-no-jetstream`.
 */
export async function openLink(options: LinkOptions): Promise<Link> {
  const { clock, ids, log } = options;
  const nc = await connectFirst(options);
  if (nc.info?.jetstream !== true) {
    await nc.close();
    throw new PrerequisiteError(
      'nats-no-jetstream',
      `The NATS server at ${withoutCredentials(options.url)} runs without JetStream.`,
      'Start it with JetStream enabled: nats-server -js -sd <directory>.',
    );
  }
  const closing = new AbortController();
  // One listener per pull, request loop and consumer: no leak, but more than Node expects.
  setMaxListeners(0, closing.signal);
  const cut = new Set<() => void>();
  const back = new Set<() => void>();
  const kept = new Set<Promise<void>>();
  let connected = true;
  let closed: Promise<void> | undefined;

  async function watch(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) {
        connected = false;
        log.warn('lost the NATS server; reconnecting');
        for (const listener of [...cut]) listener();
      } else if (status.type === Events.Reconnect) {
        connected = true;
        log.info('reconnected to the NATS server');
        for (const listener of [...back]) listener();
      } else if (status.type === Events.Error) {
        const { operation, subject } = status.permissionContext ?? {};
        if (subject === subjects.separationProbe) continue;
        log.warn({ error: status.data, operation, subject }, 'the NATS server reported an error');
      } else if (status.type === DebugEvents.StaleConnection) log.warn('the NATS server stopped answering');
    }
  }
  void watch();

  async function shut(): Promise<void> {
    closing.abort();
    await Promise.allSettled(kept);
    // Draining waits for the server's answer, which does not come while the line is down.
    const drained = connected ? nc.drain() : nc.close();
    await Promise.race([drained.catch(() => undefined), delay(5_000, undefined, { ref: false })]);
    if (!nc.isClosed()) await nc.close();
  }

  function whenConnected(signals: readonly AbortSignal[]): Promise<void> {
    if (connected || signals.some((signal) => signal.aborted)) return Promise.resolve();
    return new Promise((resolve) => {
      const settle = () => {
        back.delete(settle);
        for (const signal of signals) signal.removeEventListener('abort', settle);
        resolve();
      };
      back.add(settle);
      for (const signal of signals) signal.addEventListener('abort', settle);
    });
  }

  return {
    nc,
    js: nc.jetstream({ timeout: apiTimeoutMs }),
    jsm: await nc.jetstreamManager({ timeout: apiTimeoutMs, checkAPI: false }),
    clock,
    log,
    closing: closing.signal,
    get connected() {
      return connected;
    },
    onDisconnect(listener) {
      cut.add(listener);
      return () => cut.delete(listener);
    },
    whenConnected,
    async subscribed() {
      const { signal } = closing;
      // The client leaves a flush without an answer when it is closed while the line is down.
      const closed = new Promise<'closed'>((resolve) => {
        signal.addEventListener('abort', () => resolve('closed'), { once: true });
      });
      while (!signal.aborted) {
        const flushed = nc.flush().then(
          () => 'known' as const,
          (thrown) => {
            log.debug({ error: errorMessage(thrown) }, 'the line was lost while subscribing; the client does it again');
            return 'lost' as const;
          },
        );
        if ((await Promise.race([flushed, closed])) === 'known') return;
        await whenConnected([signal]);
      }
      throw new TerminalError('bus-closed', 'subscribing came after the bus was closed');
    },
    keep(work) {
      const settled = work.finally(() => kept.delete(settled));
      kept.add(settled);
    },
    inbox: () => createInbox(inboxPrefix(options.role)),
    role: options.role,
    stamp: (traceparent, token) => ({
      id: ids(), at: clock.now(),
      ...(traceparent !== undefined && { traceparent }),
      ...(token !== undefined && { token }),
    }),
    close: () => (closed ??= shut()),
  };
}

/** What a connection shows to a NATS server, and how it knows the server. At most one kind of credentials. */
export interface Access {
  /** The seed of an nkey, as `SU...`. */
  readonly nkeySeed?: Uint8Array | undefined;
  /** The text of a `.creds` file: a JWT and the seed of its key. */
  readonly creds?: Uint8Array | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tls?: Readonly<TlsOptions> | undefined;
}

/** The same in the client's terms. */
export function connectionAccess(access: Access | undefined): Partial<ConnectionOptions> {
  if (access === undefined) return {};
  const { nkeySeed, creds, user, password, token, tls } = access;
  const authenticators: Authenticator[] = [];
  if (nkeySeed) authenticators.push(nkeyAuthenticator(nkeySeed));
  if (creds) authenticators.push(credsAuthenticator(creds));
  return {
    ...(authenticators.length > 0 && { authenticator: authenticators }),
    ...(user !== undefined && { user, pass: password ?? '' }),
    ...(token !== undefined && { token }),
    ...(tls !== undefined && { tls: { ...tls } }),
  };
}

/** Does it say nothing of who we are? A client's certificate may say it, but not to the servers of labs. */
export const isAnonymous = ({ nkeySeed, creds, user, token }: Access): boolean =>
  nkeySeed === undefined && creds === undefined && user === undefined && token === undefined;
