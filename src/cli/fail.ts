import { AiraError, PrerequisiteError, toError } from '../domain/errors.ts';
import { asPrerequisite, coloursFor, printable } from '../platform/index.ts';

const colours = coloursFor(process.stderr);

/**
 * Exit statuses, as documented in the README. `noResult`: a search has ended without a score on its final rung. `agentLost`:
 * it has one, and lost an agent on the way.
 */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  noResult: 3,
  agentLost: 4,
  interrupted: 130,
  terminated: 143,
} as const;

/** Longer sentences are cut: they repeat what was given to Aira. */
const longestSentence = 1500;
const sentence = (text: string): string => printable(text, { width: longestSentence });

/**
 * Says what went wrong and answers the exit status. A prerequisite is one sentence with its remedy and no stack; anything
 * that was not foreseen keeps its stack, because somebody will have to find it.
 */
export function report(thrown: unknown): number {
  const error = asPrerequisite(thrown) ?? toError(thrown);
  if (error instanceof PrerequisiteError) {
    process.stderr.write(
      `${colours.red('aira:')} ${sentence(error.message)}\n${colours.dim('  remedy:')} ${sentence(error.remedy)}\n`,
    );
    return exitCodes.usage;
  }
  if (error instanceof AiraError) {
    process.stderr.write(`${colours.red('aira:')} ${sentence(error.message)}\n`);
    return exitCodes.failed;
  }
  process.stderr.write(
    `${colours.red('aira: unexpected error')}\n${printable(error.stack ?? error.message, { lines: true, width: 8000 })}\n`,
  );
  return exitCodes.failed;
}

/**
 * The first Ctrl-C (or SIGTERM) asks for a gentle end, the second one ends at once: nothing that was recorded is lost
 * either way.
 */
export function onInterrupt(gently: () => void): { readonly code: () => number | null; dispose(): void } {
  let received: NodeJS.Signals | null = null;
  const statusOf = (signal: NodeJS.Signals) => (signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
  const handle = (signal: NodeJS.Signals): void => {
    if (received !== null) process.exit(statusOf(signal));
    received = signal;
    gently();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    code: () => (received === null ? null : statusOf(received)),
    dispose() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}

/**
 * What happens when stdout can no longer be written: its reader has left, as with `| head`, or the disk is full.
 *
 * A command that only prints has nothing left to do and ends: quietly where the reader left, with a sentence where the
 * output is lost. One that runs a search goes on, since the search is worth more than its display, and says so once.
 */

let goesOn = false;

/** From now on this process outlives its output; called by commands that run a search. */
export function outliveOutput(): void {
  goesOn = true;
}

/** Takes care of errors of stdout, which Node would throw. */
export function watchOutput(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): void {
  let said = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    const left = error.code === 'EPIPE';
    if (goesOn) {
      if (!said)
        stderr.write(`aira: ${left ? 'the reader of the output has left' : error.message}; the search goes on\n`);
      said = true;
      return;
    }
    if (!left) stderr.write(`aira: the output cannot be written: ${error.message}\n`);
    process.exit(left ? exitCodes.ok : exitCodes.failed);
  });
  // Nothing can be said about what becomes of what is said.
  stderr.on('error', () => undefined);
}
