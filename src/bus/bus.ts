/**
 * The bus of one process: everything that components send and receive over one connection.
 *
 * Role: connects, publishes to the streams, delivers events in stream order, from the beginning or from now on, and heartbeats.
 * Non-role: requests, results and the work queue (files of their own), the meaning of messages. Event subscriptions leave
 * nothing on the server.
 *
 *   EVE-1  In order and without gaps: after an interruption, delivery resumes after the last event handled.
 *   EVE-2  Each event is delivered once per stream. If the stream was deleted, its successor is read from the beginning, and
 *          republished events are delivered again.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { AckPolicy, DeliverPolicy, type Msg, nanos, type PubAck } from 'nats';
import type * as z from 'zod';
import { errorMessage, PrerequisiteError, RetryableError } from '../domain/errors.ts';
import type { Job, ResultMessage } from '../domain/evaluation.ts';
import type { SearchId } from '../domain/ids.ts';
import type { AgentState, LabEvent, WorkerState } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';
import { createLogger, type Logger } from '../platform/index.ts';
import {
  busFailure,
  connectWithinMs,
  isNoResponders,
  isStreamBroken,
  isStreamMissing,
  type Link,
  type LinkOptions,
  openLink,
  unreachable,
  withoutCredentials,
} from './connection.ts';
import { decodeEnvelope, encodeEnvelope, type Meta } from './envelope.ts';
import { type BusSubscription, deliveredInfo, pull, runLoop } from './pull.ts';
import { type Requests, requestsOn } from './requests.ts';
import { consumeResultsOn, type ResultHandler } from './results.ts';
import { defaultLimits, type StreamLimits, type Streams, streamsOn } from './streams.ts';
import { bodies, type Role, streamNames, subjects } from './subjects.ts';
import { type WorkQueue, workQueueOn } from './work.ts';

export interface BusOptions extends Omit<LinkOptions, 'log'> {
  readonly log?: Logger | undefined;
  /** Stream limits; all processes on a server must use the same. */
  readonly limits?: Partial<StreamLimits> | undefined;
}

/** Communication between components. One per process. */
export interface Bus extends Requests, Publisher, WorkQueue, Heartbeats {
  /**
   * Creates or updates the streams and the workers' consumers. Publishers and the results consumer call this themselves when
   * streams are missing; workers and watchers wait for them.
   */
  ensureStreams(): Promise<void>;
  /** Deletes the streams and their contents. The ledger can publish everything again (I1). */
  deleteAllStreams(): Promise<void>;
  /** Delivers results to an idempotent handler, at least once. Consumers of one name share the results. */
  consumeResults(durable: string, handler: ResultHandler): Promise<BusSubscription>;
  /** @throws RetryableError `bus-unready` while no archive has set up the streams. */
  consumeEvents(selection: EventSelection, handler: EventHandler): Promise<BusSubscription>;
  /** Whether the server restricts this connection to its role. */
  separatesRoles(): Promise<boolean>;
  /** Waits for running handlers, flushes, and closes. */
  close(): Promise<void>;
}

/** @throws PrerequisiteError `nats-unreachable`, `nats-refused`, `nats-role` or `nats-no-jetstream`. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const link = await openLink({ ...options, log: options.log ?? createLogger('bus') });
  if (options.role !== undefined) {
    const settled = new AbortController();
    try {
      const late = delay(options.connectWithinMs ?? connectWithinMs, 'late' as const, { signal: settled.signal });
      const first = await Promise.race([requireInbox(link, options.role, options.url), late]);
      // An open link never gives up (CON-1): one that was cut off at once, as when its key is revoked, would wait without end.
      if (first === 'late') throw unreachable(options.url, 'the connection was lost at once');
    } catch (thrown) {
      await link.close();
      throw thrown;
    } finally {
      settled.abort();
    }
  }
  const streams = streamsOn(link, { ...defaultLimits, ...options.limits });
  return {
    ...requestsOn(link),
    ...publisherOn(link, streams),
    ...workQueueOn(link, streams),
    ...heartbeatsOn(link),
    ensureStreams: streams.ensure,
    deleteAllStreams: streams.deleteAll,
    consumeResults: (durable, handler) => consumeResultsOn(link, streams, durable, handler),
    consumeEvents: (selection, handler) => consumeEventsOn(link, selection, handler),
    separatesRoles: () => separatesRoles(link),
    close: link.close,
  };
}

/**
 * Whether the server permits subscribing to a subject. A refusal arrives before the reply to the flush.
 *
 * @throws TerminalError `bus-closed`.
 */
async function maySubscribe(link: Link, subject: string): Promise<boolean> {
  let refused = false;
  const subscription = link.nc.subscribe(subject, {
    callback(error) {
      refused ||= error !== null;
    },
  });
  await link.subscribed();
  refused ||= subscription.isClosed();
  if (!subscription.isClosed()) subscription.unsubscribe();
  return !refused;
}

