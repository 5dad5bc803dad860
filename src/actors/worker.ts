import { type AnyActorRef, assign, fromPromise, sendTo, setup } from 'xstate';
import type { Delivery } from '../bus/index.ts';
import { toError } from '../domain/errors.ts';
import type { WorkerState } from '../domain/messages.ts';
import type { EvaluatorHello } from '../evaluators/index.ts';
import { assertPresent } from './machines.ts';
import {
  type ClaimedJob,
  type Departure,
  durations,
  type Outcomes,
  stayActor,
  type WorkerDeps,
  workerSteps,
} from './workerSteps.ts';

interface Context {
  hellos: readonly EvaluatorHello[];
  /** Jobs that are trained together; one, unless the evaluator trains populations. */
  batch: readonly ClaimedJob[];
  /** Jobs taken so far. */
  taken: number;
  outcomes: Outcomes;
  error: Error | null;
  draining: boolean;
  /** Why it leaves, once it does. */
  departure: Departure | null;
  /** Of the training under way, 0 to 1. */
  share: number;
  trainingSince: number;
}

/** `LEAVE`: end within this time, with the training under way finished or returned. */
type WorkerEvent =
  | { type: 'DRAIN' }
  | { type: 'STOP' }
  | { type: 'LEAVE'; why: Departure; withinMs: number }
  | { type: 'PROGRESS'; share: number };

/**
 * A worker: the bus side of one device's evaluators.
 *
 * Role: pulls a job, claims it, has it trained, publishes the outcome, acknowledges. Non-role: training (the native
 * process), deciding whether a failure is retried (the archivist).
 *
 * WRK-1. One job at a time, or one population, pulled when the device is free: nothing ages in a local buffer. A population
 *     is what the queue has at that moment and what trains together (`batchKey`).
 * WRK-2. The outcome is published and confirmed before the job is acknowledged (I1). Killed in between, the job comes again,
 *     and the claim finds it done.
 * WRK-3. While a training runs, its delivery is extended; the heartbeat ends with the training, whose deadline is the host's.
 * WRK-4. A job for another evaluator, or one that needs more than this worker has declared, returns to the queue, never trained (I2).
 * WRK-5. A failure of a job is an outcome of that job, and the worker continues. It ends when no job could be trained: its
 *     trainer cannot be started, or it was stopped.
 * WRK-6. Hidden figures leave sealed for the archive, and each result and checkpoint with the token of its claim (I4, I12).
 * WRK-7. A worker that leaves (preempted, at the end of its lifetime) takes no job, finishes the training under way if it fits
 *     into the time given, and else returns it. The archive records the return, so that preemptions never count as crashes
 *     of the candidate.
 */
