import type { Clock, Timers } from '../platform/index.ts';
import { asFault, ChatFault } from './faults.ts';

/** Maximum silence of a provider, in milliseconds. */
export interface Timeouts {
  /** Until the answer begins; thinking models are silent for a long time. */
  readonly firstMs: number;
  /** Between two pieces of the answer. */
  readonly betweenMs: number;
  readonly totalMs: number;
}

export const defaultTimeouts: Timeouts = { firstMs: 120_000, betweenMs: 60_000, totalMs: 600_000 };

export interface Watch {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
}

/**
 * Reads a stream of events to its end; times out if it stalls.
 *
 * @param open starts the request; must stop when its signal is aborted.
 * @throws ChatFault for any failure, and the outer signal's reason on abort.
 */
export async function readStream<E>(
  open: (signal: AbortSignal) => Promise<AsyncIterable<E>>,
  take: (event: E) => void,
  { timers, clock, timeouts }: Watch,
  outer: AbortSignal,
): Promise<void> {
  outer.throwIfAborted();
  const inner = new AbortController();
  let begun = false;
  let stall: ChatFault | null = null;
  const timeOut = (what: string) => () => {
    stall ??= new ChatFault('timeout', `the provider ${what}`);
    inner.abort(stall);
  };
  const onAbort = () => inner.abort(outer.reason);
  outer.addEventListener('abort', onAbort, { once: true });
  const cancelTotal = timers.after(timeouts.totalMs, timeOut(`took longer than ${timeouts.totalMs / 1000} s`));
  let cancelStall = timers.after(timeouts.firstMs, timeOut(`sent nothing for ${timeouts.firstMs / 1000} s`));
  const silence = timeOut(`paused for more than ${timeouts.betweenMs / 1000} s`);
  try {
    for await (const event of await open(inner.signal)) {
      begun = true;
      cancelStall();
      cancelStall = timers.after(timeouts.betweenMs, silence);
      take(event);
    }
    // The SDKs end an aborted stream without an error.
    if (stall) throw stall;
    outer.throwIfAborted();
  } catch (thrown) {
    if (outer.aborted) throw outer.reason;
    throw stall ?? asFault(thrown, begun, clock.now());
  } finally {
    cancelStall();
    cancelTotal();
    outer.removeEventListener('abort', onAbort);
  }
}
