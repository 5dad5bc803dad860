import { ErrorCode, NatsError } from 'nats';
import { AiraError, errorMessage, PrerequisiteError, RetryableError, TerminalError } from '../domain/errors.ts';

/** Error codes of the JetStream API: https://github.com/nats-io/nats-server/blob/v2.9.10/server/errors.json */
const api = {
  consumerNotFound: 10014,
  insufficientResources: 10023,
  noMessageFound: 10037,
  sequenceNotFound: 10043,
  storageExceeded: 10047,
  messageDeleteFailed: 10057,
  streamNotFound: 10059,
  streamStoreFailed: 10077,
} as const;

const apiCode = (thrown: unknown): number | undefined =>
  thrown instanceof NatsError ? thrown.api_error?.err_code : undefined;

/** The client's own message may be only the code. */
const textOf = (thrown: unknown): string =>
  (thrown instanceof NatsError ? thrown.api_error?.description : undefined) ?? errorMessage(thrown);

/** No subscriber on the subject: no archivist, no stream, or no JetStream. */
export function isNoResponders(thrown: unknown): boolean {
  return thrown instanceof NatsError && thrown.code === ErrorCode.NoResponders && thrown.api_error === undefined;
}
export const isStreamMissing = (thrown: unknown): boolean => apiCode(thrown) === api.streamNotFound;
export const isConsumerMissing = (thrown: unknown): boolean =>
  apiCode(thrown) === api.consumerNotFound || isStreamMissing(thrown);
/**
 * The files of a stream are missing, so that it accepts nothing. Happens if nats-server 2.9 is asked to create a stream while
 * it is still deleting one of the same name.
 */
export const isStreamBroken = (thrown: unknown): boolean =>
  apiCode(thrown) !== undefined && /no such file or directory/.test(textOf(thrown));
export function isMessageMissing(thrown: unknown): boolean {
  const code = apiCode(thrown);
  if (code === api.noMessageFound || code === api.sequenceNotFound) return true;
  return code === api.messageDeleteFailed && /no message found/.test(textOf(thrown));
}

/**
 * Converts an error of the client. All but a closed bus are retryable; after a timeout the call may have taken effect, so
 * only idempotent calls may be repeated, and all of ours are.
 */
export function busFailure(thrown: unknown, what: string): AiraError {
  if (thrown instanceof AiraError) return thrown;
  const options = { cause: thrown };
  if (!(thrown instanceof NatsError)) {
    return new RetryableError('bus-failed', `${what} failed: ${errorMessage(thrown)}`, 1_000, options);
  }
  switch (apiCode(thrown)) {
    case api.streamStoreFailed:
      // One code for a full stream and for a failed disk; only the text distinguishes them.
      if (!/maximum/.test(textOf(thrown))) break;
      return new RetryableError('queue-full', `${what} was refused: the stream is full`, 2_000, options);
    case api.insufficientResources:
    case api.storageExceeded:
      return new PrerequisiteError(
        'nats-store-full',
        `${what} was refused: the NATS server has no space left for its streams.`,
        'Free disk space for the store of the server, or use a larger one.',
        options,
      );
  }
  switch (thrown.code) {
    case ErrorCode.ConnectionClosed:
    case ErrorCode.ConnectionDraining:
      return new TerminalError('bus-closed', `${what} failed: the bus is closed`, options);
    case ErrorCode.MaxPayloadExceeded:
      return new TerminalError('message-too-large', `${what} exceeds the server's limit on messages`, options);
    case ErrorCode.Timeout:
      return new RetryableError(
        'bus-timeout',
        `${what} was not confirmed in time; it may have taken effect`,
        500,
        options,
      );
    case ErrorCode.NoResponders:
      return new RetryableError('bus-away', `${what} failed: no responders`, 500, options);
    default:
      return new RetryableError('bus-failed', `${what} failed: ${textOf(thrown)}`, 1_000, options);
  }
}
