/** Timers and clocks as a dependency, so that decisions and tests neither wait nor depend on the machine's time (I5). */
import { RetryableError } from '../domain/errors.ts';

export interface Timers {
  /** Runs `action` once after `ms` milliseconds. The returned function cancels it. */
  after(ms: number, action: () => void): () => void;
  /** Runs `action` every `ms` milliseconds until cancelled. */
  every(ms: number, action: () => void): () => void;
}

/** Node's maximum delay; a longer one fires at once. A training may take months. */
const longestDelayMs = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(ms, action) {
    let timer: NodeJS.Timeout;
    const wait = (left: number) => {
      const delay = Math.min(left, longestDelayMs);
      timer = setTimeout(() => (left > delay ? wait(left - delay) : action()), delay);
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
  every(ms, action) {
    const timer = setInterval(action, Math.min(ms, longestDelayMs));
    return () => clearInterval(timer);
  },
};

/** Clocks as a dependency, so that decisions and tests do not depend on the machine's time (I5). */
export interface Clock {
  /** Milliseconds since the epoch: for records, never for durations. */
  now(): number;
  /** Monotonic milliseconds, for deadlines and durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Resolves after `ms` milliseconds; rejects with the signal's reason when it aborts. */
export function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = timers.after(ms, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

interface RetryOptions {
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

/** A promise with its settling functions. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** `Promise.withResolvers`, which Node 20 lacks. An unawaited rejection is not an error of the process. */
export function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...(settle as Pick<Deferred<T>, 'resolve' | 'reject'>) };
}
