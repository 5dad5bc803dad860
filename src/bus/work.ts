/**
 * The work queue, seen from a worker and from the reconciler.
 *
 * Role: hands out one job at a time, and tells what is in the stream.
 * Not here: whether a job is still wanted, and how often it may be tried: the ledger decides both.
 *
 * Invariants
 *  1. Nothing is prefetched: a worker holds exactly the jobs that it asked for.
 *  2. A job is handed to one worker at a time while that worker says `working` more often than the acknowledgement timer,
 *     but an acknowledgement is no fence: a worker that was superseded can still acknowledge.
 *  3. A message that is no job is removed and logged, and never reaches a worker.
 */
import type { Msg } from 'nats';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { Job } from '../domain/evaluation.ts';
import type { EvaluationKey } from '../domain/ids.ts';
import { type DeviceClass, deviceClasses, deviceClassSchema } from '../domain/task.ts';
import type { Link } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { busFailure, isConsumerMissing, isMessageMissing, isStreamMissing } from './failures.ts';
import { pause } from './loop.ts';
import { deliveredInfo, pull, type Settlement, settlementOf } from './pull.ts';
import type { Streams } from './streams.ts';
import { bodies, lastToken, streamNames, subjects, workersDurable } from './subjects.ts';

/** How often to look for streams that are not there. */
const lookAgainMs = 250;

/** A job in this worker's hands, until it is settled or the acknowledgement timer runs out. */
export interface Delivery extends Settlement {
  readonly job: Job;
  /** How often this message was delivered, this time included. A server that was killed forgets its last deliveries. */
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
  /** Null for a message that is no job. */
  readonly key: EvaluationKey | null;
}

/**
 * What is in the WORK stream. After a crash of the server it may hold messages that were acknowledged and will never be
 * delivered: the class then has more entries than `waiting` and `held` account for.
 */
export interface WorkInspection {
  readonly entries: readonly WorkEntry[];
  readonly classes: Readonly<Record<DeviceClass, { readonly waiting: number; readonly held: number }>>;
}

export interface WorkQueue {
  /**
   * The next job of a class, or null when none came in time, the signal was aborted, or the bus closed. Waits for a
   * server that is away, and for streams that are not set up.
   *
   * @throws TerminalError when the server refuses for good.
   */
  takeJob(device: DeviceClass, options: TakeOptions): Promise<Delivery | null>;
  /**
   * What is in the stream, which is made anew when its files turn out to be gone.
   *
   * @throws RetryableError when the server does not answer, or does not have the streams yet.
   */
  inspectWork(): Promise<WorkInspection>;
  /** Removes one message of the WORK stream. @returns false when it was gone already. */
  purgeJob(seq: number): Promise<boolean>;
}

/**
 * Jobs are said to wait, and none is there: the files are gone. The server goes on to confirm what it is given and
 * delivers nothing, without a word. Traffic during one look can give the same picture, but hardly during two.
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
        // A pull of a consumer that does not exist is not answered.
        if (!(await isReady(device))) {
          await pause(Math.min(lookAgainMs, left), signals);
          continue;
        }
        let message: Msg | undefined;
        const request = {
          stream: streamNames.work,
          consumer: workersDurable(device),
          batch: 1,
          expiresMs: left,
          signals,
        };
        const end = await pull(link, request, (received) => {
          message = received;
        });
        const delivery = message === undefined ? null : await accept(message);
        if (delivery !== null) return delivery;
        if (end === 'refused') await pause(Math.min(1_000, left), signals);
      } catch (thrown) {
        if (link.closing.aborted) return null;
        const failure = busFailure(thrown, 'taking a job');
        if (!(failure instanceof RetryableError)) throw failure;
        link.log.warn({ error: failure.message }, 'taking a job stumbled; trying again');
        await pause(Math.min(failure.retryAfterMs, left), signals);
      }
    }
  }

  async function entries(): Promise<WorkEntry[]> {
    const found: WorkEntry[] = [];
    for (let seq = 1; ; ) {
      // Asking for the next of a subject steps over gaps, which in an old queue are far longer than what is left in it.
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
        link.log.debug({ seq: stored.seq, error: errorMessage(thrown) }, 'no job in the work stream');
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
    // The larger figures of before and after: what comes or goes meanwhile must not look like what never will.
    const before = await classes();
    const found = await entries();
    const after = await classes();
    for (const device of deviceClasses) {
      before[device].waiting = Math.max(before[device].waiting, after[device].waiting);
      before[device].held = Math.max(before[device].held, after[device].held);
    }
    return { entries: found, classes: before };
  }

  async function classes(): Promise<Record<DeviceClass, { waiting: number; held: number }>> {
    const figures = deviceClasses.map(async (device) => {
      const info = await jsm.consumers.info(streamNames.work, workersDurable(device));
      return [device, { waiting: info.num_pending, held: info.num_ack_pending }] as const;
    });
    return Object.fromEntries(await Promise.all(figures)) as Record<DeviceClass, { waiting: number; held: number }>;
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
