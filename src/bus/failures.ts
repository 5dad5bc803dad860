import { ErrorCode, NatsError } from 'nats';
import * as z from 'zod';
import { AiraError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';

/** Numbers of the JetStream API's own errors: https://github.com/nats-io/nats-server/blob/v2.9.10/server/errors.json */
const api = {
  consumerNotFound: 10014,
  insufficientResources: 10023,
  noMessageFound: 10037,
  storageExceeded: 10047,
  messageDeleteFailed: 10057,
  streamNotFound: 10059,
  streamStoreFailed: 10077,
} as const;

const apiCode = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** The client's own message may be no more than the number. */
const textOf = (thrown: unknown): string =>
  (thrown instanceof NatsError ? thrown.api_error?.description : undefined) ?? errorMessage(thrown);

/** Nobody listens on the subject: no archivist, no stream, or JetStream is away. */
export function isNoResponders(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.code === ErrorCode.NoResponders && thrown.api_error === undefined;
}
export const isStreamMissing = (thrown: unknown): boolean => apiCode(thrown) === api.streamNotFound;
export const isConsumerMissing = (thrown: unknown): boolean =>
  apiCode(thrown) === api.consumerNotFound || isStreamMissing(thrown);
/**
 * The files of a stream are gone from under it, so that it takes nothing any more. Happens when nats-server 2.9 is asked
 * to create a stream while it is still deleting the one of that name.
 */
export const isStreamBroken = (thrown: unknown): boolean =>
  apiCode(thrown) !== undefined && /no such file or directory/.test(textOf(thrown));
export function isMessageMissing(thrown: unknown): boolean {
  const code = apiCode(thrown);
  return code === api.noMessageFound || (code === api.messageDeleteFailed && /no message found/.test(textOf(thrown)));
}

/**
 * Whatever the client threw, as an error of the house. All but a closed bus is worth another try; a timeout says nothing
 * about whether the thing happened, so that only idempotent calls may be repeated, and all of ours are.
 */
export function busFailure(thrown: unknown, what: string): AiraError {
  if (thrown instanceof AiraError) return thrown;
  const options = { cause: thrown };
  if (!(thrown instanceof NatsError)) {
    return new RetryableError('bus-failed', `${what} failed: ${errorMessage(thrown)}`, 1_000, options);
  }
  switch (apiCode(thrown)) {
    case api.streamStoreFailed:
      // One number for a limit that was reached and for a disk that failed; only the text tells them apart.
      if (!/maximum/.test(textOf(thrown))) break;
      return new RetryableError('queue-full', `${what} was refused: the stream is full`, 2_000, options);
    case api.insufficientResources:
    case api.storageExceeded:
      return new PrerequisiteError(
        'nats-store-full',
        `${what} was refused: the NATS server has no room left for its streams.`,
        'Free disk space where the server keeps its store, or give it a larger one.',
        options,
      );
  }
  switch (thrown.code) {
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
      return new TerminalError('bus-closed', `${what} came after the bus was closed`, options);
    case ErrorCode.MaxPayloadExceeded:
      return new TerminalError('message-too-large', `${what} exceeds the server's limit on messages`, options);
    case ErrorCode.Timeout:
      return new RetryableError('bus-timeout', `${what} was not confirmed in time; it may have happened`, 500, options);
    case ErrorCode.NoResponders:
      return new RetryableError('bus-away', `${what} found nobody to answer`, 500, options);
    default:
      return new RetryableError('bus-failed', `${what} failed: ${textOf(thrown)}`, 1_000, options);
  }
}

/** How an error travels in a reply. */
export const wireErrorSchema = z.strictObject({
  code: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  retryAfterMs: z.number().nonnegative().optional(),
  remedy: z.string().optional(),
});
export type WireError = z.infer<typeof wireErrorSchema>;

/** A fault that nobody threw on purpose is a defect of the handler: trying again will not mend it. */
export function toWire(thrown: unknown): WireError {
  if (!(thrown instanceof AiraError)) return { code: 'internal', message: errorMessage(thrown), retryable: false };
  const { code, message } = thrown;
  if (thrown instanceof RetryableError) return { code, message, retryable: true, retryAfterMs: thrown.retryAfterMs };
  if (thrown instanceof PrerequisiteError) return { code, message, retryable: false, remedy: thrown.remedy };
  return { code, message, retryable: false };
}

/** The error as its thrower made it. */
export function fromWire({ code, message, retryable, retryAfterMs = 1_000, remedy }: WireError): AiraError {
  if (retryable) return new RetryableError(code, message, retryAfterMs);
  return remedy === undefined ? new TerminalError(code, message) : new PrerequisiteError(code, message, remedy);
}
