import { RetryableError, TerminalError } from '../../domain/errors.ts';

/** Thrown when there is no network, or none is wanted, and the cache has no answer either. */
export class OfflineError extends RetryableError {
  constructor(host: string, retryAfterMs: number, options?: ErrorOptions) {
    super(
      'literature-offline',
      `${host} cannot be reached; reading goes on with the notes and earlier answers`,
      retryAfterMs,
      options,
    );
  }
}

/** Thrown when a service refuses to answer for now: too many requests, or a fault of its own. */
export class BusyError extends RetryableError {
  constructor(host: string, status: number, retryAfterMs: number) {
    super('literature-busy', `${host} answers ${status}; try again later`, retryAfterMs);
  }
}

/** Thrown when a service answered something that is not its format. */
export class MalformedAnswerError extends TerminalError {
  constructor(service: string, problem: string, options?: ErrorOptions) {
    super('literature-malformed', `${service} answered something else than it documents: ${problem}`, options);
  }
}

/** Thrown when a service will not answer this request, however often it is asked: no key, a wrong key, no such thing. */
export class RefusedError extends TerminalError {
  readonly status: number;

  constructor(host: string, status: number) {
    super('literature-refused', `${host} refuses with ${status}`);
    this.status = status;
  }
}
