import { assign, fromCallback, fromPromise, setup } from 'xstate';
import type { Bus, Handlers } from '../../bus/index.ts';
import { errorMessage, toError } from '../../domain/errors.ts';
import type { EvaluationResult } from '../../domain/evaluation.ts';
import type { ReplyOf, RequestOf, Verb } from '../../domain/messages.ts';
import type { Archive } from '../../memory/archive.ts';
import type { Logger } from '../../platform/log.ts';
import type { Timers } from '../../platform/timers.ts';
import { type Broken, kept } from '../kept.ts';
import { patiently } from '../patiently.ts';
import { Committer } from './committer.ts';
import { Pump } from './pump.ts';
import { reconcile } from './reconcile.ts';

export interface ArchivistParts {
  readonly archive: Archive;
  readonly bus: Bus;
  readonly timers: Timers;
  readonly log: Logger;
  /** How often queue and ledger are compared while all is well. */
  readonly reconcileEveryMs: number;
}

/**
 * Results that came while no archivist listened are taken in first: a job whose result is on its way looks lost to a
 * comparison of queue and ledger, and would be trained again in vain.
 */
const firstReconcileMs = 2000;

type ArchivistEvent = { type: 'STOP' } | Broken;

/**
 * The archivist: the only writer of a lab's ledger.
 *
 * Role: answers requests, takes results off the bus, publishes what was decided, keeps queue and ledger in agreement.
 * Non-role: deciding what a search does next (the search actor), judging candidates (workers).
 *
 * A1. A result is acknowledged only after its transaction is on disk (I1).
 * A2. A request or a result that arrives twice changes nothing the second time (I2).
 * A3. Everything it knows is in the ledger: a new archivist on the same home continues where a killed one stood.
 */
export function archivistMachine({ archive, bus, timers, log, reconcileEveryMs }: ArchivistParts) {
  const pump = new Pump({ archive, bus, timers, log });

  const committer = new Committer(archive, () => pump.wake());

  const grouped = <V extends Verb>(verb: V) => {
    const handler = archive.handlers[verb] as (request: RequestOf<V>) => ReplyOf<V>;
    return (request: RequestOf<V>): Promise<ReplyOf<V>> => committer.run(() => handler(request));
  };
  const verbs = Object.keys(archive.handlers) as Verb[];
  const grouping = Object.fromEntries(verbs.map((verb) => [verb, grouped(verb)])) as unknown as Handlers;
  /** Compares queue and ledger soon; set while the archivist serves. */
  let compareSoon = (): void => undefined;
  const handlers: Handlers = {
    ...grouping,
    // Jobs of a search that lay still have left the queue.
    'search-open': async (request, meta) => {
      const reply = await grouping['search-open'](request, meta);
      if (reply.resumed) compareSoon();
      return reply;
    },
  };

  const take = async (result: EvaluationResult): Promise<'ack' | 'term'> => {
    const verdict = await committer.run(() => archive.record(result));
    if (verdict === 'unknown') log.warn({ key: result.key }, 'a result for a job that nobody asked for');
    return verdict === 'unknown' ? 'term' : 'ack';
  };

  return setup({
    types: { events: {} as ArchivistEvent, context: {} as { error: Error | null } },
    actors: {
      prepare: fromPromise(async ({ signal }) => {
        await patiently(() => bus.ensureStreams(), { signal, timers, log });
        pump.wake();
      }),
      answering: kept<ArchivistEvent>(() => bus.serve(handlers), { timers, log }),
      collecting: kept<ArchivistEvent>(() => bus.consumeResults('archivist', take), { timers, log }),
      reconciling: fromCallback<ArchivistEvent>(() => {
        // One comparison at a time: two would queue the same job twice.
        let running = false;
        let again = false;
        let stopped = false;
        const compare = async (): Promise<void> => {
          again = true;
          if (running) return;
          running = true;
          while (again && !stopped) {
            again = false;
            await reconcile(archive, bus, log).then(
              () => pump.wake(),
              (thrown) => log.warn({ error: errorMessage(thrown) }, 'could not compare queue and ledger'),
            );
          }
          running = false;
        };
        const first = timers.after(firstReconcileMs, () => {
          compareSoon = () => void compare();
          compareSoon();
        });
        const others = timers.every(reconcileEveryMs, () => void compare());
        return () => {
          compareSoon = () => undefined;
          stopped = true;
          first();
          others();
        };
      }),
      windUp: fromPromise(() => {
        committer.stop();
        return pump.stop();
      }),
    },
  }).createMachine({
    id: 'archivist',
    initial: 'preparing',
    context: { error: null },
    states: {
      preparing: {
        invoke: {
          src: 'prepare',
          onDone: 'serving',
          onError: { target: 'failed', actions: assign({ error: ({ event }) => toError(event.error) }) },
        },
        on: { STOP: 'stopping' },
      },
      serving: {
        invoke: [{ src: 'answering' }, { src: 'collecting' }, { src: 'reconciling' }],
        on: {
          STOP: 'stopping',
          BROKEN: { target: 'failed', actions: assign({ error: ({ event }) => event.error }) },
        },
      },
      stopping: { invoke: { src: 'windUp', onDone: 'stopped', onError: 'stopped' } },
      stopped: { type: 'final' },
      failed: { type: 'final' },
    },
  });
}
