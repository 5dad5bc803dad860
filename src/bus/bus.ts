import { PrerequisiteError } from '../domain/errors.ts';
import { createLogger, type Logger } from '../platform/index.ts';
import { type Link, type LinkOptions, openLink, withoutCredentials } from './connection.ts';
import { consumeEventsOn, type EventHandler, type EventSelection } from './events.ts';
import { type Heartbeats, heartbeatsOn } from './heartbeats.ts';
import type { BusSubscription } from './loop.ts';
import { type Publisher, publisherOn } from './publish.ts';
import { type Requests, requestsOn } from './requests.ts';
import { consumeResultsOn, type ResultHandler } from './results.ts';
import type { Role } from './roles.ts';
import { defaultLimits, type StreamLimits, streamsOn } from './streams.ts';
import { subjects } from './subjects.ts';
import { type WorkQueue, workQueueOn } from './work.ts';

export interface BusOptions extends Omit<LinkOptions, 'log'> {
  readonly log?: Logger | undefined;
  /** The figures of the streams; all who share a server must use the same. */
  readonly limits?: Partial<StreamLimits> | undefined;
}

/** All that passes between the parts. One per process. */
export interface Bus extends Requests, Publisher, WorkQueue, Heartbeats {
  /**
   * Creates the streams and the workers' consumers, or brings them to the wanted configuration. Publishers and the
   * consumer of results do so by themselves when they find them missing; workers and watchers wait for them.
   */
  ensureStreams(): Promise<void>;
  /** Deletes the streams with all that is in them. The ledger can publish everything again (I1). */
  deleteAllStreams(): Promise<void>;
  /** Delivers results to an idempotent handler, at least once each. Consumers of one name share the results. */
  consumeResults(durable: string, handler: ResultHandler): Promise<BusSubscription>;
  consumeEvents(selection: EventSelection, handler: EventHandler): Promise<BusSubscription>;
  /** Does the server keep this connection from what is meant for the archive? */
  separatesRoles(): Promise<boolean>;
  /** Lets handlers at work finish, sends what is still to be sent, and closes. */
  close(): Promise<void>;
}

/** @throws PrerequisiteError `nats-unreachable`, `nats-refused`, `nats-role` or `nats-no-jetstream`. */
export async function connectBus(options: BusOptions): Promise<Bus> {
  const link = await openLink({ ...options, log: options.log ?? createLogger('bus') });
  if (options.role !== undefined) {
    await requireInbox(link, options.role, options.url).catch(async (thrown) => {
      await link.close();
      throw thrown;
    });
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
 * Does the server let this connection hear a subject? Its refusal is on the line before the answer to the flush.
 *
 * @throws TerminalError `bus-closed`.
 */
async function mayHear(link: Link, subject: string): Promise<boolean> {
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

/** Does the server keep this connection from hearing what is meant for the archive? Tried with a subject that nobody uses. */
export const separatesRoles = async (link: Link): Promise<boolean> => !(await mayHear(link, subjects.separationProbe));

/**
 * Credentials of another role would be let in, and then wait for replies that the server keeps from them.
 *
 * @throws PrerequisiteError `nats-role`.
 */
export async function requireInbox(link: Link, role: Role, url: string): Promise<void> {
  if (await mayHear(link, link.inbox())) return;
  throw new PrerequisiteError(
    'nats-role',
    `The NATS server at ${withoutCredentials(url)} does not let these credentials act as the ${role} of a lab.`,
    `Give the key of that role, credentials/${role}.nk in the home of the lab.`,
  );
}
