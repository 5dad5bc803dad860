import { exitCodes } from './fail.ts';

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
