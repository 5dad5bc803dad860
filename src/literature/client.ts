import { AiraError, errorMessage, RetryableError, TerminalError } from '../domain/errors.ts';
import { type Clock, type Logger, pause, type Timers } from '../platform/index.ts';
import type { CachedResponse, ResponseCache } from './responseCache.ts';

/**
 * The only HTTP client for literature services, shared by all agents of a process.
 *
 * Role: rates, retries, and what the cache answers; the errors that callers see. Non-role: the meaning of answers, which the sources parse
 * (sources.ts); the files of the cache (responseCache.ts).
 *
 * LIT-1. A fresh cache entry costs no request; concurrent equal requests cost one.
 * LIT-2. Requests to one lane of a host are sequential and within its rate.
 * LIT-3. A wait that a host requests is observed, up to a minute; beyond that the caller gets an error instead.
 * LIT-4. Offline, only the cache answers. A missing network is reported once, and retried after a while.
 * LIT-5. A response that is not in its service's format is not cached: an error page must not persist for a week.
 * LIT-6. Keys go to their own host only: not into the cache, messages, logs or redirects.
 */

const attempts = 3;
const firstBackoffMs = 1_000;
/** How long an unreachable host is not asked again. */
const unreachableMs = 60_000;
const mostBytes = 4 * 1024 * 1024;
/** Longest wait for a service; beyond that a thought continues without it. */
const longestRetryMs = 60_000;

/** Thrown without a network, or in offline mode, if the cache has no response either. */
export class OfflineError extends RetryableError {
  constructor(host: string, retryAfterMs: number, options?: ErrorOptions) {
    super(
      'literature-offline',
      `${host} is unreachable; continuing with the corpus and the cache`,
      retryAfterMs,
      options,
    );
  }
}

/** Thrown when a service fails temporarily: too many requests, or a fault of its own. */
class BusyError extends RetryableError {
  constructor(host: string, status: number, retryAfterMs: number) {
    super('literature-busy', `${host} answered ${status}; retry later`, retryAfterMs);
  }
}

/** Thrown when a response is not in the service's format. */
export class MalformedAnswerError extends TerminalError {
  constructor(service: string, problem: string, options?: ErrorOptions) {
    super('literature-malformed', `unexpected response from ${service}: ${problem}`, options);
  }
}

/** Thrown when a service refuses a request permanently: no key, a wrong key, not found. */
export class RefusedError extends TerminalError {
  readonly status: number;

  constructor(host: string, status: number) {
    super('literature-refused', `${host} refused the request with status ${status}`);
    this.status = status;
  }
}

export interface ClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly cache: ResponseCache;
  /** `aira/0.1.0 (+https://...)`. */
  readonly userAgent: string;
  readonly offline: boolean;
  /** Milliseconds per attempt, from the request to the last byte. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

interface Rate {
  /** Requests that may start at once after a pause. */
  readonly burst: number;
  /** Milliseconds per additional request. */
  readonly everyMs: number;
}

export interface GetRequest {
  /** Without secrets: logged, and the key of the cache. */
  readonly url: URL;
  readonly rate: Rate;
  /** Requests of one lane share one rate; hosts that rate some requests separately have several. */
  readonly lane?: string;
  /** How long a response stays fresh. */
  readonly ttlMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly secretHeaders?: Readonly<Record<string, string>>;
  readonly secretQuery?: Readonly<Record<string, string>>;
  /** Throws if a response is invalid; such a response is not cached. */
  readonly check: (body: string) => void;
  readonly signal?: AbortSignal | undefined;
}

interface Answer {
  readonly body: string;
  /** When the response was last known to be current: ISO 8601. */
  readonly retrievedAt: string;
  readonly from: 'network' | 'cache' | 'stale-cache';
}

interface Host {
  readonly bucket: TokenBucket;
  turn: Promise<void>;
  unreachableUntil: number;
}

export class LiteratureClient {
  readonly #options: ClientOptions;
  readonly #hosts = new Map<string, Host>();
  readonly #inFlight = new Map<string, Promise<Answer>>();
  readonly #closing = new AbortController();
  #offlineReported = false;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /**
   * @throws OfflineError without network and cache; BusyError if the host keeps failing temporarily; RefusedError if it
   * refuses permanently; the signal's reason on abort.
   */
  async get(request: GetRequest): Promise<Answer> {
    const { signal } = request;
    signal?.throwIfAborted();
    const key = cacheKey(request);
    const { cache, clock, offline } = this.#options;
    const cached = passing(cache.read(key), request);
    if (cached && clock.now() - cached.retrievedAt < request.ttlMs) return answerOf(cached, 'cache');
    if (offline) {
      this.#reportOffline('offline mode');
      if (cached) return answerOf(cached, 'stale-cache');
      throw new OfflineError(request.url.host, longestRetryMs);
    }
    let shared = this.#inFlight.get(key);
    if (!shared) {
      // Independent of one caller's signal: others may wait for the same response.
      shared = this.#fetch(request, key, cached).finally(() => this.#inFlight.delete(key));
      this.#inFlight.set(key, shared);
    }
    return abandonable(shared, signal);
  }

