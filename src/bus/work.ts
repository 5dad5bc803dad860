/**
 * The work queue, for workers and for the reconciler.
 *
 * Role: delivers one job at a time, and lists the stream. Non-role: whether a job is still needed, and how often it may be
 * attempted: the ledger decides both.
 *
 *   WQU-1  No prefetching: a worker has exactly the jobs that it requested.
 *   WQU-2  A job is delivered to one worker at a time while that worker sends `working` more often than the acknowledgement
 *          timer, but an acknowledgement is not a fence: a superseded worker can still acknowledge.
 *   WQU-3  A message that is not a job is removed and logged, and never reaches a worker.
 */
import type { Msg } from 'nats';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { Job } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { type DeviceClass, deviceClasses, deviceClassSchema } from '../domain/task.ts';
import { busFailure, isConsumerMissing, isMessageMissing, isStreamMissing, type Link } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { deliveredInfo, pause, pull, type Settlement, settlementOf } from './pull.ts';
import type { Streams } from './streams.ts';
import { bodies, lastToken, streamNames, subjects, workersDurable } from './subjects.ts';

/** Poll interval for missing streams. */
const pollMs = 250;

/** A job of this worker, until it is settled or the acknowledgement timer expires. */
export interface Delivery extends Settlement {
  readonly job: Job;
  /** Delivery count, including this one. A killed server forgets its last deliveries. */
  readonly attempt: number;
  readonly meta: Meta;
}

export interface TakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for a job. */
  readonly expiresMs: number;
}

/** A message in the WORK stream. */
export interface WorkEntry {
  readonly seq: number;
  readonly jobClass: DeviceClass | null;
  /** Null for a message that is not a job. */
  readonly key: EvaluationKey | null;
}

/**
 * Contents of the WORK stream. After a server crash it may contain acknowledged messages that are never delivered: the class
 * then has more entries than `waiting` plus `unacknowledged`.
 */
export interface WorkInspection {
  readonly entries: readonly WorkEntry[];
  readonly classes: Readonly<Record<DeviceClass, { readonly waiting: number; readonly unacknowledged: number }>>;
}

export interface WorkQueue {
  /**
   * The next job of a class, or null if none came in time, the signal was aborted, or the bus closed. Waits for an
   * unreachable server and for missing streams.
   *
   * @throws TerminalError if the server refuses permanently.
   */
  takeJob(device: DeviceClass, options: TakeOptions): Promise<Delivery | null>;
  /**
   * Contents of the stream, which is recreated if its files are missing.
   *
   * @throws RetryableError if the server does not respond, or has no streams yet.
   */
  inspectWork(): Promise<WorkInspection>;
  /** Removes one message of the WORK stream. @returns false if it was already removed. */
  purgeJob(seq: number): Promise<boolean>;
}

/**
 * Jobs are reported as pending but none exists: the files are missing. The server then confirms messages and delivers
 * nothing. Traffic during one inspection can look the same, but hardly during two.
 */
function isHollow({ entries, classes }: WorkInspection): boolean {
  return entries.length === 0 && deviceClasses.some((device) => classes[device].waiting > 0);
}

