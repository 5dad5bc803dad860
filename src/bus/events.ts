/**
 * What happened, for those who watch.
 *
 * Role: delivers events to a handler in the order of the stream, from the beginning or from now on.
 * Not here: what the events mean. Watchers leave nothing behind on the server.
 *
 * Invariants
 *  1. In order and without gaps: whatever cuts the delivery, it goes on after the last event that was handed over.
 *  2. Each event is handed over once per stream. When the stream was deleted, its successor is read from its beginning,
 *     and events that were published again come again.
 */
import { AckPolicy, DeliverPolicy, type Msg, nanos } from 'nats';
import { errorMessage, RetryableError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { Link } from './connection.ts';
import { decodeEnvelope, type Meta } from './envelope.ts';
import { busFailure, isStreamMissing } from './failures.ts';
import { type BusSubscription, runLoop } from './loop.ts';
import { deliveredInfo, pull } from './pull.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

export interface EventSelection {
  /** Only this search's. Without it, all. */
  readonly search?: SearchId | undefined;
  readonly from: 'new' | 'all';
}

export type EventHandler = (event: LabEvent, meta: Meta) => void | Promise<void>;

const batch = 100;
const pullMs = 30_000;

/** @throws RetryableError when the stream cannot be reached, or is not there yet, at first; later it is tried for ever. */
export async function consumeEventsOn(
  link: Link,
  { search, from }: EventSelection,
  handler: EventHandler,
): Promise<BusSubscription> {
  const { jsm, log } = link;
  /** The last event that was handed over, and the stream it came from. */
  let cursor: { readonly created: string; readonly seq: number } | undefined;
  let consumer: string | undefined;
  let delivered = 0;

  async function setUp(): Promise<string> {
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
      throw busFailure(cause, 'setting up a watcher of events');
    }
  }

  async function hand(message: Msg): Promise<void> {
    const { streamSeq } = deliveredInfo(message);
    try {
      const { meta, body } = decodeEnvelope(bodies.event, message.data);
      await handler(body, meta);
    } catch (thrown) {
      log.warn({ subject: message.subject, error: errorMessage(thrown) }, 'an event could not be taken in; going on');
    }
    if (cursor !== undefined) cursor = { ...cursor, seq: streamSeq };
  }

  consumer = await setUp();
  const running = runLoop(link, 'the watcher of events', async (signals) => {
    consumer ??= await setUp();
    let handing = Promise.resolve();
    let gap = false;
    const request = { stream: streamNames.events, consumer, batch, expiresMs: pullMs, signals };
    const end = await pull(link, request, (message) => {
      delivered += 1;
      gap ||= deliveredInfo(message).deliverySeq !== delivered;
      if (!gap) handing = handing.then(() => hand(message));
    });
    await handing;
    if (gap || (end !== 'full' && end !== 'expired')) {
      const old = consumer;
      consumer = undefined;
      // Best effort: the server removes idle ones by itself.
      if (link.connected) await jsm.consumers.delete(streamNames.events, old).catch(() => undefined);
    }
    if (end === 'refused') throw new RetryableError('bus-refused', 'the server refused to deliver events', 1_000);
  });
  return running;
}
