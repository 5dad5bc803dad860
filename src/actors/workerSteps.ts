/** What a worker does in each of its states, and how long it stays: its retries, deadlines and returned jobs. */
import { fromCallback } from 'xstate';
import { type Bus, type Delivery, sealResult } from '../bus/index.ts';
import { serves } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import type { Job, Outcome } from '../domain/evaluation.ts';
import type { EvaluationKey, WorkerId } from '../domain/ids.ts';
import { canonicalJson, type Json } from '../domain/json.ts';
import type { DeviceClass } from '../domain/task.ts';
import { batchKey, type EvaluateHandlers, type Evaluator, type EvaluatorHello } from '../evaluators/index.ts';
import { type Clock, failpoint, type Logger, pause, retry, type Timers } from '../platform/index.ts';
import { assertPresent, retryTransient } from './machines.ts';

/** How long a worker stays on a machine that it has for a time, in milliseconds. */
export interface Stay {
  /** Without a training for this long, it ends. */
  readonly maxIdleMs?: number | undefined;
  /** Time after which it has ended. It takes no job that needs longer. */
  readonly lifetimeMs?: number | undefined;
  /** Of its lifetime: how long before the end it begins to leave. */
  readonly graceMs?: number | undefined;
}

/** Why a worker leaves: no work came, its lifetime ends, or the scheduler gave notice. */
export type Departure = 'idle' | 'lifetime' | 'notice';

/** Sent by the worker. `STOP_WITHIN`: send STOP early enough that it has ended within `ms`. */
type StayEvent = { type: 'IDLE' } | { type: 'BUSY' } | { type: 'STOP_WITHIN'; ms: number };

type Sent = { type: 'STOP' } | { type: 'LEAVE'; why: Departure; withinMs: number };

/** Time to end the trainer and return its job; a third of a shorter grace. */
const endingMs = 3000;
const usable = (withinMs: number): number => withinMs - Math.min(endingMs, withinMs / 3);

/** The timers of a worker's stay; they end with the worker. */
export const stayActor = ({ maxIdleMs, lifetimeMs, graceMs = 0 }: Stay, timers: Timers) =>
  fromCallback<StayEvent, unknown, Sent>(({ sendBack, receive }) => {
    const cancellers: (() => void)[] = [];
    let cancelIdle: (() => void) | null = null;
    const leave = (why: Departure) => sendBack({ type: 'LEAVE', why, withinMs: graceMs });
    if (lifetimeMs !== undefined) {
      cancellers.push(timers.after(Math.max(0, lifetimeMs - graceMs), () => leave('lifetime')));
    }
    receive((event) => {
      switch (event.type) {
        case 'IDLE':
          // A job that it refused is no work: the wait continues.
          if (maxIdleMs !== undefined) cancelIdle ??= timers.after(maxIdleMs, () => leave('idle'));
          return;
        case 'BUSY':
          cancelIdle?.();
          cancelIdle = null;
          return;
        case 'STOP_WITHIN':
          cancellers.push(timers.after(usable(event.ms), () => sendBack({ type: 'STOP' })));
      }
    });
    return () => {
      cancelIdle?.();
      for (const cancel of cancellers) cancel();
    };
  });

/** Jobs that take about the same time: they differ in candidate and seed only. */
const kindOf = ({ task, evaluator, rung, space, settings, measure }: Job): string =>
  canonicalJson({ task, evaluator, rung, space, settings: settings as Json, measure });

/** What this worker knows of the time that trainings take. */
export function durations() {
  const longest = new Map<string, number>();
  /** Milliseconds that a job needs: its plan's estimate, else the longest of its kind here; null for the first of a kind. */
  const expected = (job: Job): number | null =>
    job.resources ? job.resources.seconds * 1000 : (longest.get(kindOf(job)) ?? null);
  return {
    expected,
    add(job: Job, ms: number): void {
      const kind = kindOf(job);
      longest.set(kind, Math.max(ms, longest.get(kind) ?? 0));
    },
    /**
     * Whether a training can probably end in time.
     *
     * @param share of the training that is done, 0 to 1; at 0 the job's expected time counts.
     */
    fits(job: Job, elapsedMs: number, share: number, withinMs: number): boolean {
      const wholeMs = share > 0 ? elapsedMs / share : expected(job);
      // A run at scale continues from its checkpoint, and writing one needs the time; other trainings start again.
      if (job.resources) return wholeMs !== null && wholeMs - elapsedMs < withinMs / 2;
      return wholeMs === null || wholeMs - elapsedMs < usable(withinMs);
    },
  };
}

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
export interface ClaimedJob {
  readonly delivery: Delivery;
  readonly attempt: number;
  /** Proves that the result comes from the process that made the claim. */
  readonly token: string;
  /** The archive's public key for hidden figures, once the claim is granted. */
  readonly seal?: string | undefined;
}

/** Outcomes of claimed jobs, by key. */
export type Outcomes = ReadonlyMap<EvaluationKey, Outcome>;

