import type { PubAck } from 'nats';
import type * as z from 'zod';
import type { Job, ResultMessage } from '../domain/evaluation.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';
import type { Link } from './connection.ts';
import { busFailure, isNoResponders, isStreamBroken } from './connection.ts';
import { encodeEnvelope } from './envelope.ts';
import type { Streams } from './streams.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

export interface SendOptions {
  readonly traceparent?: string | undefined;
  /** Proves ownership of an agent or a claim. */
  readonly token?: string | undefined;
  /** Timeout of the server's confirmation. Default 5 s. */
  readonly timeoutMs?: number | undefined;
}

/** The server has stored the message. */
export interface Published {
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
export interface Publisher {
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

export function publisherOn(link: Link, streams: Streams): Publisher {
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
