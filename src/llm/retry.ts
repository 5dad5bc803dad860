import type { CallOutcome } from '../domain/agent.ts';
import { AiraError, errorMessage, RetryableError } from '../domain/errors.ts';
import type { Rng } from '../domain/rng.ts';
import { type Clock, retry, type Timers } from '../platform/index.ts';

/**
 * Requests that got no answer: why, and whether they are repeated.
 *
 * Role: faults of providers and of SDKs as one class, retries, the circuit breaker. Non-role: sending (wire.ts), what a server
 * refuses of a request (ladder.ts).
 */

type FaultKind = Extract<CallOutcome, 'rejected' | 'busy' | 'unavailable' | 'timeout' | 'dropped'>;

/** Longest wait that a provider may request. A header may say a month; an agent does not wait that long. */
const longestRetryAfterMs = 120_000;

/** Thrown when a request got no answer. Every kind but `rejected` may succeed on retry, which the retry policy does. */
export class ChatFault extends AiraError {
  readonly kind: FaultKind;
  /** The wait that the provider requests, capped; null if it states none. */
  readonly retryAfterMs: number | null;
  /** The provider may have computed, and charged for, an answer that did not arrive. */
  readonly billable: boolean;
  /** The status of the reply; null without one. */
  readonly status: number | null;
  /** What the server said, in full as far as it was read; may contain keys. */
  readonly detail: string;
  /** What the next try does without, because the server refused it: the request is repeated at once in that form. */
  readonly adapted: string | null;

