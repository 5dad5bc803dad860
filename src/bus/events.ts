/**
 * Event subscriptions.
 *
 * Role: delivers events to a handler in stream order, from the beginning or from now on. Non-role: the meaning of events.
 * Subscriptions leave nothing on the server.
 *
 *   EVE-1  In order and without gaps: after an interruption, delivery resumes after the last event handled.
 *   EVE-2  Each event is delivered once per stream. If the stream was deleted, its successor is read from the beginning, and
 *          republished events are delivered again.
 */
import { AckPolicy, DeliverPolicy, type Msg, nanos } from 'nats';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { Link } from './connection.ts';
import { busFailure, isStreamMissing } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { type BusSubscription, deliveredInfo, pull, runLoop } from './pull.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

export interface EventSelection {
  /** Default: all searches. */
  readonly search?: SearchId | undefined;
  readonly from: 'new' | 'all';
}

export type EventHandler = (event: LabEvent, meta: Meta) => void | Promise<void>;

const eventsPerPull = 100;
const eventPullMs = 30_000;

/** @throws RetryableError if the stream cannot be reached or is missing at first; later it is retried without limit. */
export async function consumeEventsOn(
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
