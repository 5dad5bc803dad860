import { type AnyActorRef, assign, fromPromise, sendTo, setup } from 'xstate';
import { type Bus, type Delivery, sealResult } from '../../bus/index.ts';
import type { SpaceKind } from '../../domain/candidate.ts';
import { errorMessage, PrerequisiteError, RetryableError, TerminalError, toError } from '../../domain/errors.ts';
import type { Job, Outcome } from '../../domain/evaluation.ts';
import type { EvaluationKey, WorkerId } from '../../domain/ids.ts';
import type { WorkerState } from '../../domain/messages.ts';
import { serves } from '../../domain/primitive.ts';
import type { DeviceClass } from '../../domain/task.ts';
import { batchKey, type EvaluateHandlers, type Evaluator, type EvaluatorHello } from '../../evaluators/index.ts';
import { type Clock, failpoint, type Logger, pause, retry, type Timers } from '../../platform/index.ts';
import { assertPresent, retryTransient } from '../machines.ts';
import { type Departure, durations, type Stay, stayActor } from './stay.ts';

export interface WorkerDeps {
  readonly id: WorkerId;
  readonly deviceClass: DeviceClass;
  readonly bus: Bus;
  /** The judge of each kind of candidate that this worker takes. */
  readonly evaluators: ReadonlyMap<SpaceKind, Evaluator>;
  /** How long the worker stays; default: until it is stopped. */
  readonly stay?: Stay | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
  /** A new token for each claim. */
  readonly newToken: () => string;
  /** Interval of a training's heartbeats, in milliseconds; well below the queue's acknowledgement wait. */
  readonly heartbeatMs: number;
}

/** A claimed job, with the worker's own number of its training. */
interface ClaimedJob {
  readonly delivery: Delivery;
  readonly attempt: number;
  /** Proves that the result comes from the process that made the claim. */
  readonly token: string;
  /** The archive's public key for hidden figures, once the claim is granted. */
  readonly seal?: string | undefined;
}

interface Context {
  hellos: readonly EvaluatorHello[];
  /** Jobs that are trained together; one, unless the evaluator trains populations. */
  batch: readonly ClaimedJob[];
  /** Jobs taken so far. */
  taken: number;
  outcomes: ReadonlyMap<EvaluationKey, Outcome>;
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

/** How long one request for a job waits; the queue answers at once when there is one. */
const pullMs = 5000;
const retryMs = 1000;
/** How long a refused job stays out of sight of all workers: short, because another one may be idle. */
const refusedMs = 2000;
/** Before another worker gets a returned job: one that is preempted in the same minute then no longer pulls. */
const returnedMs = 1000;
/** How long to wait for the record of a returned job; without it the training counts as one that crashed. */
const releaseWithinMs = 2000;
/** How long to wait for each further job of a population: enough for what is queued, too short to matter. */
const batchFillMs = 250;
/** A failure of the worker rather than of a job: its trainer does not start, or it was stopped. */
const isOfWorker = (thrown: unknown): boolean =>
  thrown instanceof RetryableError ||
  thrown instanceof PrerequisiteError ||
  (thrown instanceof TerminalError && thrown.code === 'worker-stopped');

const longestMessage = 2000;

/** The outcome of a job that could not be trained, through no fault of its candidate. */
const lost = (message: string): Outcome => ({
  status: 'failed',
  reason: 'lost',
  message: message.slice(0, longestMessage),
  seconds: 0,
  device: 'none',
});

const startTries = 3;

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
  const { id, deviceClass, bus, evaluators, stay = {}, clock, timers, log, newToken, heartbeatMs } = parts;
  const endsAtMs = stay.lifetimeMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + stay.lifetimeMs;
  const seen = durations();

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

  const evaluatorOf = ({ candidate }: Job): Evaluator => assertPresent(evaluators.get(candidate.kind) ?? null);

  /** The job with its claim, or null for one that was withdrawn, which is acknowledged. */
  const claim = async (taken: ClaimedJob, signal: AbortSignal): Promise<ClaimedJob | null> => {
    const { delivery, attempt, token } = taken;
    failpoint('worker.before-claim');
    const request = { key: delivery.job.key, worker: id, attempt };
    const { go, seal } = await retryTransient(() => bus.ask('job-claim', request, { token }), { signal, timers, log });
    if (!go) await retryTransient(() => delivery.ack(), { signal, timers, log });
    failpoint('worker.after-claim');
    return go ? { ...taken, seal } : null;
  };

