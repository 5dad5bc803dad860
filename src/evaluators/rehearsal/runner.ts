import type { Rehearsal, Rehearsed, Stage } from '../../domain/rehearsal.ts';
import { cut, printable } from '../../platform/index.ts';
import { openSandbox, type Sandbox } from '../../sandbox/index.ts';
import type { EvaluatorOptions } from '../openEvaluator.ts';

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

/** Opens the sandbox when it is first needed, and again after a failure. */
export function sandboxOnce(options: EvaluatorOptions): () => Promise<Sandbox> {
  let opened: Promise<Sandbox> | null = null;
  return () => {
    opened ??= openSandbox(options).catch((thrown) => {
      opened = null;
      throw thrown;
    });
    return opened;
  };
}
