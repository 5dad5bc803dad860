import { RetryableError } from '../domain/errors.ts';
import { pause, type Timers } from './timers.ts';

export interface RetryOptions {
  readonly timers: Timers;
  /** Ends the wait between two tries; `retry` then rejects with its reason. */
  readonly signal: AbortSignal;
  /** Tries in all, the first included; unlimited by default. */
  readonly tries?: number;
  /** Milliseconds until the next try, or null for a final failure. By default a RetryableError says both. */
  readonly delayMs?: (thrown: unknown, failed: number) => number | null;
  readonly onRetry?: (thrown: unknown) => void;
}

const ownDelay = (thrown: unknown): number | null => (thrown instanceof RetryableError ? thrown.retryAfterMs : null);

/**
 * Repeats an idempotent action until it succeeds, fails for good, or has used its tries.
 *
 * Not a library's: those wait on the global clock, and a lab is tested in virtual time.
 *
 * @throws what the last try threw; the signal's reason once it aborts.
 */
export async function retry<T>(
  action: (attempt: number) => Promise<T>,
  { timers, signal, tries = Number.POSITIVE_INFINITY, delayMs = ownDelay, onRetry }: RetryOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await action(attempt);
    } catch (thrown) {
      const wait = attempt >= tries ? null : delayMs(thrown, attempt);
      if (wait === null) throw thrown;
      onRetry?.(thrown);
      await pause(timers, wait, signal);
    }
  }
}