/** Whether the server keeps this connection from the archive's subjects; tested with an unused subject. */
export const separatesRoles = async (link: Link): Promise<boolean> =>
  !(await maySubscribe(link, subjects.separationProbe));

/**
 * Rejects credentials of another role: they would connect, but never receive replies.
 *
 * @throws PrerequisiteError `nats-role`.
 */
export async function requireInbox(link: Link, role: Role, url: string): Promise<void> {
  if (await maySubscribe(link, link.inbox())) return;
  throw new PrerequisiteError(
    'nats-role',
    `The NATS server at ${withoutCredentials(url)} does not let these credentials act as the ${role} of a lab.`,
    `Give the key of that role, credentials/${role}.nk in the home of the lab.`,
  );
}

// Publishing.

interface SendOptions {
  readonly traceparent?: string | undefined;
  /** Proves ownership of an agent or a claim. */
  readonly token?: string | undefined;
  /** Timeout of the server's confirmation. Default 5 s. */
  readonly timeoutMs?: number | undefined;
}

/** The server has stored the message. */
interface Published {
  readonly seq: number;
  /** The stream already had a message with this id. */
  readonly duplicate: boolean;
}

/**
 * Publishing to the streams. Each call resolves when the server has confirmed; an unconfirmed call may have taken effect and
 * is repeated with the same message id. Calls that do not wait for each other reach the server in their order.
 *
 * @throws RetryableError `bus-timeout`, `bus-away`, `queue-full`; TerminalError for a body that does not match the schema.
 */
interface Publisher {
  publishJob(device: DeviceClass, job: Job, messageId: string, options?: SendOptions): Promise<Published>;
  publishResult(result: ResultMessage, messageId: string, options?: SendOptions): Promise<Published>;
  publishEvent(event: LabEvent, messageId?: string, options?: SendOptions): Promise<Published>;
}

function publisherOn(link: Link, streams: Streams): Publisher {
  async function publish<T>(
    target: { readonly stream: string; readonly subject: string; readonly what: string },
    schema: z.ZodType<T>,
    body: T,
    messageId: string | undefined,
    { traceparent, token, timeoutMs = 5_000 }: SendOptions = {},
  ): Promise<Published> {
    const bytes = encodeEnvelope(schema, body, link.stamp(traceparent, token));
    const send = (): Promise<PubAck> =>
      link.js.publish(target.subject, bytes, {
        timeout: timeoutMs,
        // A foreign stream that covers our subjects must not swallow the message.
        expect: { streamName: target.stream },
        ...(messageId !== undefined && { msgID: messageId }),
      });
    const seen = streams.replacements(target.stream);
    try {
      const { seq, duplicate } = await send().catch(async (thrown) => {
        const isBroken = isStreamBroken(thrown);
        if (!isBroken && !isNoResponders(thrown)) throw thrown;
        if (!mayAdminister(link)) await restoreResults(link, isBroken);
        else if (isBroken) await streams.replace(target.stream, seen);
        else await streams.recover();
        return send();
      });
      return { seq, duplicate };
    } catch (thrown) {
      throw busFailure(thrown, `publishing ${target.what}`);
    }
  }

  return {
    publishJob: (device, job, messageId, options) =>
      publish(
        { stream: streamNames.work, subject: subjects.work(device), what: 'a job' },
        bodies.work,
        job,
        messageId,
        options,
      ),
    publishResult: (result, messageId, options) =>
      publish(
        { stream: streamNames.results, subject: subjects.result, what: 'a result' },
        bodies.result,
        result,
        messageId,
        options,
      ),
    publishEvent: (event, messageId, options) =>
      publish(
        { stream: streamNames.events, subject: subjects.event(event), what: 'an event' },
        bodies.event,
        event,
        messageId,
        options,
      ),
  };
}

/** If roles are separated, only the archive's connection creates streams. */
const mayAdminister = ({ role }: Link): boolean => role === undefined || role === 'archive';

/** Asks the archive to restore the stream of results. @throws NatsError without an archive. */
async function restoreResults(link: Link, isBroken: boolean): Promise<void> {
  await link.nc.request(subjects.restoreResults, isBroken ? 'broken' : 'missing', { timeout: 5_000 });
}

// Events.

interface EventSelection {
  /** Default: all searches. */
  readonly search?: SearchId | undefined;
  readonly from: 'new' | 'all';
}

type EventHandler = (event: LabEvent, meta: Meta) => void | Promise<void>;

const eventsPerPull = 100;

const eventPullMs = 30_000;