  constructor(
    kind: FaultKind,
    message: string,
    options: {
      retryAfterMs?: number | null;
      cause?: unknown;
      status?: number | null;
      detail?: string;
      adapted?: string;
    } = {},
  ) {
    super(`chat-${kind}`, message, { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.billable = kind === 'timeout' || kind === 'dropped';
    this.status = options.status ?? null;
    this.detail = options.detail ?? message;
    this.adapted = options.adapted ?? null;
  }
}

/** Milliseconds from `retry-after-ms`, or from `retry-after` as seconds or a date; null if invalid. */
export function retryAfter(headers: Headers | undefined, now: number): number | null {
  const precise = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  const text = headers?.get('retry-after') ?? '';
  const seconds = /^[\d.]+$/.test(text) ? Number(text) : Number.NaN;
  const date = Date.parse(/[A-Za-z]/.test(text) ? text : '');
  const wait = [precise, seconds * 1000, date - now].find((each) => Number.isFinite(each) && each >= 0);
  return wait === undefined ? null : Math.min(wait, longestRetryAfterMs);
}

/** Phrases by which providers signal exhausted funds rather than a rate limit: waiting does not help. */
const spendLimit = /insufficient_quota|spend.?limit|credit balance|billing|quota.{0,20}exceeded|payment/i;

/** Matches errors of servers that reject a request because of its tools. */
export const namesTools = /tool|function.?call/i;

/** The sentence of an error body: servers nest it differently, and proxies answer with pages. */
function sentenceOf(body: string): string {
  try {
    const { error, message, detail } = JSON.parse(body) as Record<string, unknown>;
    const inner = error !== null && typeof error === 'object' ? (error as Record<string, unknown>) : { message: error };
    const named = [inner.code, inner.type].filter((each) => typeof each === 'string').join(' ');
    const said = [inner.message, message, detail].find((each) => typeof each === 'string' && each !== '');
    if (said !== undefined) return `${named} ${said as string}`.trim();
  } catch {
    // Not JSON: a page, or plain words.
  }
  // Bounded first: of a megabyte of angle brackets each starts a search for its end.
  return body
    .slice(0, 8000)
    .replace(/<[^>]{0,400}>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Classifies a status and a body. @param text the body, or code, type and message of the error as far as known. */
export function faultOf(
  status: number,
  text: string,
  headers: Headers | undefined,
  now: number,
  cause?: unknown,
): ChatFault {
  const message = `the provider answered ${status}: ${sentenceOf(text).slice(0, 300) || 'no reason given'}`;
  const rejected = { cause, status, detail: text.slice(0, 8000) };
  const options = { ...rejected, retryAfterMs: retryAfter(headers, now) };
  if (status === 402 || ((status === 429 || status === 400 || status === 403) && spendLimit.test(text))) {
    return new ChatFault('rejected', message, rejected);
  }
  if (status === 429 || status === 529) return new ChatFault('busy', message, options);
  if (status === 408) return new ChatFault('timeout', message, options);
  if (status >= 500 || status === 409 || status === 425) return new ChatFault('unavailable', message, options);
  return new ChatFault('rejected', message, rejected);
}

/** The errors of both SDKs, by shape: one generator produced them. */
interface SdkError {
  readonly status?: number;
  readonly headers?: Headers;
  readonly error?: unknown;
  readonly type?: string | null;
  readonly code?: string | number | null;
}

/** Statuses of errors that arrive inside a stream that began with 200. */
const streamStatus: Readonly<Record<string, number>> = {
  overloaded_error: 529,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  invalid_request_error: 400,
  invalid_prompt: 400,
  context_length_exceeded: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  timeout_error: 504,
};

function bodyText(error: unknown): string {
  try {
    return typeof error === 'string' ? error : (JSON.stringify(error) ?? '');
  } catch {
    return '';
  }
}

/** The fault of an error event: a code and a message in a stream that began well. */
export function eventFault(code: string | null | undefined, message: string, now: number): ChatFault {
  return faultOf(streamStatus[code ?? ''] ?? 500, `${code ?? 'server_error'} ${message}`, undefined, now);
}

/** Converts an SDK's error to a fault. @param begun the answer had started to arrive. */
export function asFault(thrown: unknown, begun: boolean, now: number): ChatFault {
  if (thrown instanceof ChatFault) return thrown;
  const { status, headers, error, type, code } = (thrown ?? {}) as SdkError;
  const text = `${errorMessage(thrown)} ${code ?? ''} ${bodyText(error)}`;
  if (typeof status === 'number') return faultOf(status, text, headers, now, thrown);
  // Gateways put the status of the model behind them into the error.
  const stated = Number((error as { code?: unknown } | null | undefined)?.code ?? code);
  if (stated >= 400 && stated < 600) return faultOf(stated, text, headers, now, thrown);
  const named = Object.keys(streamStatus).find((name) => type === name || code === name || text.includes(name));
  if (named) return faultOf(streamStatus[named] ?? 500, text, headers, now, thrown);
  if (error !== undefined && error !== null) return faultOf(500, text, headers, now, thrown);
  if ((thrown as Error)?.constructor?.name === 'APIConnectionTimeoutError') {
    return new ChatFault('timeout', 'the request to the provider timed out', { cause: thrown });
  }
  if (begun)
    return new ChatFault('dropped', `the answer ended prematurely: ${errorMessage(thrown)}`, { cause: thrown });
  return new ChatFault('unavailable', `no connection to the provider: ${errorMessage(thrown)}`, { cause: thrown });
}

export interface RetryPolicy {
  /** Tries of one request, the first included. */
  readonly tries: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const defaultRetries: RetryPolicy = { tries: 5, firstPauseMs: 1000, longestPauseMs: 60_000 };

/**
 * Milliseconds to wait after the `failed`-th failed try: full jitter below a doubling ceiling, so that agents that failed
 * together do not return together; never less than the provider requests.
 */
function backoff(policy: RetryPolicy, failed: number, askedMs: number | null, rng: Rng): number {
  const ceiling = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (failed - 1));
  return (askedMs ?? 0) + rng.float() * ceiling;
}

/** Forms of one request, the first included: more than there are parts to leave out, fewer than a server's moving limits. */
const mostForms = 12;

/**
 * Repeats a request until it is answered or rejected, or the tries are used up. A request that its server accepts in a
 * smaller form is repeated in that form at once.
 *
 * @throws ChatFault the last one; any other error of `attempt` immediately.
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<T>,
  policy: RetryPolicy,
  { breaker, timers, rng, signal }: { breaker: Breaker; timers: Timers; rng: Rng; signal: AbortSignal },
): Promise<T> {
  const tried = async (number: number): Promise<T> => {
    for (let forms = 1; ; forms++) {
      breaker.enter();
      try {
        const answer = await attempt(number);
        breaker.succeeded();
        return answer;
      } catch (thrown) {
        if (thrown instanceof ChatFault) breaker.failed(thrown);
        else breaker.abandoned();
        // The server is well and the next form is smaller (LAD-1): no pause, and no try used.
        const isAdapted = thrown instanceof ChatFault && thrown.adapted !== null;
        if (!isAdapted || forms === mostForms) throw thrown;
        signal.throwIfAborted();
      }
    }
  };
  const delayMs = (thrown: unknown, failed: number): number | null =>
    thrown instanceof ChatFault && thrown.kind !== 'rejected'
      ? backoff(policy, failed, thrown.retryAfterMs, rng)
      : null;
  return retry(tried, { timers, signal, tries: policy.tries, delayMs });
}

/** This many failures within the window block a provider until the next probe. */
const mostFailures = 5;
const windowMs = 60_000;
const probeEveryMs = 30_000;

/** Thrown while a provider is blocked after repeated failures. Worth a retry later. */
export class ProviderDownError extends RetryableError {
  constructor(provider: string, retryAfterMs: number, last: string) {
    super('provider-down', `${provider} is blocked for a while after repeated failures: ${last}`, retryAfterMs);
  }
}

/**
 * The circuit breaker of one provider at one address, shared by all agents of this process.
 *
 * Role: keeps the agents from hammering a provider that is down. Non-role: pauses and retries.
 *
 * BRK-1. Closed, it passes everything; `mostFailures` failures within `windowMs` open it; any success closes it.
 * BRK-2. Open, it passes one probe per `probeEveryMs` and refuses everything else at once.
 * BRK-3. A rejected request is not a failure of the provider: it answered.
 */
export class Breaker {
  readonly #provider: string;
  readonly #clock: Clock;
  #failures: number[] = [];
  #nextProbeAt: number | null = null;
  /** The kind only: messages of providers may quote keys. */
  #last = '';

  constructor(provider: string, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#nextProbeAt !== null;
  }

  /** @throws ProviderDownError while open, except for the probe that is due. */
  enter(): void {
    if (this.#nextProbeAt === null) return;
    const wait = this.#nextProbeAt - this.#clock.monotonic();
    if (wait > 0) throw new ProviderDownError(this.#provider, Math.ceil(wait), this.#last);
    this.#nextProbeAt = this.#clock.monotonic() + probeEveryMs;
  }

  succeeded(): void {
    this.#failures = [];
    this.#nextProbeAt = null;
  }

  /** The caller cancelled the request, which says nothing about the provider. */
  abandoned(): void {
    if (this.#nextProbeAt !== null) this.#nextProbeAt = this.#clock.monotonic();
  }

  failed(fault: ChatFault): void {
    if (fault.kind === 'rejected') {
      this.succeeded();
      return;
    }
    const now = this.#clock.monotonic();
    this.#last = fault.kind;
    this.#failures = [...this.#failures.filter((at) => at > now - windowMs), now];
    if (this.#failures.length >= mostFailures) this.#nextProbeAt ??= now + probeEveryMs;
  }
}
