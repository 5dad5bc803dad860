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
  type StreamInfo,
} from 'nats';
import { PrerequisiteError } from '../domain/errors.ts';
import { deviceClasses } from '../domain/task.ts';
import { busFailure, isClusterSmall, isStreamBroken, isStreamMissing, type Link } from './connection.ts';
import { maxEnvelopeBytes } from './envelope.ts';
import { streamNames, subjects, workersDurable } from './subjects.ts';

/** Stream limits; all processes on a server must use the same. */
export interface StreamLimits {
  /** A job is redelivered after this silence of its worker. */
  readonly jobAckWaitMs: number;
  /** An unacknowledged result is redelivered after this time. */
  readonly resultAckWaitMs: number;
  /** Maximum number of pending jobs; beyond it publishing is refused, so a runaway producer cannot fill the disk. */
  readonly maxJobs: number;
}

export const defaultLimits: StreamLimits = {
  jobAckWaitMs: 30_000,
  resultAckWaitMs: 10_000,
  maxJobs: 100_000,
};

/** The server reports a stream as deleted slightly before its files are. */
const deletionMs = 250;

/** How long a stream remembers message ids. */
const dedupeMs = 120_000;

const day = 24 * 3_600_000;
const mebibyte = 1024 * 1024;

function streamConfigs(limits: StreamLimits): readonly (Partial<StreamConfig> & { name: string })[] {
  const common = {
    storage: StorageType.File,
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
      // Limits retention rather than work queue: the deduplication window then survives a server restart, because it is
      // rebuilt from the stored messages.
      ...common,
      name: streamNames.results,
      subjects: [subjects.result],
      retention: RetentionPolicy.Limits,
      discard: DiscardPolicy.Old,
      // Recorded results may expire; unrecorded ones are retrained after this time.
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

/** `max_deliver` is unlimited because the server hides messages that exceed it; the ledger counts attempts itself. */
const durable = {
  ack_policy: AckPolicy.Explicit,
  deliver_policy: DeliverPolicy.All,
  replay_policy: ReplayPolicy.Instant,
  max_deliver: -1,
};

/** Old servers silently ignore unknown settings: only the returned configuration counts. */
function compare(what: string, expected: object, actual: object, cause?: unknown): void {
  const have = actual as Record<string, unknown>;
  const differences = Object.entries(expected)
    .filter(([key, value]) => !isDeepStrictEqual(have[key], value))
    .map(([key, value]) => `${key} ${JSON.stringify(have[key])} instead of ${JSON.stringify(value)}`);
  if (differences.length === 0) return;
  throw new PrerequisiteError(
    'nats-stream-config',
    `${what} on the NATS server has ${differences.join(', ')}.`,
    'Use nats-server 2.9 or newer, on which no other program or version of Aira uses these names.',
    { cause },
  );
}

export interface Streams {
  /**
   * Creates missing streams and updates the others.
   *
   * @throws PrerequisiteError `nats-stream-config` if the server does not apply the configuration.
   */
  ensure(): Promise<void>;
  /** As `ensure`, for streams just actual missing: waits for a deletion in progress. */
  recover(): Promise<void>;
  /** How many times this process has replaced a stream. */
  replacements(stream: string): number;
  /**
   * Recreates a stream whose files are missing; loses nothing more: one that was replaced since `seen` may have messages again, and
   * stays.
   */
  replace(stream: string, seen?: number): Promise<void>;
  /** Creates or finds a durable consumer of RESULTS. */
  ensureResultsDurable(name: string): Promise<void>;
  deleteAll(): Promise<void>;
}

export function streamsOn(link: Link, limits: StreamLimits): Streams {
  const { jsm } = link;
  let running: Promise<void> | undefined;
  /** Servers of a cluster store each stream on three of them, so that the loss of one stops nothing. */
  const copies = link.nc.info?.cluster === undefined ? 1 : 3;

  /** A cluster without three servers at the moment gets one copy; a later set-up adds the others. */
  async function add(expected: Partial<StreamConfig> & { name: string }): Promise<StreamInfo> {
    try {
      return await jsm.streams.add({ ...expected, num_replicas: copies });
    } catch (thrown) {
      if (copies === 1 || !isClusterSmall(thrown)) throw thrown;
      return await jsm.streams.add({ ...expected, num_replicas: 1 });
    }
  }

  async function ensureStream(expected: Partial<StreamConfig> & { name: string }): Promise<void> {
    const what = `The stream ${expected.name}`;
    let refusal: unknown;
    const info = await jsm.streams.info(expected.name).catch((thrown) => {
      if (!isStreamMissing(thrown)) throw thrown;
      return add(expected);
    });
    let config: StreamConfig = info.config;
    const desired = { ...expected, num_replicas: copies };
    if (!Object.entries(desired).every(([key, value]) => isDeepStrictEqual(config[key as keyof StreamConfig], value))) {
      link.log.info({ stream: expected.name }, 'updating the configuration of a stream');
      config = await jsm.streams.update(expected.name, desired).then(
        (updated) => updated.config,
        (thrown) => {
          if (!(thrown instanceof NatsError) || thrown.api_error === undefined) throw thrown;
          refusal = thrown;
          return config;
        },
      );
    }
    compare(what, expected, config, refusal);
    if (config.num_replicas >= copies) return;
    const { name: stream, num_replicas: stored } = config;
    link.log.warn({ stream, copies: stored }, 'the NATS cluster has fewer than three servers with room for a stream');
  }

  async function ensureDurable(stream: string, expected: DurableConfig): Promise<void> {
    const info = await jsm.consumers.add(stream, expected);
    compare(`The consumer ${expected.durable_name} of ${stream}`, expected, info.config);
  }

  async function setUp(expected: Partial<StreamConfig> & { name: string }): Promise<void> {
    await ensureStream(expected);
    if (expected.name !== streamNames.work) return;
    for (const device of deviceClasses) {
      await ensureDurable(expected.name, {
        ...durable,
        durable_name: workersDurable(device),
        filter_subject: subjects.work(device),
        ack_wait: nanos(limits.jobAckWaitMs),
        // Each worker has one job, so the number of workers is the limit.
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
    running ??= ensureAll().finally(() => {
      running = undefined;
    });
    return running;
  }

  async function remove(stream: string): Promise<void> {
    await jsm.streams.delete(stream).catch((thrown) => {
      if (!isStreamMissing(thrown)) throw busFailure(thrown, `deleting the stream ${stream}`);
    });
  }

  const replaced = new Map<string, { readonly count: number; readonly done: Promise<void> }>();
  const replacements = (stream: string): number => replaced.get(stream)?.count ?? 0;

  async function replaceNow(stream: string): Promise<void> {
    link.log.warn({ stream }, 'stream files are missing; recreating the stream');
    await remove(stream);
    await ensure();
  }

  return {
    ensure,
    async recover() {
      await delay(deletionMs);
      await ensure();
    },
    replacements,
    replace(stream, seen = replacements(stream)) {
      const latest = replaced.get(stream);
      if (latest && latest.count !== seen) return latest.done;
      const done = replaceNow(stream);
      replaced.set(stream, { count: seen + 1, done });
      return done;
    },
    async ensureResultsDurable(name) {
      try {
        await ensureDurable(streamNames.results, {
          ...durable,
          durable_name: name,
          ack_wait: nanos(limits.resultAckWaitMs),
          // Results keep arriving while one taken before a crash waits for its timer.
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
