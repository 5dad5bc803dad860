import { setTimeout as delay } from 'node:timers/promises';
import { PrerequisiteError } from '../domain/errors.ts';
import { createLogger, type Logger } from '../platform/index.ts';
import {
  connectWithinMs,
  type Link,
  type LinkOptions,
  openLink,
  unreachable,
  withoutCredentials,
} from './connection.ts';
import { consumeEventsOn, type EventHandler, type EventSelection } from './events.ts';
import { type Heartbeats, heartbeatsOn } from './heartbeats.ts';
import { type Publisher, publisherOn } from './publish.ts';
import type { BusSubscription } from './pull.ts';
import { type Requests, requestsOn } from './requests.ts';
import { consumeResultsOn, type ResultHandler } from './results.ts';
import { defaultLimits, type StreamLimits, streamsOn } from './streams.ts';
import type { Role } from './subjects.ts';
import { subjects } from './subjects.ts';
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
