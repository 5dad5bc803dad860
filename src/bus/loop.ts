/**
 * A task that goes on until it is stopped or the bus closes.
 *
 * Role: repeats a step, one at a time, while the line is up; a step that throws is logged and tried again after a pause.
 * Not here: what the step does.
 *
 * Invariants
 *  1. `stop` resolves after the step under way has ended, and no step starts after it was called.
 *  2. The bus does not close before the step under way has ended.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { Link } from './connection.ts';

/** Something that goes on until it is stopped. */
export interface BusSubscription {
  /** Resolves once nothing of it is under way any more. */
  stop(): Promise<void>;
}

/** Waits, unless one of the signals is or gets aborted. */
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
        link.log.warn({ error: errorMessage(thrown) }, `${what} stumbled; trying again`);
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
