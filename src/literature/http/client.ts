import { AiraError, errorMessage, TerminalError } from '../../domain/errors.ts';
import { type Clock, type Logger, pause, type Timers } from '../../platform/index.ts';
import { BusyError, OfflineError, RefusedError } from './errors.ts';
import { readCapped } from './readCapped.ts';
import type { CachedResponse, ResponseCache } from './responseCache.ts';
import { longestRetryMs, patienceMs } from './retryAfter.ts';
import { type Rate, TokenBucket } from './tokenBucket.ts';

/**
 * The one door to literature services, shared by all agents of a process.
 *
 * It knows rates, caching and patience; what the answers mean is the sources' business.
 *
 * H1 A fresh answer of the cache costs no request; equal requests under way at once cost one.
 * H2 Requests to one lane of a host begin one after the other, within its rate, and end before the next begins.
 * H3 A host that asks for patience gets it, up to a minute; then the caller is told instead of kept waiting.
 * H4 Offline, only the cache answers. A network that is found missing is spoken of once, and tried again after a while.
 * H5 What is not in its service's format is not kept: a page that says "try again" is no answer for a week.
 * H6 Keys go to the host they belong to and nowhere else: not into the cache, messages, logs or redirections.
 */

const attempts = 3;
const firstBackoffMs = 1_000;
/** How long a host that could not be reached is left alone. */
const awayMs = 60_000;
const mostBytes = 4 * 1024 * 1024;

export interface ClientOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  readonly cache: ResponseCache;
  /** `aira/0.1.0 (+https://...)`. */
  readonly userAgent: string;
  readonly offline: boolean;
  /** Per attempt, from the request to the last byte. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof fetch;
}

export interface GetRequest {
  /** Without secrets: this is what is logged and what keys the cache. */
  readonly url: URL;
  readonly rate: Rate;
  /** Hosts that count some kinds of requests apart have a lane for each; requests of one lane share one rate. */
  readonly lane?: string;
  /** How long an answer is good without asking again. */
  readonly ttlMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly secretHeaders?: Readonly<Record<string, string>>;
  readonly secretQuery?: Readonly<Record<string, string>>;
  /** Throws what is wrong with an answer; such an answer is not kept. */
  readonly check: (body: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly body: string;
  /** When it was known to be current: ISO 8601. */
  readonly retrievedAt: string;
  readonly from: 'network' | 'cache' | 'stale-cache';
}

interface Host {
  readonly bucket: TokenBucket;
  turn: Promise<void>;
  awayUntil: number;
}

export class LiteratureClient {
  readonly #setting: ClientOptions;
  readonly #hosts = new Map<string, Host>();
  readonly #underWay = new Map<string, Promise<Answer>>();
  readonly #closing = new AbortController();
  #saidOffline = false;

  constructor(setting: ClientOptions) {
    this.#setting = setting;
  }

  /**
   * @throws OfflineError without network and cache; BusyError when the host keeps refusing for now; RefusedError when it
   * refuses for good; the signal's reason when it aborts.
   */
  async get(request: GetRequest): Promise<Answer> {
    const { signal } = request;
    signal?.throwIfAborted();
    const key = cacheKey(request);
    const { cache, clock, offline } = this.#setting;
    const cached = passing(cache.read(key), request);
    if (cached && clock.now() - cached.retrievedAt < request.ttlMs) return answerOf(cached, 'cache');
    if (offline) {
      this.#sayOffline('offline by choice');
      if (cached) return answerOf(cached, 'stale-cache');
      throw new OfflineError(request.url.host, longestRetryMs);
    }
    let shared = this.#underWay.get(key);
    if (!shared) {
      // Not tied to one caller's signal: others may be waiting for the same answer.
      shared = this.#fetch(request, key, cached).finally(() => this.#underWay.delete(key));
      this.#underWay.set(key, shared);
    }
    return abandonable(shared, signal);
  }

  /** Gives up what is under way and waits for nothing more. */
  close(): void {
    this.#closing.abort(new TerminalError('literature-closed', 'reading has ended'));
  }

