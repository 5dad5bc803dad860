import { type AnyActorRef, assign, fromCallback, fromPromise, setup, stateIn } from 'xstate';
import type { Delivery } from '../../bus/index.ts';
import { errorMessage, RetryableError, toError } from '../../domain/errors.ts';
import type { WorkerState } from '../../domain/messages.ts';
import type { EvaluatorHello } from '../../evaluators/index.ts';
import { pause } from '../../platform/timers.ts';
import { held } from '../held.ts';
import { claim } from './claim.ts';
import { type Gathering, gather } from './gather.ts';
import type { WorkerParts } from './parts.ts';
import { report } from './report.ts';
import type { Outcomes, Taken } from './taken.ts';
import { startEvaluators, train } from './train.ts';

interface Context {
  hellos: readonly EvaluatorHello[];
  /** The job to be trained next, and then those that go with it. */
  next: readonly Taken[];
  /** The jobs that are being claimed, trained or reported; several for evaluators that train populations. */
  training: readonly Taken[];
  /** When that training began, as the monotonic clock says it. */
  begun: number;
  outcomes: Outcomes;
  /** Jobs taken so far. */
  taken: number;
  error: Error | null;
  draining: boolean;
}

type WorkerEvent = { type: 'DRAIN' } | { type: 'STOP' } | { type: 'PROGRESS'; share: number } | { type: 'BEAT' };

/** How long one look for work lasts; only the pace of looking again, since the queue answers at once when there is some. */
const lookMs = 5000;
/** So long before a training is expected to end the next job is looked for: finding one takes a few ms. */
const aheadMs = 1000;
/** A look ahead takes what lies in the queue and does not wait: what comes in later is for workers whose device is free. */
const glanceMs = 50;

const inHand = ({ next, training }: Context): readonly Taken[] => [...next, ...training];

/**
 * A worker: the bus side of one device's evaluators.
 *
 * Role: pulls a job, asks whether it is still wanted, has it trained, publishes the outcome, acknowledges. Non-role:
 * training (the native process), deciding whether a failure is tried again (the archivist).
 *
 * W1. The device trains one job at a time, or one population. The next is taken when the device is free or about to be, so
 *     that it does not wait for one between two trainings, and nothing ages in a local buffer. It is taken ahead only from a
 *     queue in which it lies, which no worker with a free device would have left there. A population is what the queue has
 *     at that moment and what goes together (`batchKey`), never waited for.
 * W2. The outcome is published and confirmed before the job is acknowledged (I1), and both before another training begins: a
 *     death costs no more than the training under way. Killed in between, the job comes again, and the claim finds it done.
 * W3. While a job is in hand its delivery is kept alive. None is for ever: the host holds the deadline of each training.
 * W4. A job for another evaluator is handed back, never trained (I2).
 * W5. A worker that drains reports what is in training and hands back what is not yet.
 * W6. A job is claimed when the device is free for it: an attempt in the ledger is a training that was about to begin.
 */