/** @throws RetryableError if the stream cannot be reached or is missing at first; later it is retried without limit. */
async function consumeEventsOn(
  link: Link,
  { search, from }: EventSelection,
  handler: EventHandler,
): Promise<BusSubscription> {
  const { jsm, log } = link;
  /** The last event handled, and its stream. */
  let cursor: { readonly created: string; readonly seq: number } | undefined;
  let consumer: string | undefined;
  let delivered = 0;

  async function createConsumer(): Promise<string> {
    try {
      const { created, state } = await jsm.streams.info(streamNames.events);
      if (cursor === undefined) cursor = { created, seq: from === 'new' ? state.last_seq : 0 };
      else if (cursor.created !== created || cursor.seq > state.last_seq) cursor = { created, seq: 0 };
      const info = await jsm.consumers.add(streamNames.events, {
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: cursor.seq + 1,
        filter_subject: search === undefined ? subjects.anyEvent : subjects.eventsOf(search),
        inactive_threshold: nanos(5 * 60_000),
        mem_storage: true,
      });
      delivered = 0;
      return info.name;
    } catch (cause) {
      if (isStreamMissing(cause))
        throw new RetryableError('bus-unready', 'the streams are not set up yet', 250, { cause });
      throw busFailure(cause, 'creating an event subscription');
    }
  }

  async function handle(message: Msg): Promise<void> {
    const { streamSeq } = deliveredInfo(message);
    try {
      const { meta, body } = decodeEnvelope(bodies.event, message.data);
      await handler(body, meta);
    } catch (thrown) {
      log.warn({ subject: message.subject, error: errorMessage(thrown) }, 'handling an event failed; continuing');
    }
    if (cursor !== undefined) cursor = { ...cursor, seq: streamSeq };
  }

  consumer = await createConsumer();
  const running = runLoop(link, 'the event subscription', async (signals) => {
    consumer ??= await createConsumer();
    let handling = Promise.resolve();
    let gap = false;
    const request = {
      stream: streamNames.events,
      consumer,
      batch: eventsPerPull,
      expiresMs: eventPullMs,
      signals,
      acknowledged: false,
    };
    const end = await pull(link, request, (message) => {
      delivered += 1;
      gap ||= deliveredInfo(message).deliverySeq !== delivered;
      if (!gap) handling = handling.then(() => handle(message));
    });
    await handling;
    if (gap || (end !== 'full' && end !== 'expired')) {
      const old = consumer;
      consumer = undefined;
      // Best effort: the server removes idle consumers.
      if (link.connected) await jsm.consumers.delete(streamNames.events, old).catch(() => undefined);
    }
    if (end === 'refused') throw new RetryableError('bus-refused', 'the server refused to deliver events', 1_000);
  });
  return running;
}

// Heartbeats.

/** A heartbeat: not stored, not confirmed, received by current subscribers only. */
export type Heartbeat =
  | { readonly kind: 'worker'; readonly state: WorkerState; readonly meta: Meta }
  | { readonly kind: 'agent'; readonly state: AgentState; readonly meta: Meta };

interface Heartbeats {
  /** @throws TerminalError for a state that does not match the schema; never for a missing connection. */
  announceWorker(state: WorkerState): void;
  announceAgent(state: AgentState): void;
  /** Resolves when the server has registered the subscription. */
  watchHeartbeats(handler: (heartbeat: Heartbeat) => void): Promise<BusSubscription>;
}

function heartbeatsOn(link: Link): Heartbeats {
  function announce<T>(subject: string, schema: z.ZodType<T>, state: T): void {
    const bytes = encodeEnvelope(schema, state, link.stamp());
    if (link.connected && !link.nc.isClosed() && !link.nc.isDraining()) link.nc.publish(subject, bytes);
  }

  function listen<T>(subject: string, schema: z.ZodType<T>, onState: (state: T, meta: Meta) => void) {
    const callback = (_error: unknown, message: Msg) => {
      try {
        const { meta, body } = decodeEnvelope(schema, message.data);
        onState(body, meta);
      } catch (thrown) {
        link.log.warn({ subject: message.subject, error: errorMessage(thrown) }, 'a heartbeat could not be decoded');
      }
    };
    return link.nc.subscribe(subject, { callback });
  }

  return {
    announceWorker: (state) => announce(subjects.workerSign(state.worker), bodies.workerSign, state),
    announceAgent: (state) => announce(subjects.agentSign(state.search, state.agent), bodies.agentSign, state),
    async watchHeartbeats(handler) {
      const subscriptions = [
        listen(subjects.anyWorkerSign, bodies.workerSign, (state, meta) => handler({ kind: 'worker', state, meta })),
        listen(subjects.anyAgentSign, bodies.agentSign, (state, meta) => handler({ kind: 'agent', state, meta })),
      ];
      await link.subscribed();
      return {
        async stop() {
          for (const subscription of subscriptions) subscription.unsubscribe();
        },
      };
    },
  };
}
