import type { Clock, Timers } from '../platform/index.ts';
import { asFault, ChatFault } from './faults.ts';

/** How long a provider may keep still, in milliseconds. */
export interface Timeouts {
  /** Until the answer begins; thinking models are silent for long. */
  readonly firstMs: number;
  /** From one piece of the answer to the next. */
  readonly betweenMs: number;
  readonly totalMs: number;
}

export const defaultTimeouts: Timeouts = { firstMs: 120_000, betweenMs: 60_000, totalMs: 600_000 };

export interface Watch {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly patience: Timeouts;
}

/**
 * Reads a stream of events to its end, giving up when it stalls.
 *
 * @param open starts the request; it must end when its signal is aborted.
 * @throws ChatFault for whatever goes wrong on the way, and the outer signal's reason once that is aborted.
 */
export async function readStream<E>(
  open: (signal: AbortSignal) => Promise<AsyncIterable<E>>,
  take: (event: E) => void,
  { timers, clock, patience }: Watch,
  outer: AbortSignal,
): Promise<void> {
  outer.throwIfAborted();
  const inner = new AbortController();
  let begun = false;
  let stall: ChatFault | null = null;
  const giveUp = (what: string) => () => {
    stall ??= new ChatFault('timeout', `the provider ${what}`);
    inner.abort(stall);
  };
  const onAbort = () => inner.abort(outer.reason);
  outer.addEventListener('abort', onAbort, { once: true });
  const cancelTotal = timers.after(patience.totalMs, giveUp(`took longer than ${patience.totalMs / 1000} s`));
  let cancelStall = timers.after(patience.firstMs, giveUp(`sent nothing for ${patience.firstMs / 1000} s`));
  const silence = giveUp(`fell silent for ${patience.betweenMs / 1000} s`);
  try {
    for await (const event of await open(inner.signal)) {
      begun = true;
      cancelStall();
      cancelStall = timers.after(patience.betweenMs, silence);
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
