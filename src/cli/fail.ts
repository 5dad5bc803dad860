import { AiraError, PrerequisiteError, RetryableError, toError } from '../domain/errors.ts';
import { asPrerequisite, coloursFor, printable } from '../platform/index.ts';

const colours = coloursFor(process.stderr);

/**
 * Exit statuses, documented in the README. `noResult`: a search ended without a score on its final rung. `agentLost`: it
 * has one, but lost an agent.
 */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  noResult: 3,
  agentLost: 4,
  /** Of a worker that had to leave: start it again (EX_TEMPFAIL of sysexits.h). */
  again: 75,
  interrupted: 130,
  terminated: 143,
} as const;

/** Longer sentences are cut; they quote user input. */
const maxSentenceChars = 1500;
const sentence = (text: string): string => printable(text, { width: maxSentenceChars });

/**
 * Prints an error and returns the exit status. A prerequisite error is one sentence with its remedy, and so is one that may pass;
 * an unexpected error prints its stack.
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
    if (error instanceof RetryableError) {
      process.stderr.write(`${colours.dim('  remedy:')} run the same command again; what was recorded is continued\n`);
    }
    return exitCodes.failed;
  }
  process.stderr.write(
    `${colours.red('aira: unexpected error')}\n${printable(error.stack ?? error.message, { lines: true, width: 8000 })}\n`,
  );
  return exitCodes.failed;
}

const notices = ['SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const;

/**
 * The first Ctrl-C (or SIGTERM) drains, the second exits at once; either way nothing that was recorded is lost.
 *
 * @param leave of a component on a cluster: SIGTERM, SIGUSR1 and SIGUSR2 are notices, of which the first sets the deadline.
 * Schedulers send the same one to a process and to its parent, which passes it on.
 */
export function onInterrupt(
  drain: () => void,
  leave?: (signal: NodeJS.Signals) => void,
): { readonly code: () => number | null; dispose(): void } {
  let received: NodeJS.Signals | null = null;
  const statusOf = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT') return exitCodes.interrupted;
    return signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.again;
  };
  const handle = (signal: NodeJS.Signals): void => {
    if (received !== null) process.exit(statusOf(signal));
    received = signal;
    drain();
  };
  const notice = (signal: NodeJS.Signals): void => {
    if (received !== null) return;
    received = signal;
    leave?.(signal);
  };
  const handlers = new Map<NodeJS.Signals, (signal: NodeJS.Signals) => void>(
    leave ? notices.map((signal) => [signal, notice]) : [['SIGTERM', handle]],
  ).set('SIGINT', handle);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return {
    code: () => (received === null ? null : statusOf(received)),
    dispose() {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}

/**
 * Handles a stdout that can no longer be written: its reader exited, as with `| head`, or the disk is full.
 *
 * A command that only prints then exits: silently if the reader exited, with a message if output is lost. A command that
 * runs a search continues and says so once.
 */

let survivesOutput = false;

/** From now on this process continues without stdout; called by commands that run a search. */
export function outliveOutput(): void {
  survivesOutput = true;
}

/** Handles errors of stdout, which Node would otherwise throw. */
export function watchOutput(stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): void {
  let reported = false;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    const readerExited = error.code === 'EPIPE';
    if (survivesOutput) {
      if (!reported)
        stderr.write(
          `aira: ${readerExited ? 'the reader of the output has exited' : error.message}; the search continues\n`,
        );
      reported = true;
      return;
    }
    if (!readerExited) stderr.write(`aira: the output cannot be written: ${error.message}\n`);
    process.exit(readerExited ? exitCodes.ok : exitCodes.failed);
  });
  // There is no channel left to report this on.
  stderr.on('error', () => undefined);
}