  /** Aborts requests in flight. */
  close(): void {
    this.#closing.abort(new TerminalError('literature-closed', 'the literature client is closed'));
  }

  #host({ url, rate, lane = '' }: GetRequest): Host {
    const name = `${url.host} ${lane}`;
    let host = this.#hosts.get(name);
    if (!host) {
      const { clock, timers } = this.#options;
      host = { bucket: new TokenBucket(rate, clock, timers), turn: Promise.resolve(), unreachableUntil: 0 };
      this.#hosts.set(name, host);
    }
    return host;
  }

  async #fetch(request: GetRequest, key: string, cached: CachedResponse | null): Promise<Answer> {
    const host = this.#host(request);
    const turn = host.turn.then(() => this.#fetchWithRetries(request, host, key, cached));
    host.turn = turn.then(
      () => {},
      () => {},
    );
    try {
      return await turn;
    } catch (thrown) {
      const isPermanent = thrown instanceof RefusedError;
      if (cached && !isPermanent) return answerOf(cached, 'stale-cache');
      throw thrown;
    }
  }

  async #fetchWithRetries(
    request: GetRequest,
    host: Host,
    key: string,
    cached: CachedResponse | null,
  ): Promise<Answer> {
    const { clock, timers, cache } = this.#options;
    const closing = this.#closing.signal;
    if (clock.monotonic() < host.unreachableUntil)
      throw new OfflineError(request.url.host, host.unreachableUntil - clock.monotonic());
    for (let attempt = 1; ; attempt++) {
      await host.bucket.acquire(closing);
      const outcome = await this.#once(request, host, cached);
      if (outcome.status === 304 && cached) {
        const renewed = { ...cached, retrievedAt: clock.now() };
        cache.write(renewed);
        return answerOf(renewed, 'network');
      }
      if (outcome.status === 200) {
        request.check(outcome.body);
        const entry = {
          key,
          retrievedAt: clock.now(),
          etag: outcome.etag,
          lastModified: outcome.lastModified,
          body: outcome.body,
        };
        cache.write(entry);
        return answerOf(entry, 'network');
      }
      const isTransient = outcome.status === 429 || outcome.status >= 500 || outcome.retryAfter !== null;
      if (!isTransient) throw new RefusedError(request.url.host, outcome.status);
      const wait = outcome.retryAfter ?? firstBackoffMs * 2 ** (attempt - 1);
      // Applies to the next caller as well.
      host.bucket.hold(wait);
      if (attempt === attempts || wait >= longestRetryMs) throw new BusyError(request.url.host, outcome.status, wait);
      await pause(timers, wait, closing);
    }
  }

  async #once(request: GetRequest, host: Host, cached: CachedResponse | null) {
    const { clock, timers, userAgent, timeoutMs = 20_000, fetch: send = fetch } = this.#options;
    const deadline = new AbortController();
    const cancel = timers.after(timeoutMs, () => deadline.abort(new Error(`no response within ${timeoutMs} ms`)));
    const url = new URL(request.url);
    for (const [name, value] of Object.entries(request.secretQuery ?? {})) url.searchParams.set(name, value);
    try {
      const response = await send(url, {
        headers: {
          'user-agent': userAgent,
          ...request.headers,
          ...request.secretHeaders,
          ...(cached?.etag ? { 'if-none-match': cached.etag } : {}),
          ...(cached?.lastModified ? { 'if-modified-since': cached.lastModified } : {}),
        },
        // A redirect could carry a key to another host.
        redirect: 'manual',
        signal: AbortSignal.any([deadline.signal, this.#closing.signal]),
      });
      const ok = response.status === 200;
      const body = ok ? await readCapped(response, mostBytes) : '';
      if (!ok) await response.body?.cancel();
      this.#offlineReported = false;
      return {
        status: response.status,
        body,
        etag: response.headers.get('etag'),
        lastModified: response.headers.get('last-modified'),
        retryAfter: requestedWaitMs(response.headers, clock.now()),
      };
    } catch (thrown) {
      if (thrown instanceof AiraError) throw thrown;
      this.#closing.signal.throwIfAborted();
      host.unreachableUntil = clock.monotonic() + unreachableMs;
      this.#reportOffline(
        `${request.url.host}: ${errorMessage(deadline.signal.aborted ? deadline.signal.reason : causeOf(thrown))}`,
      );
      throw new OfflineError(request.url.host, unreachableMs, { cause: withoutSecrets(thrown) });
    } finally {
      cancel();
    }
  }

  #reportOffline(why: string): void {
    if (this.#offlineReported) return;
    this.#offlineReported = true;
    this.#options.log.warn({ why }, 'no literature service is reachable; continuing with the corpus and the cache');
  }
}