export function workerMachine(parts: WorkerParts) {
  const { id, deviceClass, bus, evaluators, clock, timers, log, heartbeatMs } = parts;

  const announce = (state: WorkerState['state'], context: Context, progress: number | null = null): void =>
    bus.announceWorker({
      worker: id,
      device: deviceClass,
      deviceName: context.hellos[0]?.deviceName ?? '',
      evaluators: context.hellos.map(({ evaluator }) => evaluator),
      state,
      key: context.training[0]?.delivery.job.key ?? null,
      progress,
    });

  return setup({
    types: { context: {} as Context, events: {} as WorkerEvent },
    actors: {
      start: fromPromise<EvaluatorHello[]>(({ signal }) => startEvaluators(parts, signal)),
      look: fromPromise<Delivery | null, number>(async ({ input: expiresMs, signal }) => {
        try {
          return await bus.takeJob(deviceClass, { signal, expiresMs });
        } catch (thrown) {
          if (!(thrown instanceof RetryableError)) throw thrown;
          log.info({ error: errorMessage(thrown) }, 'cannot look for work');
          await pause(timers, thrown.retryAfterMs, signal);
          return null;
        }
      }),
      gather: fromPromise<readonly Taken[], Gathering>(({ input, signal }) => gather(parts, input, signal)),
      claim: fromPromise<readonly Taken[], readonly Taken[]>(({ input, signal }) => claim(parts, input, signal)),
      train: fromPromise<Outcomes, { jobs: readonly Taken[]; parent: AnyActorRef }>(
        ({ input: { jobs, parent }, signal }) =>
          train(parts, jobs, (share) => parent.send({ type: 'PROGRESS', share }), signal),
      ),
      report: fromPromise<void, Pick<Context, 'training' | 'outcomes'>>(({ input: { training, outcomes }, signal }) =>
        report(parts, training, outcomes, signal),
      ),
      heartbeat: fromCallback<WorkerEvent>(({ sendBack }) =>
        timers.every(heartbeatMs, () => sendBack({ type: 'BEAT' })),
      ),
      handBack: fromPromise<void, readonly Taken[]>(async ({ input }) => {
        // What has been acknowledged already refuses, which is as good.
        await Promise.all(input.map(({ delivery }) => delivery.nak(0).catch(() => undefined)));
        await Promise.all([...evaluators.values()].map((evaluator) => evaluator.stop()));
      }),
    },
    guards: {
      isEnding: ({ context: { draining, error } }) => draining || error !== null,
      isFree: ({ context }) => context.training.length === 0,
      /** The share of the time that has passed is taken for the share of the work that is done. */
      isAlmostFree: ({ context: { begun }, event }) =>
        event.type === 'PROGRESS' && ((clock.monotonic() - begun) * (1 - event.share)) / event.share <= aheadMs,
      hasNext: stateIn({ working: { intake: 'ready' } }),
    },
    actions: {
      keepError: assign({
        error: ({ context, event }) => context.error ?? toError((event as { error?: unknown }).error),
      }),
    },
  }).createMachine({
    id: 'worker',
    initial: 'starting',
    context: {
      hellos: [],
      next: [],
      training: [],
      begun: 0,
      outcomes: new Map(),
      taken: 0,
      error: null,
      draining: false,
    },
    on: { STOP: '.stopping', DRAIN: { actions: assign({ draining: true }) } },
    states: {
      starting: {
        entry: ({ context }) => announce('starting', context),
        invoke: {
          src: 'start',
          onDone: { target: 'working', actions: assign({ hellos: ({ event }) => event.output }) },
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { DRAIN: 'stopping' },
      },
      working: {
        type: 'parallel',
        invoke: { src: 'heartbeat' },
        on: {
          BEAT: {
            actions: ({ context }) => {
              for (const { delivery } of inHand(context)) delivery.working();
            },
          },
        },
        onDone: [{ guard: ({ context }) => context.error !== null, target: 'failing' }, { target: 'stopping' }],
        states: {
          /** What is trained next: looked for when the device is free, or about to be. */
          intake: {
            initial: 'resting',
            states: {
              resting: {
                always: [
                  { guard: 'isEnding', target: 'closed' },
                  { guard: 'isFree', target: 'looking' },
                ],
                on: { PROGRESS: { guard: 'isAlmostFree', target: 'looking' } },
              },
              looking: {
                always: { guard: 'isEnding', target: 'closed' },
                invoke: {
                  src: 'look',
                  input: ({ context }) => (context.training.length === 0 ? lookMs : glanceMs),
                  onDone: [
                    {
                      guard: ({ event }) => event.output !== null,
                      target: 'gathering',
                      actions: assign(({ context: { taken }, event }) => ({
                        next: [{ delivery: held(event.output), attempt: taken + 1 }],
                        taken: taken + 1,
                      })),
                    },
                    { target: 'resting' },
                  ],
                  onError: { target: 'closed', actions: 'keepError' },
                },
              },
              gathering: {
                invoke: {
                  src: 'gather',
                  input: ({ context }) => ({
                    first: held(context.next[0] ?? null),
                    hellos: context.hellos,
                    holding: context.training,
                  }),
                  onDone: [
                    {
                      guard: ({ event }) => event.output.length > 0,
                      target: 'ready',
                      actions: assign(({ context, event }) => ({
                        next: event.output,
                        taken: Math.max(context.taken, ...event.output.map(({ attempt }) => attempt)),
                      })),
                    },
                    { target: 'resting', actions: assign({ next: [] }) },
                  ],
                  onError: { target: 'closed', actions: 'keepError' },
                },
              },
              ready: {
                always: [
                  { guard: 'isEnding', target: 'closed' },
                  { guard: ({ context }) => context.next.length === 0, target: 'resting' },
                ],
              },
              closed: { type: 'final' },
            },
          },
          device: {
            initial: 'free',
            states: {
              free: {
                entry: ({ context }) => announce('idle', context),
                always: [
                  { guard: 'isEnding', target: 'off' },
                  { guard: 'hasNext', target: 'claiming' },
                ],
              },
              claiming: {
                entry: assign(({ context }) => ({ training: context.next, next: [] })),
                invoke: {
                  src: 'claim',
                  input: ({ context }) => context.training,
                  onDone: [
                    {
                      guard: ({ event }) => event.output.length > 0,
                      target: 'training',
                      actions: assign({ training: ({ event }) => event.output }),
                    },
                    { target: 'deciding', actions: assign({ training: [] }) },
                  ],
                  onError: { target: 'off', actions: 'keepError' },
                },
              },
              training: {
                entry: [assign({ begun: () => clock.monotonic() }), ({ context }) => announce('training', context, 0)],
                invoke: {
                  src: 'train',
                  input: ({ context, self }) => ({ jobs: context.training, parent: self as AnyActorRef }),
                  onDone: { target: 'reporting', actions: assign({ outcomes: ({ event }) => event.output }) },
                  onError: { target: 'off', actions: 'keepError' },
                },
                on: { PROGRESS: { actions: ({ context, event }) => announce('training', context, event.share) } },
              },
              reporting: {
                invoke: {
                  src: 'report',
                  input: ({ context: { training, outcomes } }) => ({ training, outcomes }),
                  onDone: { target: 'deciding', actions: assign({ training: [], outcomes: new Map() }) },
                  onError: { target: 'off', actions: 'keepError' },
                },
              },
              /** A device for which the next job is at hand is not said to be idle. */
              deciding: {
                always: [
                  { guard: 'isEnding', target: 'off' },
                  { guard: 'hasNext', target: 'claiming' },
                  { target: 'free' },
                ],
              },
              off: { type: 'final' },
            },
          },
        },
      },
      failing: {
        entry: ({ context }) => log.error({ error: context.error?.message }, 'the worker gives up'),
        invoke: { src: 'handBack', input: ({ context }) => inHand(context), onDone: 'failed', onError: 'failed' },
      },
      stopping: {
        entry: ({ context }) => announce('draining', context),
        invoke: { src: 'handBack', input: ({ context }) => inHand(context), onDone: 'stopped', onError: 'stopped' },
      },
      stopped: { type: 'final', entry: ({ context }) => announce('stopped', context) },
      failed: { type: 'final', entry: ({ context }) => announce('stopped', context) },
    },
  });
}
