import { fromCallback } from 'xstate';
import type { Running } from '../bus/index.ts';
import { toError } from '../domain/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Timers } from '../platform/timers.ts';
import { patiently } from './patiently.ts';

/** What a machine hears when something that it keeps going cannot be had at all. */
export interface Broken {
  type: 'BROKEN';
  error: Error;
}

/** Keeps a subscription for as long as the state that invokes it lasts. A server that is away is waited for. */
export function kept<E extends { type: string }>(
  begin: (send: (event: E) => void) => Promise<Running>,
  { timers, log }: { timers: Timers; log: Logger },
) {
  return fromCallback<E, unknown, E | Broken>(({ sendBack }) => {
    const ending = new AbortController();
    const { signal } = ending;
    const running = patiently(() => begin(sendBack as (event: E) => void), { signal, timers, log });
    running.then(
      (begun) => (signal.aborted ? begun.stop() : undefined),
      (thrown) => {
        if (!signal.aborted) sendBack({ type: 'BROKEN', error: toError(thrown) });
      },
    );
    return () => {
      ending.abort();
      running.then((begun) => begun.stop()).catch(() => undefined);
    };
  });
}
