/**
 * The connection of a role to NATS; a process with several roles has one for each.
 *
 * Role: connects, reconnects without limit, reports disconnects and reconnects, closes; converts errors of the client. Non-role:
 * subjects, schemas, streams.
 *
 *   CON-1  An open link never gives up; only `close` ends it.
 *   CON-2  `closing` is aborted first, and work passed to `keep` is awaited before the connection closes, so that running
 *          handlers can still reply and acknowledge.
 *   CON-3  Credentials in the URL appear neither in messages nor in logs.
 *   CON-4  It reconnects whatever happens to the machine's calendar.
 */
import { randomInt } from 'node:crypto';
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
  nkeys,
  type TlsOptions,
} from 'nats';
import { AiraError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import type { Clock, Logger } from '../platform/index.ts';
import type { Meta } from './envelope.ts';
import { inboxPrefix, ownInbox, type Role, subjects } from './subjects.ts';

export interface LinkOptions {
  /** `nats://host:port`; credentials are `access`, because the client ignores those in a URL. */
  readonly url: string;
  readonly access?: Access | undefined;
  /** The role of this connection; determines its inbox prefix. Default: the client's own. */
  readonly role?: Role | undefined;
  /** Name of this process in the server's listings. */
  readonly name: string;
  readonly clock: Clock;
  /** A fresh id per message. */
  readonly ids: () => string;
  readonly log: Logger;
  /** Timeout of the first connection. Default: {@link connectWithinMs}. */
  readonly connectWithinMs?: number | undefined;
}

export const connectWithinMs = 4_000;

export interface Link {
  readonly nc: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly clock: Clock;
  readonly log: Logger;
  readonly closing: AbortSignal;
  readonly connected: boolean;
  /** Calls back on each disconnect until disposed of. */
  onDisconnect(listener: () => void): () => void;
  /** Resolves when connected, or when one of the signals is aborted. */
  whenConnected(signals: readonly AbortSignal[]): Promise<void>;
  /**
   * Resolves when the server has registered all subscriptions. Waits through a disconnect, because the client resubscribes
   * by itself. @throws TerminalError `bus-closed`.
   */
  subscribed(): Promise<void>;
  /** `close` waits for this. */
  keep(work: Promise<void>): void;
  /** A new subject below this role's inbox prefix. */
  inbox(): string;
  /** The role of this connection, if roles are separated. */
  readonly role: Role | undefined;
  stamp(traceparent?: string, token?: string): Meta;
  close(): Promise<void>;
}

/** Timeout of each JetStream API request. */
const apiTimeoutMs = 5_000;

export function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/g, '//');
}

export const unreachable = (url: string, why: string, cause?: unknown) =>
  new PrerequisiteError(
    'nats-unreachable',
    `No NATS server responds at ${withoutCredentials(url)} (${withoutCredentials(why)}).`,
    'Start one, or correct the URL.',
    { cause },
  );

/** The pause between two attempts to reconnect, and what is added at random so that components do not come all at once. */
const reconnectMs = 250;
const jitterMs = 100;

/**
 * What the client calls before each attempt to reconnect, for the milliseconds between this attempt and the last one.
 *
 * The client measures them by the calendar: once that is set back an hour, it would wait for an hour. A calendar behind that of the last call
 * was set back: then it dials at once.
 */
function reconnectPause({ now }: Clock): () => number {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    const before = last;
    last = now();
    return last < before ? Number.NEGATIVE_INFINITY : reconnectMs + randomInt(jitterMs);
  };
}