/** The public URL with sorted parameters: equal questions have equal keys. */
function cacheKey({ url, headers }: GetRequest): string {
  const sorted = new URL(url);
  sorted.searchParams.sort();
  sorted.hash = '';
  return headers?.accept ? `${sorted.href} ${headers.accept}` : sorted.href;
}

function answerOf({ body, retrievedAt }: CachedResponse, from: Answer['from']): Answer {
  return { body, retrievedAt: new Date(retrievedAt).toISOString(), from };
}

/** A response cached by an earlier version may be invalid now. */
function passing(cached: CachedResponse | null, { check }: GetRequest): CachedResponse | null {
  if (!cached) return null;
  try {
    check(cached.body);
    return cached;
  } catch {
    return null;
  }
}

/** Node's fetch nests the actual error in `cause`. */
function causeOf(thrown: unknown): unknown {
  return (thrown as { cause?: unknown } | null)?.cause ?? thrown;
}

/** The message only: an error of fetch may contain the request, and with it a key. */
function withoutSecrets(thrown: unknown): Error {
  return new Error(errorMessage(causeOf(thrown)).slice(0, 200));
}

function abandonable<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return shared;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    shared.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The whole body as text. @throws MalformedAnswerError if it is longer than `mostBytes`, without reading the rest. */
async function readCapped(response: Response, mostBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > mostBytes) {
      throw new MalformedAnswerError(new URL(response.url).host, `more than ${mostBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Wait of a Retry-After header in milliseconds, capped: seconds or an HTTP date (RFC 9110, 10.2.3). Null if absent or
 * invalid.
 */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  // Date.parse alone accepts invalid dates, such as "-5".
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : date - now;
  if (Number.isNaN(ms)) return null;
  return Math.min(longestRetryMs, Math.max(0, ms));
}

/**
 * Wait that a host requests, in milliseconds, capped: by Retry-After, or, as GitHub does, by zero remaining requests and the
 * epoch second of the reset. Null if it requests none.
 */
export function requestedWaitMs(headers: Headers, now: number): number | null {
  const retryAfter = retryAfterMs(headers.get('retry-after'), now);
  if (retryAfter !== null || headers.get('x-ratelimit-remaining') !== '0') return retryAfter;
  const reset = headers.get('x-ratelimit-reset');
  return reset !== null && /^\d{1,12}$/.test(reset)
    ? Math.min(longestRetryMs, Math.max(0, Number(reset) * 1000 - now))
    : null;
}

/**
 * The rate limit of one host. Requests pass one at a time in order of arrival; a wait that the host requests applies to all.
 *
 * TOK-1. In any span of t ms at most burst + t / everyMs requests start.
 * TOK-2. A request that is aborted while it waits takes no token and delays no other.
 */
export class TokenBucket {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #tokens: number;
  #filledAt: number;
  #notBefore = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(rate: Rate, clock: Clock, timers: Timers) {
    this.#rate = rate;
    this.#clock = clock;
    this.#timers = timers;
    this.#tokens = rate.burst;
    this.#filledAt = clock.monotonic();
  }

  /** Resolves when the next request may start. @throws the signal's reason if it aborts first. */
  acquire(signal: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#take(signal));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Blocks all requests for this time, whatever tokens are available. */
  hold(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.monotonic() + ms);
  }

  async #take(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const wait = this.#waitMs();
      if (wait <= 0) break;
      await pause(this.#timers, wait, signal);
    }
    this.#tokens -= 1;
  }

  #waitMs(): number {
    const now = this.#clock.monotonic();
    const { burst, everyMs } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledAt) / everyMs);
    this.#filledAt = now;
    const blocked = this.#notBefore - now;
    // Slightly less than one token counts as one: fractions of a millisecond do not add up exactly.
    const short = this.#tokens >= 1 - 1e-9 ? 0 : (1 - this.#tokens) * everyMs;
    return Math.ceil(Math.max(blocked, short));
  }
}
