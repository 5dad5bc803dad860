import { setTimeout as delay } from 'node:timers/promises';
import type { PubAck } from 'nats';
import type * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import type { Job, ResultMessage } from '../domain/evaluation.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';
import { createLogger, type Logger } from '../platform/index.ts';
import type { Link } from './connection.ts';
import {busFailure, 
  connectWithinMs,isNoResponders, isStreamBroken, 
  type Link,
  type LinkOptions,
  openLink,
  unreachable,
  withoutCredentials
} from './connection.ts';
import { encodeEnvelope } from './envelope.ts';
import { consumeEventsOn, type EventHandler, type EventSelection } from './events.ts';
import { type Heartbeats, heartbeatsOn } from './heartbeats.ts';
import type { BusSubscription } from './pull.ts';
import { type Requests, requestsOn } from './requests.ts';
import { consumeResultsOn, type ResultHandler } from './results.ts';
import type { Streams } from './streams.ts';
import { defaultLimits, type StreamLimits, streamsOn } from './streams.ts';
import type { Role } from './subjects.ts';
import { bodies, streamNames, subjects, subjects } from './subjects.ts';
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

/** If roles are separated, only the archive's connection creates streams. */
const mayAdminister = ({ role }: Link): boolean => role === undefined || role === 'archive';

/** Asks the archive to restore the stream of results. @throws NatsError without an archive. */
async function restoreResults(link: Link, isBroken: boolean): Promise<void> {
  await link.nc.request(subjects.restoreResults, isBroken ? 'broken' : 'missing', { timeout: 5_000 });
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
