import { type AnyActorRef, assign, fromPromise, setup } from 'xstate';
import type { Bus, Delivery } from '../../bus/index.ts';
import { AiraError, errorMessage, RetryableError, toError } from '../../domain/errors.ts';
import type { Job, Outcome } from '../../domain/evaluation.ts';
import type { WorkerId } from '../../domain/ids.ts';
import type { WorkerState } from '../../domain/messages.ts';
import type { SpaceKind } from '../../domain/space.ts';
import type { DeviceClass } from '../../domain/task.ts';
import type { EvaluateHandlers, Evaluator, EvaluatorHello } from '../../evaluators/index.ts';
import { failpoint } from '../../platform/failpoint.ts';
import type { Logger } from '../../platform/log.ts';
import { pause, type Timers } from '../../platform/timers.ts';
import { held } from '../held.ts';
import { patiently } from '../patiently.ts';

export interface WorkerParts {
  readonly id: WorkerId;
  readonly deviceClass: DeviceClass;
  readonly bus: Bus;
  /** The judge of each kind of candidate that this worker takes. */
  readonly evaluators: ReadonlyMap<SpaceKind, Evaluator>;
  readonly timers: Timers;
  readonly log: Logger;
  /** How often a training says that it is alive; well below the queue's patience. */
  readonly heartbeatMs: number;
}

interface Context {
  hellos: readonly EvaluatorHello[];
  delivery: Delivery | null;
  /** Jobs taken so far: the number of the attempt in hand. */
  taken: number;
  outcome: Outcome | null;
  error: Error | null;
  draining: boolean;
}

type WorkerEvent = { type: 'DRAIN' } | { type: 'STOP' } | { type: 'PROGRESS'; share: number };

/** How long one look for work lasts; only the pace of looking again, since the queue answers at once when there is some. */
const lookMs = 5000;
const retryMs = 1000;
/** A trainer that dies while it starts may have been short of memory; one that does so again and again is broken. */
const startTries = 3;

/**
 * A worker: the bus side of one device's evaluators.
 *
 * Role: pulls a job, asks whether it is still wanted, has it trained, publishes the outcome, acknowledges. Non-role:
 * training (the native process), deciding whether a failure is tried again (the archivist).
 *
 * W1. One job at a time, pulled when the device is free: nothing ages in a local buffer.
 * W2. The outcome is published and confirmed before the job is acknowledged (I1). Killed in between, the job comes again,
 *     and the claim finds it done.
 * W3. While a training runs the delivery is kept alive; the heartbeat ends with the training, whose deadline the host holds.
 * W4. A job for another evaluator is handed back, never trained (I2).
 */
