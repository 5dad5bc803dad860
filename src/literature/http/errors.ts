import { RetryableError, TerminalError } from '../../domain/errors.ts';

/** Thrown without a network, or in offline mode, if the cache has no response either. */
export class OfflineError extends RetryableError {
  constructor(host: string, retryAfterMs: number, options?: ErrorOptions) {
    super(
      'literature-offline',
      `${host} is unreachable; continuing with the corpus and the cache`,
      retryAfterMs,
      options,
    );
  }
}

/** Thrown when a service fails temporarily: too many requests, or a fault of its own. */
export class BusyError extends RetryableError {
  constructor(host: string, status: number, retryAfterMs: number) {
    super('literature-busy', `${host} answered ${status}; retry later`, retryAfterMs);
  }
}

/** Thrown when a response is not in the service's format. */
export class MalformedAnswerError extends TerminalError {
  constructor(service: string, problem: string, options?: ErrorOptions) {
    super('literature-malformed', `unexpected response from ${service}: ${problem}`, options);
  }
}

/** Thrown when a service refuses a request permanently: no key, a wrong key, not found. */
export class RefusedError extends TerminalError {
  readonly status: number;

  constructor(host: string, status: number) {
    super('literature-refused', `${host} refused the request with status ${status}`);
    this.status = status;
  }
}
