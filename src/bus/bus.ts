import { createLogger, type Logger } from '../platform/log.ts';
import { type LinkOptions, openLink } from './connection.ts';
import { consumeEventsOn, type EventHandler, type EventSelection } from './events.ts';
import type { Running } from './loop.ts';
import { type Publisher, publisherOn } from './publish.ts';
import { type Requests, requestsOn } from './requests.ts';
import { consumeResultsOn, type ResultHandler } from './results.ts';
import { requireInbox, separatesRoles } from './separation.ts';
import { type Signs, signsOn } from './signs.ts';
import { defaultLimits, type StreamLimits, streamsOn } from './streams.ts';
import { type WorkQueue, workQueueOn } from './work.ts';

export interface BusOptions extends Omit<LinkOptions, 'log'> {
  readonly log?: Logger | undefined;
  /** The figures of the streams; all who share a server must use the same. */
  readonly limits?: Partial<StreamLimits> | undefined;
}

/** All that passes between the parts. One per process. */
export interface Bus extends Requests, Publisher, WorkQueue, Signs {
  /**
   * Creates the streams and the workers' consumers, or brings them to the wanted configuration. Publishers and the
   * consumer of results do so by themselves when they find them missing; workers and watchers wait for them.
   */
  ensureStreams(): Promise<void>;
  /** Deletes the streams with all that is in them. The ledger can publish everything again (I1). */
  deleteAllStreams(): Promise<void>;
  /** Delivers results to an idempotent handler, at least once each. Consumers of one name share the results. */
  consumeResults(durable: string, handler: ResultHandler): Promise<Running>;
  consumeEvents(selection: EventSelection, handler: EventHandler): Promise<Running>;
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
    ...signsOn(link),
    ensureStreams: streams.ensure,
    deleteAllStreams: streams.deleteAll,
    consumeResults: (durable, handler) => consumeResultsOn(link, streams, durable, handler),
    consumeEvents: (selection, handler) => consumeEventsOn(link, selection, handler),
    separatesRoles: () => separatesRoles(link),
    close: link.close,
  };
}
