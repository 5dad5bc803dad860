/** Longer than this no thought waits for a service; it goes on with what it has. */
export const longestRetryMs = 60_000;

/**
 * What a Retry-After header asks for, in milliseconds, capped: seconds or an HTTP date (RFC 9110, 10.2.3). Null where
 * there is none, or none that can be read.
 */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null) return null;
  const text = header.trim();
  // Date.parse alone would take much for a date that is none, such as "-5".
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : date - now;
  if (Number.isNaN(ms)) return null;
  return Math.min(longestRetryMs, Math.max(0, ms));
}

/**
 * How long a host asks to be left alone, in milliseconds, capped: by Retry-After, or, as GitHub does, by a count of requests
 * left and the second of the epoch at which it is renewed. Null where it asks for nothing.
 */
export function patienceMs(headers: Headers, now: number): number | null {
  const asked = retryAfterMs(headers.get('retry-after'), now);
  if (asked !== null || headers.get('x-ratelimit-remaining') !== '0') return asked;
  const reset = headers.get('x-ratelimit-reset');
  return reset !== null && /^\d{1,12}$/.test(reset)
    ? Math.min(longestRetryMs, Math.max(0, Number(reset) * 1000 - now))
    : null;
}
