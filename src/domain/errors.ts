/**
 * The errors of the house. The class decides what the caller may do: a retryable failure says when to try again,
 * a terminal one never succeeds by repetition, and a prerequisite is something the person at the keyboard must mend.
 */

/** Base of every error that Aira throws on purpose. `code` is stable and may be searched for and matched on. */
export class AiraError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Thrown when repeating the same call cannot succeed: invalid input, a refused budget, a broken contract. */
export class TerminalError extends AiraError {}

/** Thrown when a text is not a candidate of the space: what an agent proposed, or a user stated, has to change. */
export class CandidateError extends TerminalError {}

/**
 * Thrown when the next spending could exceed a budget (I9), or comes after the search stopped taking proposals
 * (`search-closed`). Nothing is wrong: the spender is done.
 */
export class BudgetError extends TerminalError {
  constructor(message: string, code: 'budget-spent' | 'search-closed' = 'budget-spent') {
    super(code, message);
  }
}

/** Thrown when the same call may succeed later: a server that is away, a lock that is held. */
export class RetryableError extends AiraError {
  /** How long to wait before the next try, in milliseconds. */
  readonly retryAfterMs: number;

  constructor(code: string, message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(code, message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * Thrown when the user must change something before the command can work: a file, an option, a missing program, a full
 * disk. The command line prints the message and the remedy, no stack, and exits with 2.
 */
export class PrerequisiteError extends TerminalError {
  readonly remedy: string;

  constructor(code: string, message: string, remedy: string, options?: ErrorOptions) {
    super(code, message, options);
    this.remedy = remedy;
  }
}

/** Whatever was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** The message of whatever was thrown. */
export function errorMessage(thrown: unknown): string {
  return toError(thrown).message;
}
