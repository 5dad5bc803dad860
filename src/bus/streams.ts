import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
  AckPolicy,
  type ConsumerConfig,
  DeliverPolicy,
  DiscardPolicy,
  NatsError,
  nanos,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { PrerequisiteError } from '../domain/errors.ts';
import { deviceClasses } from '../domain/task.ts';
import type { Link } from './connection.ts';
import { maxEnvelopeBytes } from './envelope.ts';
import { busFailure, isStreamBroken, isStreamMissing } from './failures.ts';
import { streamNames, subjects, workersDurable } from './subjects.ts';

/** The figures of the streams. All who share a server must use the same. */
export interface StreamLimits {
  /** A job whose worker is silent for so long goes to another. */
  readonly jobAckWaitMs: number;
  /** A result that its consumer has not acknowledged for so long is delivered again. */
  readonly resultAckWaitMs: number;
  /** Jobs that may wait; publishing more is refused, so that a runaway producer fills no disk. */
  readonly maxJobs: number;
}

export const defaultLimits: StreamLimits = {
  jobAckWaitMs: 30_000,
  resultAckWaitMs: 10_000,
  maxJobs: 100_000,
};

/** The server says that a stream is gone a little before its files are. */
const deletionMs = 250;

/** How long a stream remembers message ids. */
const dedupeMs = 120_000;

const day = 24 * 3_600_000;
const mebibyte = 1024 * 1024;

function streamConfigs(limits: StreamLimits): readonly (Partial<StreamConfig> & { name: string })[] {
  const common = {
    storage: StorageType.File,
    num_replicas: 1,
    max_msg_size: maxEnvelopeBytes,
    duplicate_window: nanos(dedupeMs),
  };
  return [
    {
      ...common,
      name: streamNames.work,
      subjects: [subjects.anyWork],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      max_msgs: limits.maxJobs,
      max_bytes: 192 * mebibyte,
    },
    {
      // Limits rather than work queue: its memory of message ids then survives a restart of the server, because that is
      // rebuilt from the messages that are still there.
      ...common,
      name: streamNames.results,
      subjects: [subjects.result],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      // Recorded results need not stay; those that wait for an archive to come back are trained again after this.
      max_age: nanos(day),
      max_bytes: 128 * mebibyte,
    },
    {
      ...common,
      name: streamNames.events,
      subjects: [subjects.anyEvent],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      max_age: nanos(7 * day),
      max_bytes: 64 * mebibyte,
    },
  ];
}

type DurableConfig = Partial<ConsumerConfig> & { durable_name: string };

/** `max_deliver` is unlimited because the server hides what exceeded it; the ledger counts attempts itself. */
const durable = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  max_deliver: -1,
};

/** Old servers take unknown settings without a word: only what they give back counts. */
function compare(what: string, wanted: object, found: object, cause?: unknown): void {
  const have = found as Record<string, unknown>;
  const differences = Object.entries(wanted)
    .filter(([key, value]) => !isDeepStrictEqual(have[key], value))
    .map(([key, value]) => `${key} ${JSON.stringify(have[key])} instead of ${JSON.stringify(value)}`);
  if (differences.length === 0) return;
  throw new PrerequisiteError(
    'nats-stream-config',
    `${what} on the NATS server has ${differences.join(', ')}.`,
    'Use nats-server 2.9 or newer, and a server of which no other program or version of Aira uses these names.',
    { cause },
  );
}

export interface Streams {
  /**
   * Creates what is missing and brings the rest to the wanted configuration.
   *
   * @throws PrerequisiteError `nats-stream-config` when the server cannot or will not have it so.
   */
  ensure(): Promise<void>;
  /** As `ensure`, for streams that were just found missing: leaves a deletion that may be under way time to end. */
  recover(): Promise<void>;
  /** Makes a stream anew whose files are gone; nothing is lost that was not lost before. */
  replace(stream: string): Promise<void>;
  /** Creates or finds a durable consumer of RESULTS. */
  ensureResultsDurable(name: string): Promise<void>;
  deleteAll(): Promise<void>;
}

export function streamsOn(link: Link, limits: StreamLimits): Streams {
  const { jsm } = link;
  let underWay: Promise<void> | undefined;

  async function ensureStream(wanted: Partial<StreamConfig> & { name: string }): Promise<void> {
    const what = `The stream ${wanted.name}`;
    let refusal: unknown;
    const info = await jsm.streams.info(wanted.name).catch((thrown) => {
      if (!isStreamMissing(thrown)) throw thrown;
      return jsm.streams.add(wanted);
    });
    let config: StreamConfig = info.config;
    if (!Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(config[key as keyof StreamConfig], value))) {
      link.log.info({ stream: wanted.name }, 'bringing a stream to the wanted configuration');
      config = await jsm.streams.update(wanted.name, wanted).then(
        (updated) => updated.config,
        (thrown) => {
          if (!(thrown instanceof NatsError) || thrown.api_error === undefined) throw thrown;
          refusal = thrown;
          return config;
        },
      );
    }
    compare(what, wanted, config, refusal);
  }

  async function ensureDurable(stream: string, wanted: DurableConfig): Promise<void> {
    const info = await jsm.consumers.add(stream, wanted);
    compare(`The consumer ${wanted.durable_name} of ${stream}`, wanted, info.config);
  }

  async function setUp(wanted: Partial<StreamConfig> & { name: string }): Promise<void> {
    await ensureStream(wanted);
    if (wanted.name !== streamNames.work) return;
    for (const device of deviceClasses) {
      await ensureDurable(wanted.name, {
        ...durable,
        durable_name: workersDurable(device),
        filter_subject: subjects.work(device),
        ack_wait: nanos(limits.jobAckWaitMs),
        // Each worker holds one job, so that the number of workers is the limit.
        max_ack_pending: -1,
      });
    }
  }

  async function ensureAll(): Promise<void> {
    try {
      for (const config of streamConfigs(limits)) {
        await setUp(config).catch(async (thrown) => {
          if (!isStreamBroken(thrown)) throw thrown;
          await remove(config.name);
          await delay(deletionMs);
          await setUp(config);
        });
      }
    } catch (thrown) {
      throw busFailure(thrown, 'setting up the streams');
    }
  }

  function ensure(): Promise<void> {
    underWay ??= ensureAll().finally(() => {
      underWay = undefined;
    });
    return underWay;
  }

  async function remove(stream: string): Promise<void> {
    await jsm.streams.delete(stream).catch((thrown) => {
      if (!isStreamMissing(thrown)) throw busFailure(thrown, `deleting the stream ${stream}`);
    });
  }

  return {
    ensure,
    async recover() {
      await delay(deletionMs);
      await ensure();
    },
    async replace(stream) {
      link.log.warn({ stream }, 'the files of a stream are gone; making it anew');
      await remove(stream);
      await ensure();
    },
    async ensureResultsDurable(name) {
      try {
        await ensureDurable(streamNames.results, {
          ...durable,
          durable_name: name,
          ack_wait: nanos(limits.resultAckWaitMs),
          // Results keep coming while one that was taken before a crash waits for its timer.
          max_ack_pending: 256,
        });
      } catch (thrown) {
        throw busFailure(thrown, `setting up the consumer ${name}`);
      }
    },
    async deleteAll() {
      for (const stream of Object.values(streamNames)) await remove(stream);
    },
  };
}
