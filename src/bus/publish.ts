import type { PubAck } from 'nats';
import type * as z from 'zod';
import type { Job, ResultMessage } from '../domain/evaluation.ts';
import type { LabEvent } from '../domain/messages.ts';
import type { DeviceClass } from '../domain/task.ts';
import type { Link } from './connection.ts';
import { encodeEnvelope } from './envelope.ts';
import { busFailure, isNoResponders, isStreamBroken } from './failures.ts';
import type { Streams } from './streams.ts';
import { bodies, streamNames, subjects } from './subjects.ts';

export interface SendOptions {
  readonly traceparent?: string | undefined;
  /** Proves that the sender holds what it speaks of. */
  readonly token?: string | undefined;
  /** How long the server may take to confirm. Default 5 s. */
  readonly timeoutMs?: number | undefined;
}

/** The server has the message in its file. */
export interface Published {
  readonly seq: number;
  /** The stream had a message of this id already, and kept that one. */
  readonly duplicate: boolean;
}

/**
 * Publishing to the streams. Each call resolves when the server has confirmed; a call that was not confirmed may have
 * happened, and is repeated with the same message id.
 *
 * @throws RetryableError `bus-timeout`, `bus-away`, `queue-full`; TerminalError for a body that is not of the schema.
 */
export interface Publisher {
  publishJob(device: DeviceClass, job: Job, messageId: string, options?: SendOptions): Promise<Published>;
  publishResult(result: ResultMessage, messageId: string, options?: SendOptions): Promise<Published>;
  publishEvent(event: LabEvent, messageId?: string, options?: SendOptions): Promise<Published>;
}

/** Streams are made by the archive's connection alone, where roles are separated. */
const mayAdminister = ({ role }: Link): boolean => role === undefined || role === 'archive';

/** Has the archive look after the stream of results. @throws NatsError when no archive listens. */
async function restored(link: Link, isBroken: boolean): Promise<void> {
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
        // A stream of someone else that covers our subjects must not swallow the message.
        expect: { streamName: target.stream },
        ...(messageId !== undefined && { msgID: messageId }),
      });
    try {
      const { seq, duplicate } = await send().catch(async (thrown) => {
        const isBroken = isStreamBroken(thrown);
        if (!isBroken && !isNoResponders(thrown)) throw thrown;
        if (!mayAdminister(link)) await restored(link, isBroken);
        else if (isBroken) await streams.replace(target.stream);
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
