/**
 * Error classes. The class decides what the caller may do: a retryable error says when to retry, a terminal one never
 * succeeds by repetition, and a prerequisite is something the user must fix.
 */

/** Base of every error that Aira throws on purpose. `code` is stable: match on it. */
export class AiraError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Thrown if repeating the call cannot succeed: invalid input, an exhausted budget, a broken contract. */
export class TerminalError extends AiraError {}

/** Thrown for a text that is not a candidate of the space: an agent's proposal, or a user's reference, must change. */
export class CandidateError extends TerminalError {}

/**
 * Thrown if the next expense could exceed a budget (I9), or the search is closed for proposals (`search-closed`). Not a
 * failure: the agent is done.
 */
export class BudgetError extends TerminalError {
  constructor(message: string, code: 'budget-spent' | 'search-closed' = 'budget-spent') {
    super(code, message);
  }
}

/** Thrown if the same call may succeed later: an unreachable server, a busy lock. */
export class RetryableError extends AiraError {
  /** Delay before the next attempt, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(code: string, message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(code, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Thrown if the user must change something first: a file, an option, a missing program, a full disk. The command line prints
 * message and remedy without a stack and exits with 2.
 */
export class PrerequisiteError extends TerminalError {
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(code, message, options);
    this.remedy = remedy;
  }
}

/** Any thrown value as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The message of any thrown value. */
export function errorMessage(thrown: unknown): string {
  return toError(thrown).message;
}
