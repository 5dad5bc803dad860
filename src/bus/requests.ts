/**
 * Requests to the archivist and its replies.
 *
 * Role: typed requests and replies over the domain's verbs; errors are transferred and rethrown. Non-role: what a verb does.
 *
 *   REQ-1  Requests and replies are validated on both sides.
 *   REQ-2  Handlers are called in the order of requests, over all verbs. A slow one does not block the next, so a handler may
 *          collect requests and answer them together.
 *   REQ-3  Every decoded request gets a reply: a result or an error.
 *   REQ-4  A reply may be lost after the handler ran, and the request is then repeated: handlers are idempotent.
 */
import type { Msg } from 'nats';
import * as z from 'zod';
import { AiraError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';
import { type ReplyOf, type RequestOf, requests, type Verb } from '../domain/messages.ts';
import { busFailure, isNoResponders, type Link } from './connection.ts';
import { decodeEnvelope, encodeEnvelope, type Meta } from './envelope.ts';
import { type BusSubscription, pause } from './pull.ts';
import { archiveQueue, lastToken, subjects } from './subjects.ts';

export interface AskOptions {
  /** Timeout per attempt. Default 5 s. */
  readonly timeoutMs?: number | undefined;
  /** Number of attempts while errors are retryable. Default 1. */
  readonly attempts?: number | undefined;
  readonly traceparent?: string | undefined;
  /** Proves ownership of an agent or a claim. */
  readonly token?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type Handlers = {
  readonly [V in Verb]: (request: RequestOf<V>, meta: Meta) => ReplyOf<V> | Promise<ReplyOf<V>>;
};

export interface Requests {
  /**
   * @throws RetryableError `archive-away` without an archivist, `archive-timeout` without a reply in time; any error of the
   * handler; TerminalError for bodies that do not match the schema.
   */
  ask<V extends Verb>(verb: V, body: RequestOf<V>, options?: AskOptions): Promise<ReplyOf<V>>;
  /** Serves requests until stopped; resolves when the server has registered the subscription. */
  serve(handlers: Handlers): Promise<BusSubscription>;
}

const verbSchema = z.enum(Object.keys(requests) as [Verb, ...Verb[]]);

const requestSchema = <V extends Verb>(verb: V) => requests[verb].request as unknown as z.ZodType<RequestOf<V>>;

/** An error in a reply. */
const wireErrorSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().nonnegative().optional(),
  remedy: z.string().optional(),
});
type WireError = z.infer<typeof wireErrorSchema>;

/** A result or an error. */
type Answer<V extends Verb> = { answer: ReplyOf<V> } | { error: WireError };
const answerSchema = <V extends Verb>(verb: V) =>
  z.union([
    z.strictObject({ answer: requests[verb].reply as unknown as z.ZodType<ReplyOf<V>> }),
    z.strictObject({ error: wireErrorSchema }),
  ]) as unknown as z.ZodType<Answer<V>>;
const errorAnswerSchema = z.strictObject({ error: wireErrorSchema });

export function requestsOn(link: Link): Requests {
  const { nc, log } = link;

  async function askOnce<V extends Verb>(verb: V, body: RequestOf<V>, options: AskOptions): Promise<ReplyOf<V>> {
    const { timeoutMs = 5_000, traceparent, token } = options;
    const bytes = encodeEnvelope(requestSchema(verb), body, link.stamp(traceparent, token));
    let reply: Msg;
    try {
      reply = await nc.request(subjects.request(verb), bytes, { timeout: timeoutMs });
    } catch (cause) {
      if (isNoResponders(cause))
        throw new RetryableError('archive-away', 'no archivist responds on the bus', 250, { cause });
      const failure = busFailure(cause, `request ${verb}`);
      if (failure.code !== 'bus-timeout') throw failure;
      throw new RetryableError('archive-timeout', `the archivist did not answer ${verb} in ${timeoutMs} ms`, 250, {
        cause,
      });
    }
    const answer = decodeEnvelope(answerSchema(verb), reply.data).body;
    if ('error' in answer) throw fromWire(answer.error);
    return answer.answer;
  }

  async function answerTo<V extends Verb>(verb: V, message: Msg, handlers: Handlers): Promise<Uint8Array> {
    const { meta, body } = decodeEnvelope(requestSchema(verb), message.data);
    const handler = handlers[verb] as (request: RequestOf<V>, meta: Meta) => ReplyOf<V> | Promise<ReplyOf<V>>;
    const answer = await handler(body, meta);
    return encodeEnvelope(answerSchema(verb), { answer }, link.stamp(meta.traceparent));
  }

  async function respond(message: Msg, handlers: Handlers): Promise<void> {
    let bytes: Uint8Array;
    try {
      const verb = verbSchema.safeParse(lastToken(message.subject));
      if (!verb.success) throw new TerminalError('verb-unknown', `unknown request ${lastToken(message.subject)}`);
      bytes = await answerTo(verb.data, message, handlers);
    } catch (thrown) {
      if (!(thrown instanceof AiraError))
        log.error({ err: thrown, subject: message.subject }, 'a request handler failed');
      bytes = encodeEnvelope(errorAnswerSchema, { error: toWire(thrown) }, link.stamp());
    }
    message.respond(bytes);
  }

  return {
    async ask(verb, body, options = {}) {
      const { attempts = 1, signal } = options;
      const signals = signal === undefined ? [link.closing] : [link.closing, signal];
      for (let attempt = 1; ; attempt++) {
        try {
          return await askOnce(verb, body, options);
        } catch (thrown) {
          if (!(thrown instanceof RetryableError) || attempt >= attempts) throw thrown;
          log.debug({ verb, attempt, error: errorMessage(thrown) }, 'retrying a request');
          await pause(thrown.retryAfterMs, signals);
          if (signals.some((each) => each.aborted)) throw thrown;
        }
      }
    },
    async serve(handlers) {
      const subscription = nc.subscribe(subjects.anyRequest, { queue: archiveQueue });
      async function answerAll(): Promise<void> {
        const running = new Set<Promise<void>>();
        for await (const message of subscription) {
          const answered: Promise<void> = respond(message, handlers)
            // The requester repeats a request whose reply was not sent.
            .catch((thrown) => log.warn({ error: errorMessage(thrown) }, 'a reply was lost'))
            .finally(() => running.delete(answered));
          running.add(answered);
        }
        await Promise.all(running);
      }
      const answering = answerAll();
      const stop = async (): Promise<void> => {
        link.closing.removeEventListener('abort', stop);
        if (!subscription.isClosed()) await subscription.drain().catch(() => subscription.unsubscribe());
        await answering;
      };
      link.closing.addEventListener('abort', stop);
      link.keep(answering);
      await link.subscribed();
      return { stop };
    },
  };
}

/** An unexpected exception is a defect of the handler: not retryable. */
export function toWire(thrown: unknown): WireError {
  if (!(thrown instanceof AiraError)) return { code: 'internal', message: errorMessage(thrown), retryable: false };
  const { code, message } = thrown;
  if (thrown instanceof RetryableError) return { code, message, retryable: true, retryAfterMs: thrown.retryAfterMs };
  if (thrown instanceof PrerequisiteError) return { code, message, retryable: false, remedy: thrown.remedy };
  return { code, message, retryable: false };
}

/** Restores the error of the sender. */
export function fromWire({ code, message, retryable, retryAfterMs = 1_000, remedy }: WireError): AiraError {
  if (retryable) return new RetryableError(code, message, retryAfterMs);
  return remedy === undefined ? new TerminalError(code, message) : new PrerequisiteError(code, message, remedy);
}
