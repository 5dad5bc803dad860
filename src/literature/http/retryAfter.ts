/** Longest wait for a service; beyond that a thought continues without it. */
export const longestRetryMs = 60_000;

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
