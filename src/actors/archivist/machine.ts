import { assign, fromCallback, fromPromise, setup } from 'xstate';
import { type Bus, type Handlers, type Meta, openResult } from '../../bus/index.ts';
import { errorMessage, toError } from '../../domain/errors.ts';
import type { ResultMessage } from '../../domain/evaluation.ts';
import type { ReplyOf, RequestOf, Verb } from '../../domain/messages.ts';
import type { Archive } from '../../memory/archive.ts';
import type { Logger } from '../../platform/log.ts';
import { publicSealingKey } from '../../platform/seal.ts';
import type { Timers } from '../../platform/timers.ts';
import { type Broken, kept } from '../kept.ts';
import { patiently } from '../patiently.ts';
import { Committer } from './committer.ts';
import { Pump } from './pump.ts';
import { reconcile } from './reconcile.ts';

export interface ArchivistParts {
  readonly archive: Archive;
  readonly bus: Bus;
  /** Opens what workers have sealed: private, as PEM. */
  readonly sealingKey: string;
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
 * A4. A request counts as its sender's and a result as its claimant's only with the token that proves it (I12).
 */
export function archivistMachine({ archive, bus, sealingKey, timers, log, reconcileEveryMs }: ArchivistParts) {
  const pump = new Pump({ archive, bus, timers, log });

  const committer = new Committer(archive, () => pump.wake());

  const verbs = Object.keys(archive.handlers) as Verb[];
  const answered = <V extends Verb>(verb: V, request: RequestOf<V>, { token }: Meta): Promise<ReplyOf<V>> =>
    committer.run(() => archive.answer(verb, request, token));
  const seal = publicSealingKey(sealingKey);
  /** Compares queue and ledger soon; set while the archivist serves. */
  let compareSoon = (): void => undefined;
  const handlers = {
    ...Object.fromEntries(
      verbs.map((verb) => [verb, (request: RequestOf<Verb>, meta: Meta) => answered(verb, request, meta)]),
    ),
    // Jobs of a search that lay still have left the queue.
    'search-open': async (request: RequestOf<'search-open'>, meta: Meta) => {
      const reply = await answered('search-open', request, meta);
      if (reply.resumed) compareSoon();
      return reply;
    },
    'job-claim': async (request: RequestOf<'job-claim'>, meta: Meta) => {
      const reply = await answered('job-claim', request, meta);
      return reply.go ? { ...reply, seal } : reply;
    },
  } as unknown as Handlers;

  const take = async (message: ResultMessage, { token }: Meta): Promise<'ack' | 'term'> => {
    const { key, worker } = message;
    const result = openResult(message, sealingKey);
    if (result === null) {
      log.warn({ key, worker }, 'a result was refused: its hidden figures are not sealed for this archive');
      await committer.run(() => archive.refuse(message, 'unreadable'));
      return 'term';
    }
    const verdict = await committer.run(() => archive.take(result, token));
    if (verdict === 'unheld') log.warn({ key, worker }, 'a result was refused: its sender does not hold the claim');
    if (verdict === 'unknown') log.warn({ key }, 'a result for a job that nobody asked for');
    return verdict === 'unknown' || verdict === 'unheld' ? 'term' : 'ack';
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
