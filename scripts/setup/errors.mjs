/**
 * Thrown when set-up cannot go on; never worth an automatic retry. `message` is one sentence, `details` are lines
 * printed under it: commands to run, or the end of a failed program's output.
 *
 * Exit code 2 means that something has to be done by hand first (a prerequisite), 1 that a step failed.
 */
export class SetupError extends Error {
  /**
   * @param {string} message
   * @param {{ exitCode?: 1 | 2, details?: string[] }} [options]
   */
  constructor(message, { exitCode = 1, details = [] } = {}) {
    super(message);
    this.name = 'SetupError';
    this.exitCode = exitCode;
    this.details = details;
  }
}
