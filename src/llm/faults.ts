import type { CallOutcome } from '../domain/call.ts';
import { AiraError, errorMessage } from '../domain/errors.ts';

export type FaultKind = Extract<CallOutcome, 'rejected' | 'busy' | 'unavailable' | 'timeout' | 'dropped'>;

/** Longest pause that a provider may ask for. A header may say a month; an agent does not wait so long. */
const longestRetryAfterMs = 120_000;

/**
 * Thrown when a request got no answer. Every kind but `rejected` may succeed when it is repeated: the retry policy does
 * that, callers see what is left.
 */
export class ChatFault extends AiraError {
  readonly kind: FaultKind;
  /** How long the provider asks to wait, capped; null where it does not say. */
  readonly retryAfterMs: number | null;
  /** The provider may have worked, and charged, although nothing came back. */
  readonly billable: boolean;

  constructor(kind: FaultKind, message: string, given: { retryAfterMs?: number | null; cause?: unknown } = {}) {
    super(`chat-${kind}`, message, { cause: given.cause });
    this.kind = kind;
    this.retryAfterMs = given.retryAfterMs ?? null;
    this.billable = kind === 'timeout' || kind === 'dropped';
  }
}

/** Milliseconds of `retry-after-ms`, or of `retry-after` in seconds or as a date; null for anything that is no wait. */
export function retryAfter(headers: Headers | undefined, now: number): number | null {
  const precise = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  const text = headers?.get('retry-after') ?? '';
  const seconds = /^[\d.]+$/.test(text) ? Number(text) : Number.NaN;
  const date = Date.parse(/[A-Za-z]/.test(text) ? text : '');
  const wait = [precise, seconds * 1000, date - now].find((each) => Number.isFinite(each) && each >= 0);
  return wait === undefined ? null : Math.min(wait, longestRetryAfterMs);
}

/** Words by which providers say that money, not pace, is what is lacking: waiting does not help. */
const spendLimit = /insufficient_quota|spend.?limit|credit balance|billing|quota.{0,20}exceeded|payment/i;

/** What a status and a body mean. @param text code, type and message of the error as far as they are known. */
export function faultOf(
  status: number,
  text: string,
  headers: Headers | undefined,
  now: number,
  cause?: unknown,
): ChatFault {
  const message = `the provider answered ${status}: ${text.slice(0, 300)}`;
  const given = { retryAfterMs: retryAfter(headers, now), cause };
  if (status === 402 || ((status === 429 || status === 400 || status === 403) && spendLimit.test(text))) {
    return new ChatFault('rejected', message, { cause });
  }
  if (status === 429 || status === 529) return new ChatFault('busy', message, given);
  if (status === 408) return new ChatFault('timeout', message, given);
  if (status >= 500 || status === 409) return new ChatFault('unavailable', message, given);
  return new ChatFault('rejected', message, { cause });
}

/** The errors of both SDKs, by shape: they share it, since one generator made them. */
interface SdkError {
  readonly status?: number;
  readonly headers?: Headers;
  readonly error?: unknown;
  readonly type?: string | null;
  readonly code?: string | null;
}

/** Statuses of errors that arrive inside a stream which began with 200. */
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

/** Whatever an SDK threw, as a fault. @param begun the answer had begun to arrive. */
export function asFault(thrown: unknown, begun: boolean, now: number): ChatFault {
  if (thrown instanceof ChatFault) return thrown;
  const { status, headers, error, type, code } = (thrown ?? {}) as SdkError;
  const text = `${errorMessage(thrown)} ${code ?? ''} ${bodyText(error)}`;
  if (typeof status === 'number') return faultOf(status, text, headers, now, thrown);
  const named = Object.keys(streamStatus).find((name) => type === name || code === name || text.includes(name));
  if (named) return faultOf(streamStatus[named] ?? 500, text, headers, now, thrown);
  if (error !== undefined && error !== null) return faultOf(500, text, headers, now, thrown);
  if ((thrown as Error)?.constructor?.name === 'APIConnectionTimeoutError') {
    return new ChatFault('timeout', 'the provider did not answer in time', { cause: thrown });
  }
  if (begun) return new ChatFault('dropped', `the answer broke off: ${errorMessage(thrown)}`, { cause: thrown });
  return new ChatFault('unavailable', `no connection to the provider: ${errorMessage(thrown)}`, { cause: thrown });
}
