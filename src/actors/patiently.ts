import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { Logger } from '../platform/log.ts';
import { pause, type Timers } from '../platform/timers.ts';

/** Repeats an idempotent action for as long as its failures say that they may pass, or until `signal` aborts. */
export async function patiently<T>(
  action: () => Promise<T>,
  { signal, timers, log }: { signal: AbortSignal; timers: Timers; log: Logger },
): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch (thrown) {
      if (!(thrown instanceof RetryableError)) throw thrown;
      log.info({ error: errorMessage(thrown) }, 'trying again');
      await pause(timers, thrown.retryAfterMs, signal);
    }
  }
}
