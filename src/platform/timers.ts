/** Waiting as a dependency, so that tests reach a deadline without waiting for it (I5). */

export interface Timers {
  /** Runs `action` once, `ms` milliseconds from now. The answer calls it off. */
  after(ms: number, action: () => void): () => void;
  /** Runs `action` each `ms` milliseconds until it is called off. */
  every(ms: number, action: () => void): () => void;
}

/** The longest delay that Node keeps; a longer one fires at once. */
const longestDelayMs = 2 ** 31 - 1;

export const systemTimers: Timers = {
  after(ms, action) {
    const timer = setTimeout(action, Math.min(ms, longestDelayMs));
    return () => clearTimeout(timer);
  },
  every(ms, action) {
    const timer = setInterval(action, Math.min(ms, longestDelayMs));
    return () => clearInterval(timer);
  },
};

/** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
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

/** Time as a dependency, so that decisions and tests do not depend on the machine's own (I5). */
export interface Clock {
  /** Milliseconds since the epoch: for records, never for durations. */
  now(): number;
  /** Milliseconds that only grow: for deadlines and durations, untouched by clock changes. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** A promise together with the functions that settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

/** `Promise.withResolvers`, which Node 20 does not have. A rejection that nobody awaits is not an error of the process. */
export function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  promise.catch(() => {});
  return { promise, ...(settle as Pick<Deferred<T>, 'resolve' | 'reject'>) };
}