export function workQueueOn(link: Link, streams: Streams): WorkQueue {
  const { jsm, clock } = link;

  async function accept(message: Msg): Promise<Delivery | null> {
    const settlement = settlementOf(link, message);
    try {
      const { meta, body } = decodeEnvelope(bodies.work, message.data);
      return { ...settlement, job: body, attempt: deliveredInfo(message).attempt, meta };
    } catch (thrown) {
      await settlement.term(errorMessage(thrown));
      return null;
    }
  }

  async function isReady(device: DeviceClass): Promise<boolean> {
    const found = jsm.consumers.info(streamNames.work, workersDurable(device)).then(
      () => true,
      (thrown) => {
        if (isConsumerMissing(thrown)) return false;
        throw thrown;
      },
    );
    let forget = (): void => undefined;
    const cut = new Promise<false>((resolve) => {
      forget = link.onDisconnect(() => resolve(false));
    });
    return Promise.race([found, cut]).finally(forget);
  }

  async function takeJob(device: DeviceClass, { signal, expiresMs }: TakeOptions): Promise<Delivery | null> {
    const signals = signal === undefined ? [link.closing] : [link.closing, signal];
    const deadline = clock.monotonic() + expiresMs;
    for (;;) {
      const left = deadline - clock.monotonic();
      if (left <= 0 || link.nc.isClosed() || signals.some((each) => each.aborted)) return null;
      if (!link.connected) {
        await Promise.race([link.whenConnected(signals), pause(left, signals)]);
        continue;
      }
      try {
        // A pull from a missing consumer gets no reply.
        if (!(await isReady(device))) {
          await pause(Math.min(pollMs, left), signals);
          continue;
        }
        let message: Msg | undefined;
        const request = {
          stream: streamNames.work,
          consumer: workersDurable(device),
          batch: 1,
          expiresMs: left,
          signals,
          acknowledged: true,
        };
        const end = await pull(link, request, (received) => {
          message = received;
        });
        const delivery = message === undefined ? null : await accept(message);
        if (delivery !== null) return delivery;
        if (end === 'refused') await pause(Math.min(1_000, left), signals);
      } catch (thrown) {
        if (link.closing.aborted) return null;
        const failure = busFailure(thrown, 'fetching a job');
        if (!(failure instanceof RetryableError)) throw failure;
        link.log.warn({ error: failure.message }, 'fetching a job failed; retrying');
        await pause(Math.min(failure.retryAfterMs, left), signals);
      }
    }
  }

  async function entries(): Promise<WorkEntry[]> {
    const found: WorkEntry[] = [];
    for (let seq = 1; ; ) {
      // Query the next message of a subject, which skips gaps; in an old queue they are far longer than its contents.
      const query = { seq, next_by_subj: subjects.anyWork };
      const stored = await jsm.streams.getMessage(streamNames.work, query).catch((thrown) => {
        if (isMessageMissing(thrown)) return null;
        throw thrown;
      });
      if (stored === null) return found;
      let key: EvaluationKey | null = null;
      try {
        key = decodeEnvelope(bodies.work, stored.data).body.key;
      } catch (thrown) {
        link.log.debug({ seq: stored.seq, error: errorMessage(thrown) }, 'a message in the work stream is not a job');
      }
      found.push({
        seq: stored.seq,
        jobClass: deviceClassSchema.safeParse(lastToken(stored.subject)).data ?? null,
        key,
      });
      seq = stored.seq + 1;
    }
  }

  async function inspect(): Promise<WorkInspection> {
    // Use the larger count of before and after, so that traffic during the inspection does not look like stuck messages.
    const before = await classes();
    const found = await entries();
    const after = await classes();
    for (const device of deviceClasses) {
      before[device].waiting = Math.max(before[device].waiting, after[device].waiting);
      before[device].unacknowledged = Math.max(before[device].unacknowledged, after[device].unacknowledged);
    }
    return { entries: found, classes: before };
  }

  async function classes(): Promise<Record<DeviceClass, { waiting: number; unacknowledged: number }>> {
    const figures = deviceClasses.map(async (device) => {
      const info = await jsm.consumers.info(streamNames.work, workersDurable(device));
      return [device, { waiting: info.num_pending, unacknowledged: info.num_ack_pending }] as const;
    });
    return Object.fromEntries(await Promise.all(figures)) as Record<
      DeviceClass,
      { waiting: number; unacknowledged: number }
    >;
  }

  return {
    takeJob,
    async inspectWork() {
      try {
        const first = await inspect();
        if (!isHollow(first)) return first;
        const second = await inspect();
        if (!isHollow(second)) return second;
        await streams.replace(streamNames.work);
        return await inspect();
      } catch (thrown) {
        throw busFailure(thrown, 'inspecting the work stream');
      }
    },
    async purgeJob(seq) {
      try {
        return await jsm.streams.deleteMessage(streamNames.work, seq);
      } catch (thrown) {
        if (isMessageMissing(thrown) || isStreamMissing(thrown)) return false;
        throw busFailure(thrown, `purging message ${seq} of the work stream`);
      }
    },
  };
}