  /** A trainer that dies while it starts may have been short of memory; one that does so repeatedly is broken. */
  const retryStart = <T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    const onRetry = (thrown: unknown) =>
      log.warn({ error: errorMessage(thrown) }, 'the trainer did not start; retrying');
    return retry(action, { timers, signal, tries: startTries, onRetry });
  };

  return setup({
    types: { context: {} as Context, events: {} as WorkerEvent },
    actors: {
      start: fromPromise<EvaluatorHello[]>(async ({ signal }) => {
        const hellos: EvaluatorHello[] = [];
        // One after the other: starting takes memory and processor time, and the device is one.
        for (const evaluator of evaluators.values()) hellos.push(await retryStart(() => evaluator.start(), signal));
        return hellos;
      }),
      pull: fromPromise<Delivery | null>(async ({ signal }) => {
        try {
          return await bus.takeJob(deviceClass, { signal, expiresMs: pullMs });
        } catch (thrown) {
          if (!(thrown instanceof RetryableError)) throw thrown;
          log.info({ error: errorMessage(thrown) }, 'cannot pull a job');
          await pause(timers, thrown.retryAfterMs, signal);
          return null;
        }
      }),
      claim: fromPromise(async ({ input: { first, hellos }, signal }: Claim): Promise<ClaimedJob[]> => {
        const { evaluator, candidate } = first.delivery.job;
        const hello = hellos.find((each) => serves(each.evaluator, evaluator));
        if (!evaluators.has(candidate.kind) || !hello) {
          log.warn({ job: evaluator, worker: hellos.map((each) => each.evaluator) }, 'a job for another evaluator');
          await retryTransient(() => first.delivery.nak(retryMs), { signal, timers, log });
          return [];
        }
        const refusal = evaluatorOf(first.delivery.job).refuses?.(first.delivery.job) ?? null;
        if (refusal !== null) {
          log.info({ job: first.delivery.job.key, refusal }, 'a job that this worker does not take');
          await retryTransient(() => first.delivery.nak(refusedMs), { signal, timers, log });
          return [];
        }
        const neededMs = seen.expected(first.delivery.job);
        const leftMs = endsAtMs - clock.monotonic();
        if (neededMs !== null && neededMs > leftMs) {
          log.info({ job: first.delivery.job.key, neededMs, leftMs }, 'a job that is longer than this worker stays');
          await retryTransient(() => first.delivery.nak(refusedMs), { signal, timers, log });
          return [];
        }
        const claimed = await claim(first, signal);
        const batch = claimed ? [claimed] : [];
        let attempt = first.attempt;
        while (batch.length > 0 && batch.length < (hello.populationSize ?? 1)) {
          const delivery = await bus.takeJob(deviceClass, { signal, expiresMs: batchFillMs }).catch((thrown) => {
            if (thrown instanceof RetryableError) return null;
            throw thrown;
          });
          if (!delivery) break;
          for (const each of batch) each.delivery.working();
          if (batchKey(delivery.job) !== batchKey(first.delivery.job)) {
            await retryTransient(() => delivery.nak(0), { signal, timers, log });
            break;
          }
          attempt += 1;
          // The same job may be delivered again while it trains: its first delivery was too slow for the queue.
          if (batch.some((each) => each.delivery.job.key === delivery.job.key)) {
            await retryTransient(() => delivery.nak(retryMs), { signal, timers, log });
            break;
          }
          const companion = await claim({ delivery, attempt, token: newToken() }, signal);
          if (companion) batch.push(companion);
        }
        // A worker that stops meanwhile returns its jobs; it knows of the first only.
        if (signal.aborted)
          await Promise.all(batch.slice(1).map(({ delivery }) => delivery.nak(0).catch(() => undefined)));
        return batch;
      }),
      train: fromPromise(async ({ input: { batch, parent }, signal }: Training): Promise<Context['outcomes']> => {
        failpoint('train.before-start');
        const beat = timers.every(heartbeatMs, () => {
          for (const { delivery } of batch) delivery.working();
        });
        try {
          const outcomes = new Map<EvaluationKey, Outcome>();
          const jobs = batch.map(({ delivery }) => delivery.job);
          const handlers: EvaluateHandlers = {
            signal,
            onOutcome: (key, outcome) => outcomes.set(key, outcome),
            onProgress: ({ step, steps }) => parent.send({ type: 'PROGRESS', share: Math.min(1, step / steps) }),
            onCheckpoint: (key, checkpoint) => {
              const claim = batch.find(({ delivery }) => delivery.job.key === key);
              if (!claim) return;
              const { attempt, token } = claim;
              const report = () => bus.ask('job-checkpoint', { key, worker: id, attempt, checkpoint }, { token });
              // The trainer finds its checkpoints by itself; a lost record costs the ledger a row, not the run its state.
              retryTransient(report, { signal, timers, log }).catch((thrown) =>
                log.warn({ error: errorMessage(thrown) }, 'a checkpoint could not be recorded'),
              );
            },
          };
          const evaluator = evaluatorOf(assertPresent(jobs[0] ?? null));
          const failure = await retryStart(() => evaluator.evaluate(jobs, handlers), signal).then(
            () => 'the trainer ended without an outcome',
            (thrown) => {
              if (isOfWorker(thrown) || signal.aborted) throw thrown;
              log.error({ error: errorMessage(thrown) }, 'a job could not be trained');
              return errorMessage(thrown);
            },
          );
          for (const { key } of jobs) if (!outcomes.has(key)) outcomes.set(key, lost(failure));
          failpoint('train.after-end');
          return outcomes;
        } finally {
          beat();
        }
      }),
      report: fromPromise(async ({ input: { batch, outcomes }, signal }: Report) => {
        for (const [index, { delivery, attempt, token, seal }] of batch.entries()) {
          const { job } = delivery;
          const outcome = assertPresent(outcomes.get(job.key) ?? null);
          const publish = (outcome: Outcome) => {
            const result = { key: job.key, worker: id, evaluator: job.evaluator, attempt, outcome };
            const message = sealResult(result, seal);
            const send = () => bus.publishResult(message, `${job.key}:${id}:${attempt}`, { token });
            return retryTransient(send, { signal, timers, log });
          };
          await publish(outcome).catch((thrown) => {
            if (!(thrown instanceof TerminalError)) throw thrown;
            log.error({ error: errorMessage(thrown) }, 'an outcome could not be reported');
            return publish(lost(errorMessage(thrown)));
          });
          failpoint('result.after-publish');
          await retryTransient(() => delivery.ack(), { signal, timers, log });
          failpoint('job.after-ack');
          for (const later of batch.slice(index + 1)) later.delivery.working();
        }
      }),
      releaseJobs: fromPromise(async ({ input: { batch, healthy } }: Release) => {
        await Promise.all([...evaluators.values()].map((evaluator) => evaluator.stop()));
        await Promise.all(
          batch.map(async ({ delivery, attempt, token }) => {
            const release = { key: delivery.job.key, worker: id, attempt };
            const once = { token, timeoutMs: releaseWithinMs, attempts: 1 };
            // An archive that is away counts the training as unfinished, which is bounded and costs no result.
            if (healthy) await bus.ask('job-release', release, once).catch(() => undefined);
            // What has been acknowledged already refuses, which is as good.
            await delivery.nak(healthy ? returnedMs : 0).catch(() => undefined);
          }),
        );
      }),
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
          input: ({ context, self }) => ({ batch: context.batch, parent: self as AnyActorRef }),
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

interface Release {
  input: { batch: readonly ClaimedJob[]; healthy: boolean };
}
interface Claim {
  input: { first: ClaimedJob; hellos: readonly EvaluatorHello[] };
  signal: AbortSignal;
}
interface Training {
  input: { batch: readonly ClaimedJob[]; parent: AnyActorRef };
  signal: AbortSignal;
}
interface Report {
  input: { batch: readonly ClaimedJob[]; outcomes: Context['outcomes'] };
  signal: AbortSignal;
}
