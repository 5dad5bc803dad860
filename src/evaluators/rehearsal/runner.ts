import type { Rehearsal, Rehearsed, Stage } from '../../domain/rehearsal.ts';
import { cut, printable } from '../../platform/index.ts';

/** What runs rehearsals of one kind of candidate. */
export interface RehearsalRunner {
  /** @param started is called when the device is in use: from then on the limit counts. */
  run(stage: Stage, rehearsal: Rehearsal, started: () => void, signal: AbortSignal): Promise<Rehearsed>;
  close(): Promise<void>;
}

const longestMessage = 4000;

/** A failure in a form that fits the archive. */
export const failedRehearsal = (
  reason: Extract<Rehearsed, { status: 'failed' }>['reason'],
  message: string,
  seconds: number,
): Rehearsed => {
  const text = cut(printable(message, { lines: true }).trim(), longestMessage);
  return { status: 'failed', reason, message: text, seconds };
};