export function workerMachine(parts: WorkerParts) {
  const { id, deviceClass, bus, evaluators, timers, log, heartbeatMs } = parts;

  const announce = (state: WorkerState['state'], context: Context, progress: number | null = null): void =>
    bus.announceWorker({
      worker: id,
      device: deviceClass,
      deviceName: context.hellos[0]?.deviceName ?? '',
      evaluators: context.hellos.map(({ evaluator }) => evaluator),
      state,
      key: context.delivery?.job.key ?? null,
      progress,
    });

  const evaluatorOf = ({ candidate }: Job): Evaluator => held(evaluators.get(candidate.kind) ?? null);

  const retrying = async <T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    for (let tries = 1; ; tries++) {
      try {
        return await action();
      } catch (thrown) {
        if (!(thrown instanceof RetryableError) || tries === startTries) throw thrown;
        log.warn({ error: errorMessage(thrown) }, 'the trainer did not start; trying again');
        await pause(timers, thrown.retryAfterMs, signal);
      }
    }
  };

  return setup({
    types: { context: {} as Context, events: {} as WorkerEvent },
    actors: {
      start: fromPromise<EvaluatorHello[]>(async ({ signal }) => {
        const hellos: EvaluatorHello[] = [];
        // One after the other: starting takes memory and processor time, and the device is one.
        for (const evaluator of evaluators.values()) hellos.push(await retrying(() => evaluator.start(), signal));
        return hellos;
      }),
      look: fromPromise<Delivery | null>(async ({ signal }) => {
        try {
          return await bus.takeJob(deviceClass, { signal, expiresMs: lookMs });
        } catch (thrown) {
          if (!(thrown instanceof RetryableError)) throw thrown;
          log.info({ error: errorMessage(thrown) }, 'cannot look for work');
          await pause(timers, thrown.retryAfterMs, signal);
          return null;
        }
      }),
      claim: fromPromise(async ({ input: { delivery, hellos, attempt }, signal }: Claim) => {
        const { evaluator, candidate } = delivery.job;
        if (!evaluators.has(candidate.kind) || !hellos.some((hello) => hello.evaluator === evaluator)) {
          log.warn({ job: evaluator, worker: hellos.map((hello) => hello.evaluator) }, 'a job for another evaluator');
          await patiently(() => delivery.nak(retryMs), { signal, timers, log });
          return false;
        }
        failpoint('worker.before-claim');
        const { key } = delivery.job;
        const request = { key, worker: id, attempt };
        const { go } = await patiently(() => bus.ask('job-claim', request), { signal, timers, log });
        if (!go) await patiently(() => delivery.ack(), { signal, timers, log });
        failpoint('worker.after-claim');
        return go;
      }),
      train: fromPromise(async ({ input: { delivery, parent }, signal }: Training): Promise<Outcome> => {
        failpoint('train.before-start');
        const beat = timers.every(heartbeatMs, () => delivery.working());
        try {
          let outcome: Outcome | null = null;
          const handlers: EvaluateHandlers = {
            signal,
            onOutcome: (_, each) => {
              outcome = each;
            },
            onProgress: ({ step, steps }) => parent.send({ type: 'PROGRESS', share: Math.min(1, step / steps) }),
          };
          await retrying(() => evaluatorOf(delivery.job).evaluate([delivery.job], handlers), signal);
          if (!outcome) throw new AiraError('no-outcome', 'the trainer ended without an outcome');
          failpoint('train.after-end');
          return outcome;
        } finally {
          beat();
        }
      }),
      report: fromPromise(async ({ input: { delivery, outcome, attempt }, signal }: Report) => {
        const { job } = delivery;
        const result = { key: job.key, worker: id, evaluator: job.evaluator, attempt, outcome };
        await patiently(() => bus.publishResult(result, `${job.key}:${id}:${attempt}`), { signal, timers, log });
        failpoint('result.after-publish');
        await patiently(() => delivery.ack(), { signal, timers, log });
        failpoint('job.after-ack');
      }),
      handBack: fromPromise(async ({ input }: { input: Delivery | null }) => {
        await input?.nak(0).catch(() => undefined);
        await Promise.all([...evaluators.values()].map((evaluator) => evaluator.stop()));
      }),
    },
    guards: { draining: ({ context }) => context.draining },
    actions: {
      keepError: assign({ error: ({ event }) => toError((event as { error?: unknown }).error) }),
      forget: assign({ delivery: null, outcome: null }),
      drain: assign({ draining: true }),
    },
  }).createMachine({
    id: 'worker',
    initial: 'starting',
    context: { hellos: [], delivery: null, taken: 0, outcome: null, error: null, draining: false },
    on: { STOP: '.stopping', DRAIN: { actions: 'drain' } },
    states: {
      starting: {
        entry: ({ context }) => announce('starting', context),
        invoke: {
          src: 'start',
          onDone: { target: 'idle', actions: assign({ hellos: ({ event }) => event.output }) },
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { DRAIN: 'stopping' },
      },
      idle: {
        entry: ['forget', ({ context }) => announce('idle', context)],
        always: { guard: 'draining', target: 'stopping' },
        invoke: {
          src: 'look',
          onDone: [
            {
              guard: ({ event }) => event.output !== null,
              target: 'claiming',
              actions: assign({ delivery: ({ event }) => event.output, taken: ({ context }) => context.taken + 1 }),
            },
            { target: 'idle', reenter: true },
          ],
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { DRAIN: 'stopping' },
      },
      claiming: {
        invoke: {
          src: 'claim',
          input: ({ context }) => ({
            delivery: held(context.delivery),
            hellos: context.hellos,
            attempt: context.taken,
          }),
          onDone: [{ guard: ({ event }) => event.output, target: 'training' }, { target: 'idle' }],
          onError: { target: 'failing', actions: 'keepError' },
        },
      },
      training: {
        entry: ({ context }) => announce('training', context, 0),
        invoke: {
          src: 'train',
          input: ({ context, self }) => ({ delivery: held(context.delivery), parent: self as AnyActorRef }),
          onDone: { target: 'reporting', actions: assign({ outcome: ({ event }) => event.output }) },
          onError: { target: 'failing', actions: 'keepError' },
        },
        on: { PROGRESS: { actions: ({ context, event }) => announce('training', context, event.share) } },
      },
      reporting: {
        invoke: {
          src: 'report',
          input: ({ context }) => ({
            delivery: held(context.delivery),
            outcome: held(context.outcome),
            attempt: context.taken,
          }),
          onDone: 'idle',
          onError: { target: 'failing', actions: 'keepError' },
        },
      },
      failing: {
        entry: ({ context }) => log.error({ error: context.error?.message }, 'the worker gives up'),
        invoke: { src: 'handBack', input: ({ context }) => context.delivery, onDone: 'failed', onError: 'failed' },
      },
      stopping: {
        entry: ({ context }) => announce('draining', context),
        invoke: { src: 'handBack', input: ({ context }) => context.delivery, onDone: 'stopped', onError: 'stopped' },
      },
      stopped: { type: 'final', entry: ({ context }) => announce('stopped', context) },
      failed: { type: 'final', entry: ({ context }) => announce('stopped', context) },
    },
  });
}

interface Claim {
  input: { delivery: Delivery; hellos: readonly EvaluatorHello[]; attempt: number };
  signal: AbortSignal;
}
interface Training {
  input: { delivery: Delivery; parent: AnyActorRef };
  signal: AbortSignal;
}
interface Report {
  input: { delivery: Delivery; outcome: Outcome; attempt: number };
  signal: AbortSignal;
}