  #host({ url, rate, lane = '' }: GetRequest): Host {
    const name = `${url.host} ${lane}`;
    let host = this.#hosts.get(name);
    if (!host) {
      const { clock, timers } = this.#setting;
      host = { bucket: new TokenBucket(rate, clock, timers), turn: Promise.resolve(), awayUntil: 0 };
      this.#hosts.set(name, host);
    }
    return host;
  }

  async #fetch(request: GetRequest, key: string, cached: CachedResponse | null): Promise<Answer> {
    const host = this.#host(request);
    const turn = host.turn.then(() => this.#persist(request, host, key, cached));
    host.turn = turn.then(
      () => {},
      () => {},
    );
    try {
      return await turn;
    } catch (thrown) {
      const lasting = thrown instanceof RefusedError;
      if (cached && !lasting) return answerOf(cached, 'stale-cache');
      throw thrown;
    }
  }

  async #persist(request: GetRequest, host: Host, key: string, cached: CachedResponse | null): Promise<Answer> {
    const { clock, timers, cache } = this.#setting;
    const closing = this.#closing.signal;
    if (clock.monotonic() < host.awayUntil)
      throw new OfflineError(request.url.host, host.awayUntil - clock.monotonic());
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
      const mayPass = outcome.status === 429 || outcome.status >= 500 || outcome.retryAfter !== null;
      if (!mayPass) throw new RefusedError(request.url.host, outcome.status);
      const wait = outcome.retryAfter ?? firstBackoffMs * 2 ** (attempt - 1);
      // The next caller, too, has to wait it out.
      host.bucket.hold(wait);
      if (attempt === attempts || wait >= longestRetryMs) throw new BusyError(request.url.host, outcome.status, wait);
      await pause(timers, wait, closing);
    }
  }

  async #once(request: GetRequest, host: Host, cached: CachedResponse | null) {
    const { clock, timers, userAgent, timeoutMs = 20_000, fetch: send = fetch } = this.#setting;
    const deadline = new AbortController();
    const cancel = timers.after(timeoutMs, () => deadline.abort(new Error(`no answer within ${timeoutMs} ms`)));
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
        // A redirection could carry a key to another host.
        redirect: 'manual',
        signal: AbortSignal.any([deadline.signal, this.#closing.signal]),
      });
      const ok = response.status === 200;
      const body = ok ? await readCapped(response, mostBytes) : '';
      if (!ok) await response.body?.cancel();
      this.#saidOffline = false;
      return {
        status: response.status,
        body,
        etag: response.headers.get('etag'),
        lastModified: response.headers.get('last-modified'),
        retryAfter: patienceMs(response.headers, clock.now()),
      };
    } catch (thrown) {
      if (thrown instanceof AiraError) throw thrown;
      this.#closing.signal.throwIfAborted();
      host.awayUntil = clock.monotonic() + awayMs;
      this.#sayOffline(
        `${request.url.host}: ${errorMessage(deadline.signal.aborted ? deadline.signal.reason : causeOf(thrown))}`,
      );
      throw new OfflineError(request.url.host, awayMs, { cause: withoutSecrets(thrown) });
    } finally {
      cancel();
    }
  }

  #sayOffline(why: string): void {
    if (this.#saidOffline) return;
    this.#saidOffline = true;
    this.#setting.log.warn(
      { why },
      'no literature service can be asked; reading goes on with the notes and earlier answers',
    );
  }
}

/** The public URL with its parameters in one order: equal questions have equal keys. */
function cacheKey({ url, headers }: GetRequest): string {
  const sorted = new URL(url);
  sorted.searchParams.sort();
  sorted.hash = '';
  return headers?.accept ? `${sorted.href} ${headers.accept}` : sorted.href;
}

function answerOf({ body, retrievedAt }: CachedResponse, from: Answer['from']): Answer {
  return { body, retrievedAt: new Date(retrievedAt).toISOString(), from };
}

/** An answer that an earlier version kept may not pass any more. */
function passing(cached: CachedResponse | null, { check }: GetRequest): CachedResponse | null {
  if (!cached) return null;
  try {
    check(cached.body);
    return cached;
  } catch {
    return null;
  }
}

/** Node's fetch hides what went wrong one level down. */
function causeOf(thrown: unknown): unknown {
  return (thrown as { cause?: unknown } | null)?.cause ?? thrown;
}

/** The message alone: what fetch throws may carry the request, and with it a key. */
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
