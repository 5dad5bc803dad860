import type { Rng } from '../domain/rng.ts';
import { pause, type Timers } from '../platform/timers.ts';
import type { Breaker } from './breaker.ts';
import { ChatFault } from './faults.ts';

export interface RetryPolicy {
  /** Tries of one request, the first included. */
  readonly tries: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const usualRetries: RetryPolicy = { tries: 5, firstPauseMs: 1000, longestPauseMs: 60_000 };

/**
 * How long to wait after the `failed`-th failed try: full jitter below a doubling ceiling, so that agents which failed
 * together do not come back together; never less than what the provider asked for.
 */
export function backoff(policy: RetryPolicy, failed: number, askedMs: number | null, rng: Rng): number {
  const ceiling = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (failed - 1));
  return (askedMs ?? 0) + rng.float() * ceiling;
}

/**
 * Repeats a request until it is answered, turned down, or has failed too often.
 *
 * @throws ChatFault the last one; whatever else `attempt` throws, at once.
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<T>,
  policy: RetryPolicy,
  { breaker, timers, rng, signal }: { breaker: Breaker; timers: Timers; rng: Rng; signal: AbortSignal },
): Promise<T> {
  for (let number = 1; ; number++) {
    breaker.enter();
    try {
      const answer = await attempt(number);
      breaker.succeeded();
      return answer;
    } catch (thrown) {
      if (!(thrown instanceof ChatFault)) {
        breaker.abandoned();
        throw thrown;
      }
      breaker.failed(thrown);
      if (thrown.kind === 'rejected' || number >= policy.tries) throw thrown;
      await pause(timers, backoff(policy, number, thrown.retryAfterMs, rng), signal);
    }
  }
}
