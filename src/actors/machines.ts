import { type AnyStateMachine, createActor, fromCallback, type SnapshotFrom } from 'xstate';
import type { Bus, BusSubscription } from '../bus/index.ts';
import { AiraError, errorMessage, toError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { LabEvent } from '../domain/messages.ts';
import { type Logger, retry, type Timers } from '../platform/index.ts';

/** A running machine. */
export interface MachineHandle<M extends AnyStateMachine> {
  send(event: Parameters<ReturnType<typeof createActor<M>>['send']>[0]): void;
  snapshot(): SnapshotFrom<M>;
  /** Resolves with the last snapshot when the machine is in a final state. */
  readonly ended: Promise<SnapshotFrom<M>>;
}

/** Starts a machine without input. An error inside the machine rejects `ended`. */
export function startMachine<M extends AnyStateMachine>(machine: M, log: Logger): MachineHandle<M> {
  const actor = createActor(machine);
  const ended = new Promise<SnapshotFrom<M>>((resolve, reject) => {
    actor.subscribe({
      complete: () => resolve(actor.getSnapshot() as SnapshotFrom<M>),
      error: (thrown) => {
        log.error({ err: thrown, machine: machine.id }, 'state machine failed');
        reject(thrown);
      },
    });
  });
  actor.start();
  return { send: (event) => actor.send(event), snapshot: () => actor.getSnapshot() as SnapshotFrom<M>, ended };
}

/** A value that the state before has set. @throws AiraError for null, a bug of the machine. */
export function assertPresent<T>(value: T | null): T {
  if (value === null) throw new AiraError('machine', 'machine entered a state without its context');
  return value;
}

/** Sent to a machine whose subscription failed for good. */
export interface SubscriptionFailed {
  type: 'SUBSCRIPTION_FAILED';
  error: Error;
}

/** A subscription that lasts as long as the state that invokes it; retried while the server is unavailable. */
export function subscriptionActor<E extends { type: string }>(
  subscribe: (send: (event: E) => void) => Promise<BusSubscription>,
  { timers, log }: { timers: Timers; log: Logger },
) {
  return fromCallback<E, unknown, E | SubscriptionFailed>(({ sendBack }) => {
    const ending = new AbortController();
    const { signal } = ending;
    const subscribed = retryTransient(() => subscribe(sendBack as (event: E) => void), { signal, timers, log });
    subscribed.then(
      (subscription) => (signal.aborted ? subscription.stop() : undefined),
      (thrown) => {
        if (!signal.aborted) sendBack({ type: 'SUBSCRIPTION_FAILED', error: toError(thrown) });
      },
    );
    return () => {
      ending.abort();
      subscribed.then((subscription) => subscription.stop()).catch(() => undefined);
    };
  });
}

/** Repeats an idempotent action for as long as its failures say that they may pass, or until `signal` aborts. */
export const retryTransient = <T>(
  action: () => Promise<T>,
  { signal, timers, log }: { signal: AbortSignal; timers: Timers; log: Logger },
): Promise<T> =>
  retry(action, { signal, timers, onRetry: (thrown) => log.info({ error: errorMessage(thrown) }, 'retrying') });

/** Half a minute at 250 ms each. */
const subscribeTries = 120;

/**
 * New events of a search for a command, once the streams are set up: an archive that has just started, or whose server has lost
 * them, needs seconds. A command gives up, a machine does not.
 *
 * @throws RetryableError `bus-unready` if no archive sets them up.
 */
export const watchEvents = (
  bus: Pick<Bus, 'consumeEvents'>,
  search: SearchId,
  handler: (event: LabEvent) => void,
  timers: Timers,
): Promise<BusSubscription> => {
  const { signal } = new AbortController();
  return retry(() => bus.consumeEvents({ search, from: 'new' }, handler), { timers, signal, tries: subscribeTries });
};
