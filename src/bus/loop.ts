/**
 * A task that repeats until it is stopped or the bus closes.
 *
 * Role: repeats a step, one at a time, while connected; a failed step is logged and retried after a pause. Non-role: the
 * step itself.
 *
 *   LOO-1  `stop` resolves after the running step has ended, and no step starts after the call.
 *   LOO-2  The bus does not close before the running step has ended.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { Link } from './connection.ts';

/** A running subscription. */
export interface BusSubscription {
  /** Resolves once nothing is running. */
  stop(): Promise<void>;
}

/** Waits, unless one of the signals is aborted. */
export async function pause(milliseconds: number, signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return;
  const wake = new AbortController();
  const abort = () => wake.abort();
  for (const signal of signals) signal.addEventListener('abort', abort);
  await delay(milliseconds, undefined, { signal: wake.signal }).catch(() => undefined);
  for (const signal of signals) signal.removeEventListener('abort', abort);
}

export function runLoop(
  link: Link,
  what: string,
  step: (signals: readonly AbortSignal[]) => Promise<void>,
): BusSubscription {
  const stopping = new AbortController();
  const signals = [stopping.signal, link.closing];
  const over = () => signals.some((signal) => signal.aborted) || link.nc.isClosed();

  async function run(): Promise<void> {
    while (!over()) {
      await link.whenConnected(signals);
      if (over()) return;
      try {
        await step(signals);
      } catch (thrown) {
        if (over()) return;
        link.log.warn({ error: errorMessage(thrown) }, `${what} failed; retrying`);
        await pause(thrown instanceof RetryableError ? thrown.retryAfterMs : 1_000, signals);
      }
    }
  }

  const running = run();
  link.keep(running);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
