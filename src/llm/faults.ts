import type { CallOutcome } from '../domain/call.ts';
import { AiraError, errorMessage } from '../domain/errors.ts';

export type FaultKind = Extract<CallOutcome, 'rejected' | 'busy' | 'unavailable' | 'timeout' | 'dropped'>;

/** Longest wait that a provider may request. A header may say a month; an agent does not wait that long. */
const longestRetryAfterMs = 120_000;

/** Thrown when a request got no answer. Every kind but `rejected` may succeed on retry, which the retry policy does. */
export class ChatFault extends AiraError {
  readonly kind: FaultKind;
  /** The wait that the provider requests, capped; null if it states none. */
  readonly retryAfterMs: number | null;
  /** The provider may have computed, and charged for, an answer that did not arrive. */
  readonly billable: boolean;

  constructor(kind: FaultKind, message: string, options: { retryAfterMs?: number | null; cause?: unknown } = {}) {
    super(`chat-${kind}`, message, { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.billable = kind === 'timeout' || kind === 'dropped';
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

/** Classifies a status and a body. @param text code, type and message of the error, as far as known. */
export function faultOf(
  status: number,
  text: string,
  headers: Headers | undefined,
  now: number,
  cause?: unknown,
): ChatFault {
  const message = `the provider answered ${status}: ${text.slice(0, 300)}`;
  const options = { retryAfterMs: retryAfter(headers, now), cause };
  if (status === 402 || ((status === 429 || status === 400 || status === 403) && spendLimit.test(text))) {
    return new ChatFault('rejected', message, { cause });
  }
  if (status === 429 || status === 529) return new ChatFault('busy', message, options);
  if (status === 408) return new ChatFault('timeout', message, options);
  if (status >= 500 || status === 409) return new ChatFault('unavailable', message, options);
  return new ChatFault('rejected', message, { cause });
}

/** The errors of both SDKs, by shape: one generator produced them. */
interface SdkError {
  readonly status?: number;
  readonly headers?: Headers;
  readonly error?: unknown;
  readonly type?: string | null;
  readonly code?: string | null;
}

/** Statuses of errors that arrive inside a stream that began with 200. */
const streamStatus: Readonly<Record<string, number>> = {
  overloaded_error: 529,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  invalid_request_error: 400,
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

/** Converts an SDK's error to a fault. @param begun the answer had started to arrive. */
export function asFault(thrown: unknown, begun: boolean, now: number): ChatFault {
  if (thrown instanceof ChatFault) return thrown;
  const { status, headers, error, type, code } = (thrown ?? {}) as SdkError;
  const text = `${errorMessage(thrown)} ${code ?? ''} ${bodyText(error)}`;
  if (typeof status === 'number') return faultOf(status, text, headers, now, thrown);
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
