import { type AnyStateMachine, createActor, fromCallback, type SnapshotFrom } from 'xstate';
import type { BusSubscription } from '../bus/index.ts';
import { AiraError, errorMessage, RetryableError, toError } from '../domain/errors.ts';
import { type Logger, pause, type Timers } from '../platform/index.ts';

/** A part that has been started. */
export interface MachineHandle<M extends AnyStateMachine> {
  send(event: Parameters<ReturnType<typeof createActor<M>>['send']>[0]): void;
  snapshot(): SnapshotFrom<M>;
  /** Resolves with the last snapshot when the part has come to its end, whichever end that is. */
  readonly ended: Promise<SnapshotFrom<M>>;
}

/** Starts a machine without input. A mistake in a machine ends it and rejects `ended`; it never goes unnoticed. */
export function startMachine<M extends AnyStateMachine>(machine: M, log: Logger): MachineHandle<M> {
  const actor = createActor(machine);
  const ended = new Promise<SnapshotFrom<M>>((resolve, reject) => {
    actor.subscribe({
      complete: () => resolve(actor.getSnapshot() as SnapshotFrom<M>),
      error: (thrown) => {
        log.error({ err: thrown, machine: machine.id }, 'a machine broke');
        reject(thrown);
      },
    });
  });
  actor.start();
  return { send: (event) => actor.send(event), snapshot: () => actor.getSnapshot() as SnapshotFrom<M>, ended };
}

/** What the state that asks for it was given by the state before; null would be a mistake in the machine. */
export function assertPresent<T>(value: T | null): T {
  if (value === null) throw new AiraError('machine', 'a state was entered without what it works on');
  return value;
}

/** What a machine hears when something that it keeps going cannot be had at all. */
export interface SubscriptionFailed {
  type: 'BROKEN';
  error: Error;
}

/** Keeps a subscription for as long as the state that invokes it lasts. A server that is away is waited for. */
export function subscriptionActor<E extends { type: string }>(
  begin: (send: (event: E) => void) => Promise<BusSubscription>,
  { timers, log }: { timers: Timers; log: Logger },
) {
  return fromCallback<E, unknown, E | SubscriptionFailed>(({ sendBack }) => {
    const ending = new AbortController();
    const { signal } = ending;
    const running = retryTransient(() => begin(sendBack as (event: E) => void), { signal, timers, log });
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

/** Repeats an idempotent action for as long as its failures say that they may pass, or until `signal` aborts. */
export async function retryTransient<T>(
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
