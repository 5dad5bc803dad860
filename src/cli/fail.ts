import pc from 'picocolors';
import { AiraError, PrerequisiteError, toError } from '../domain/errors.ts';

/** Exit statuses, as documented in the README. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  noValidNode: 3,
  agentLost: 4,
  interrupted: 130,
  terminated: 143,
} as const;

/**
 * Says what went wrong and answers the exit status. A prerequisite is one sentence with its remedy and no stack; anything
 * that was not foreseen keeps its stack, because somebody will have to find it.
 */
export function report(thrown: unknown): number {
  const error = toError(thrown);
  if (error instanceof PrerequisiteError) {
    process.stderr.write(`${pc.red('aira:')} ${error.message}\n${pc.dim('  remedy:')} ${error.remedy}\n`);
    return exitCodes.usage;
  }
  if (error instanceof AiraError) {
    process.stderr.write(`${pc.red('aira:')} ${error.message}\n`);
    return exitCodes.failed;
  }
  process.stderr.write(`${pc.red('aira: unexpected error')}\n${error.stack ?? error.message}\n`);
  return exitCodes.failed;
}