async function connectFirst({
  url,
  access,
  role,
  name,
  clock,
  connectWithinMs: withinMs = connectWithinMs,
}: LinkOptions): Promise<NatsConnection> {
  const safeUrl = withoutCredentials(url);
  const deadline = clock.monotonic() + withinMs;
  for (;;) {
    const left = deadline - clock.monotonic();
    try {
      return await connect({
        servers: url.split(','),
        name,
        inboxPrefix: prefixOf(role, access),
        ...connectionAccess(access),
        timeout: Math.max(100, left),
        maxReconnectAttempts: -1,
        reconnectDelayHandler: reconnectPause(clock),
        // A peer that vanished without closing is detected after three unanswered pings.
        pingInterval: 10_000,
        maxPingOut: 2,
        ignoreAuthErrorAbort: true,
        noAsyncTraces: true,
      });
    } catch (cause) {
      if (cause instanceof NatsError && cause.isAuthError()) {
        throw new PrerequisiteError(
          'nats-refused',
          `The NATS server at ${safeUrl} refused the credentials.`,
          'For a lab on this machine give its --home; for another server --nats-creds or --nats-nkey with a file, or AIRA_NATS_USER and AIRA_NATS_PASSWORD.',
          { cause },
        );
      }
      const mayComeUp = cause instanceof NatsError && cause.code === ErrorCode.ConnectionRefused;
      if (!mayComeUp || deadline - clock.monotonic() <= 0) {
        throw unreachable(url, errorMessage(cause), cause);
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
  // The archive sets up the streams. Others may be connected to a leaf node, which passes what it does not have itself.
  const setsUpStreams = options.role === undefined || options.role === 'archive';
  if (setsUpStreams && nc.info?.jetstream !== true) {
    await nc.close();
    throw new PrerequisiteError(
      'nats-no-jetstream',
      `The NATS server at ${withoutCredentials(options.url)} runs without JetStream.`,
      'Start it with JetStream enabled: nats-server -js -sd <directory>.',
    );
  }
  const closing = new AbortController();
  // One listener per pull, request loop and consumer: more than Node's default limit, but not a leak.
  setMaxListeners(0, closing.signal);
  const cut = new Set<() => void>();
  const back = new Set<() => void>();
  const pendingWork = new Set<Promise<void>>();
  let connected = true;
  let closed: Promise<void> | undefined;

  async function watch(): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === Events.Disconnect) {
        connected = false;
        log.warn('disconnected from the NATS server; reconnecting');
        for (const listener of [...cut]) listener();
      } else if (status.type === Events.Reconnect) {
        connected = true;
        log.info('reconnected to the NATS server');
        for (const listener of [...back]) listener();
      } else if (status.type === Events.Error) {
        const { operation, subject } = status.permissionContext ?? {};
        if (subject === subjects.separationProbe) continue;
        log.warn({ error: status.data, operation, subject }, 'the NATS server reported an error');
      } else if (status.type === DebugEvents.StaleConnection) log.warn('the NATS server stopped responding');
    }
  }
  void watch();

  async function shut(): Promise<void> {
    closing.abort();
    await Promise.allSettled(pendingWork);
    // Draining waits for the server's reply, which does not come while disconnected.
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
      // The client never settles a flush if it is closed while disconnected.
      const closed = new Promise<'closed'>((resolve) => {
        signal.addEventListener('abort', () => resolve('closed'), { once: true });
      });
      while (!signal.aborted) {
        const flushed = nc.flush().then(
          () => 'known' as const,
          (thrown) => {
            log.debug({ error: errorMessage(thrown) }, 'disconnected while subscribing; the client resubscribes');
            return 'lost' as const;
          },
        );
        if ((await Promise.race([flushed, closed])) === 'known') return;
        await whenConnected([signal]);
      }
      throw new TerminalError('bus-closed', 'cannot subscribe: the bus is closed');
    },
    keep(work) {
      const settled = work.finally(() => pendingWork.delete(settled));
      pendingWork.add(settled);
    },
    inbox: () => createInbox(prefixOf(options.role, options.access)),
    role: options.role,
    stamp: (traceparent, token) => ({
      id: ids(),
      at: clock.now(),
      ...(traceparent !== undefined && { traceparent }),
      ...(token !== undefined && { token }),
    }),
    close: () => (closed ??= shut()),
  };
}

// Access.

/** Credentials for a NATS server, and how to verify the server. At most one kind of credentials. */
export interface Access {
  /** The seed of an nkey, as `SU...`. */
  readonly nkeySeed?: Uint8Array | undefined;
  /** The key hears replies below its own prefix instead of its role's. */
  readonly ownInbox?: boolean | undefined;
  /** The text of a `.creds` file: a JWT and the seed of its key. */
  readonly creds?: Uint8Array | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tls?: Readonly<TlsOptions> | undefined;
}