interface ClaimInput {
  readonly first: ClaimedJob;
  readonly hellos: readonly EvaluatorHello[];
}
interface TrainInput {
  readonly batch: readonly ClaimedJob[];
  /** Called with the share of the training that is done, 0 to 1. */
  readonly onShare: (share: number) => void;
}
interface ReportInput {
  readonly batch: readonly ClaimedJob[];
  readonly outcomes: Outcomes;
}
interface ReleaseInput {
  readonly batch: readonly ClaimedJob[];
  readonly healthy: boolean;
}

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
 * What a worker does in each of its states (`worker.ts`, whose invariants these keep): each step ends with its result, or throws.
 *
 * @param seen durations of earlier trainings.
 * @param endsAtMs monotonic time at which the worker leaves.
 */
export function workerSteps(parts: WorkerDeps, seen: ReturnType<typeof durations>, endsAtMs: number) {
  const { id, deviceClass, bus, evaluators, clock, timers, log, newToken, heartbeatMs } = parts;

  const evaluatorOf = ({ candidate }: Job): Evaluator => assertPresent(evaluators.get(candidate.kind) ?? null);

  /** Returns a job to the queue, out of sight of all workers for this long. */
  const putBack = (delivery: Delivery, ms: number, signal: AbortSignal): Promise<void> =>
    retryTransient(() => delivery.nak(ms), { signal, timers, log });

  /** The job with its claim, or null for one that was withdrawn, which is acknowledged. */
  const claimOne = async (taken: ClaimedJob, signal: AbortSignal): Promise<ClaimedJob | null> => {
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

  return {
    /** Starts every evaluator. */
    async start(signal: AbortSignal): Promise<EvaluatorHello[]> {
      const hellos: EvaluatorHello[] = [];
      // One after the other: starting takes memory and processor time, and the device is one.
      for (const evaluator of evaluators.values()) hellos.push(await retryStart(() => evaluator.start(), signal));
      return hellos;
    },
    /** The next job of the queue; null if there was none for a while. */
    async pull(signal: AbortSignal): Promise<Delivery | null> {
      try {
        return await bus.takeJob(deviceClass, { signal, expiresMs: pullMs });
      } catch (thrown) {
        if (!(thrown instanceof RetryableError)) throw thrown;
        log.info({ error: errorMessage(thrown) }, 'cannot pull a job');
        await pause(timers, thrown.retryAfterMs, signal);
        return null;
      }
    },
    /** The pulled job, or a population that starts with it, claimed; nothing if another worker has to train it. */
    async claim({ first, hellos }: ClaimInput, signal: AbortSignal): Promise<ClaimedJob[]> {
      const { evaluator, candidate } = first.delivery.job;
      const hello = hellos.find((each) => serves(each.evaluator, evaluator));
      if (!evaluators.has(candidate.kind) || !hello) {
        log.warn({ job: evaluator, worker: hellos.map((each) => each.evaluator) }, 'a job for another evaluator');
        await putBack(first.delivery, retryMs, signal);
        return [];
      }
      const refusal = evaluatorOf(first.delivery.job).refuses?.(first.delivery.job) ?? null;
      if (refusal !== null) {
        log.info({ job: first.delivery.job.key, refusal }, 'a job that this worker does not take');
        await putBack(first.delivery, refusedMs, signal);
        return [];
      }
      const neededMs = seen.expected(first.delivery.job);
      const leftMs = endsAtMs - clock.monotonic();
      if (neededMs !== null && neededMs > leftMs) {
        log.info({ job: first.delivery.job.key, neededMs, leftMs }, 'a job that is longer than this worker stays');
        await putBack(first.delivery, refusedMs, signal);
        return [];
      }
      const claimed = await claimOne(first, signal);
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
          await putBack(delivery, 0, signal);
          break;
        }
        attempt += 1;
        // The same job may be delivered again while it trains: its first delivery was too slow for the queue.
        if (batch.some((each) => each.delivery.job.key === delivery.job.key)) {
          await putBack(delivery, retryMs, signal);
          break;
        }
        const companion = await claimOne({ delivery, attempt, token: newToken() }, signal);
        if (companion) batch.push(companion);
      }
      // A worker that stops meanwhile returns its jobs; it knows of the first only.
      if (signal.aborted)
        await Promise.all(batch.slice(1).map(({ delivery }) => delivery.nak(0).catch(() => undefined)));
      return batch;
    },
    async train({ batch, onShare }: TrainInput, signal: AbortSignal): Promise<Outcomes> {
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
          onProgress: ({ step, steps }) => onShare(Math.min(1, step / steps)),
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
    },
    async report({ batch, outcomes }: ReportInput, signal: AbortSignal): Promise<void> {
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
    },
    /** Returns what was claimed, with a record of it unless the worker has failed. */
    async releaseJobs({ batch, healthy }: ReleaseInput): Promise<void> {
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
    },
  };
}