export function workerMachine(parts: WorkerDeps) {
  const { id, deviceClass, bus, stay = {}, clock, timers, log, newToken } = parts;
  const endsAtMs = stay.lifetimeMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + stay.lifetimeMs;
  const seen = durations();
  const steps = workerSteps(parts, seen, endsAtMs);

  const announce = (state: WorkerState['state'], context: Context, progress: number | null = null): void =>
    bus.announceWorker({
      worker: id,
      device: deviceClass,
      deviceName: context.hellos[0]?.deviceName ?? '',
      evaluators: context.hellos.map(({ evaluator }) => evaluator),
      state,
      key: context.batch[0]?.delivery.job.key ?? null,
      progress,
    });

  return setup({
    types: { context: {} as Context, events: {} as WorkerEvent },
    actors: {
      start: fromPromise<EvaluatorHello[]>(({ signal }) => steps.start(signal)),
      pull: fromPromise<Delivery | null>(({ signal }) => steps.pull(signal)),
      claim: fromPromise(({ input, signal }: Step<'claim'>) => steps.claim(input, signal)),
      train: fromPromise(({ input, signal }: Step<'train'>) => steps.train(input, signal)),
      report: fromPromise(({ input, signal }: Step<'report'>) => steps.report(input, signal)),
      releaseJobs: fromPromise(({ input }: Step<'releaseJobs'>) => steps.releaseJobs(input)),
      stay: stayActor(stay, timers),
    },
    guards: {
      draining: ({ context }) => context.draining,
      leaving: ({ context }) => context.departure !== null,
    },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
      forget: assign({ batch: [], outcomes: new Map() }),
      drain: assign({ draining: true }),
      stopInTime: sendTo('stay', ({ event }) => ({
        type: 'STOP_WITHIN',
        ms: (event as { withinMs: number }).withinMs,
      })),
      depart: assign({ draining: true, departure: ({ context, event }) => context.departure ?? whyOf(event) }),
    },
  }).createMachine({
    id: 'worker',
    initial: 'starting',
    context: {
      hellos: [],
      batch: [],
      taken: 0,
      outcomes: new Map(),
      error: null,
      draining: false,
      departure: null,
      share: 0,
      trainingSince: 0,
    },
    invoke: { id: 'stay', src: 'stay' },
    on: {
      STOP: '.stopping',
      DRAIN: { actions: 'drain' },
      LEAVE: { actions: ['depart', 'stopInTime'] },
    },
    states: {
      starting: {
        entry: ({ context }) => announce('starting', context),
        invoke: {
          src: 'start',
          onDone: { target: 'idle', actions: assign({ hellos: ({ event }) => event.output }) },
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { DRAIN: 'stopping', LEAVE: { target: 'stopping', actions: 'depart' } },
      },
      idle: {
        entry: ['forget', ({ context }) => announce('idle', context), sendTo('stay', { type: 'IDLE' })],
        always: { guard: 'draining', target: 'stopping' },
        invoke: {
          src: 'pull',
          onDone: [
            {
              guard: ({ event }) => event.output !== null,
              target: 'claiming',
              actions: assign(({ context: { taken }, event }) => ({
                batch: [{ delivery: assertPresent(event.output), attempt: taken + 1, token: newToken() }],
                taken: taken + 1,
              })),
            },
            { target: 'idle', reenter: true },
          ],
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { DRAIN: 'stopping', LEAVE: { target: 'stopping', actions: 'depart' } },
      },
      claiming: {
        invoke: {
          src: 'claim',
          input: ({ context }) => ({ first: assertPresent(context.batch[0] ?? null), hellos: context.hellos }),
          onDone: [
            { guard: 'leaving', target: 'stopping', actions: assign({ batch: ({ event }) => event.output }) },
            {
              guard: ({ event }) => event.output.length > 0,
              target: 'training',
              actions: assign(({ context, event }) => ({
                batch: event.output,
                taken: Math.max(context.taken, ...event.output.map(({ attempt }) => attempt)),
              })),
            },
            { target: 'idle' },
          ],
          onError: { target: 'failing', actions: 'keepError' },
        },
      },
      training: {
        entry: [
          assign({ share: 0, trainingSince: () => clock.monotonic() }),
          ({ context }) => announce('training', context, 0),
          sendTo('stay', { type: 'BUSY' }),
        ],
        invoke: {
          src: 'train',
          input: ({ context, self }) => ({
            batch: context.batch,
            onShare: (share: number) => (self as AnyActorRef).send({ type: 'PROGRESS', share }),
          }),
          onDone: {
            target: 'reporting',
            actions: [
              ({ context: { batch, trainingSince } }) =>
                seen.add(assertPresent(batch[0] ?? null).delivery.job, clock.monotonic() - trainingSince),
              assign({ outcomes: ({ event }) => event.output }),
            ],
          },
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: {
          PROGRESS: {
            actions: [
              assign({ share: ({ event }) => event.share }),
              ({ context }) => announce('training', context, context.share),
            ],
          },
          LEAVE: [
            {
              guard: ({ context: { batch, share, trainingSince }, event }) => {
                const { job } = assertPresent(batch[0] ?? null).delivery;
                return seen.fits(job, clock.monotonic() - trainingSince, share, event.withinMs);
              },
              actions: ['depart', 'stopInTime'],
            },
            { target: 'stopping', actions: 'depart' },
          ],
        },
      },
      reporting: {
        invoke: {
          src: 'report',
          input: ({ context: { batch, outcomes } }) => ({ batch, outcomes }),
          onDone: 'idle',
          onError: { target: 'failing', actions: 'keepError' },
        },
      },
      failing: {
        entry: ({ context }) => log.error({ error: context.error?.message }, 'the worker gives up'),
        invoke: {
          src: 'releaseJobs',
          input: ({ context: { batch } }) => ({ batch, healthy: false }),
          onDone: 'failed',
          onError: 'failed',
        },
      },
      stopping: {
        entry: ({ context }) => announce('draining', context),
        invoke: {
          src: 'releaseJobs',
          input: ({ context: { batch } }) => ({ batch, healthy: true }),
          onDone: 'stopped',
          onError: 'stopped',
        },
        // It already ends.
        on: { STOP: {}, LEAVE: {} },
      },
      stopped: { type: 'final', entry: ({ context }) => announce('stopped', context) },
      failed: { type: 'final', entry: ({ context }) => announce('stopped', context) },
    },
  });
}

const whyOf = (event: WorkerEvent): Departure => (event.type === 'LEAVE' ? event.why : 'notice');

interface Step<Name extends 'claim' | 'train' | 'report' | 'releaseJobs'> {
  readonly input: Parameters<ReturnType<typeof workerSteps>[Name]>[0];
  readonly signal: AbortSignal;
}