/** Prefix of a connection's reply subjects. */
function prefixOf(role: Role | undefined, access: Access | undefined): string {
  if (!access?.ownInbox || !access.nkeySeed) return inboxPrefix(role);
  return ownInbox(nkeys.fromSeed(access.nkeySeed).getPublicKey());
}

/** The same as options of the client. */
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

/** Whether it contains no credentials. A client certificate could identify us, but labs' servers ignore it. */
export const isAnonymous = ({ nkeySeed, creds, user, token }: Access): boolean =>
  nkeySeed === undefined && creds === undefined && user === undefined && token === undefined;

// Errors of the client.

/** Error codes of the JetStream API: https://github.com/nats-io/nats-server/blob/v2.9.10/server/errors.json */
const api = {
  clusterNoPeers: 10005,
  consumerNotFound: 10014,
  insufficientResources: 10023,
  noMessageFound: 10037,
  sequenceNotFound: 10043,
  storageExceeded: 10047,
  messageDeleteFailed: 10057,
  streamNotFound: 10059,
  streamReplicasNotSupported: 10074,
  streamStoreFailed: 10077,
} as const;

const apiCode = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** The client's own message may be only the code. */
const textOf = (thrown: unknown): string =>
  (thrown instanceof NatsError ? thrown.api_error?.description : undefined) ?? errorMessage(thrown);

/** No subscriber on the subject: no archivist, no stream, or no JetStream. */
export function isNoResponders(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.code === ErrorCode.NoResponders && thrown.api_error === undefined;
}
export const isStreamMissing = (thrown: unknown): boolean => apiCode(thrown) === api.streamNotFound;
export const isConsumerMissing = (thrown: unknown): boolean =>
  apiCode(thrown) === api.consumerNotFound || isStreamMissing(thrown);
/** A cluster has fewer servers with JetStream and room than a stream is to have copies. */
export function isClusterSmall(thrown: unknown): boolean {
  const code = apiCode(thrown);
  return code === api.clusterNoPeers || code === api.insufficientResources || code === api.streamReplicasNotSupported;
}
/**
 * The files of a stream are missing, so that it accepts nothing. Happens if nats-server 2.9 is asked to create a stream while
 * it is still deleting one of the same name.
 */
export const isStreamBroken = (thrown: unknown): boolean =>
  apiCode(thrown) !== undefined && /no such file or directory/.test(textOf(thrown));
export function isMessageMissing(thrown: unknown): boolean {
  const code = apiCode(thrown);
  if (code === api.noMessageFound || code === api.sequenceNotFound) return true;
  return code === api.messageDeleteFailed && /no message found/.test(textOf(thrown));
}

/**
 * Converts an error of the client. All but a closed bus are retryable; after a timeout the call may have taken effect, so
 * only idempotent calls may be repeated, and all of ours are.
 */
export function busFailure(thrown: unknown, what: string): AiraError {
  if (thrown instanceof AiraError) return thrown;
  const options = { cause: thrown };
  if (!(thrown instanceof NatsError)) {
    return new RetryableError('bus-failed', `${what} failed: ${errorMessage(thrown)}`, 1_000, options);
  }
  switch (apiCode(thrown)) {
    case api.streamStoreFailed:
      // One code for a full stream and for a failed disk; only the text distinguishes them.
      if (!/maximum/.test(textOf(thrown))) break;
      return new RetryableError('queue-full', `${what} was refused: the stream is full`, 2_000, options);
    case api.insufficientResources:
    case api.storageExceeded:
      return new PrerequisiteError(
        'nats-store-full',
        `${what} was refused: the NATS server has no space left for its streams.`,
        'Free disk space for the store of the server, or use a larger one.',
        options,
      );
  }
  switch (thrown.code) {
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
      return new TerminalError('bus-closed', `${what} failed: the bus is closed`, options);
    case ErrorCode.MaxPayloadExceeded:
      return new TerminalError('message-too-large', `${what} exceeds the server's limit on messages`, options);
    case ErrorCode.Timeout:
      return new RetryableError(
        'bus-timeout',
        `${what} was not confirmed in time; it may have taken effect`,
        500,
        options,
      );
    case ErrorCode.NoResponders:
      return new RetryableError('bus-away', `${what} failed: no responders`, 500, options);
    default:
      return new RetryableError('bus-failed', `${what} failed: ${textOf(thrown)}`, 1_000, options);
  }
}
