/**
 * Rehearsals: short trainings of candidates that agents try out before they propose.
 *
 * Role: runs them one at a time, each within its limit, on the device of the agent's process. Non-role: whether one may run and
 * what it costs (the archive), what an agent is shown of it (agents).
 *
 * RHS-1. A rehearsal sees training rows only: it scores on rows that it sets apart from them, never on the evaluator's.
 * RHS-2. When `rehearse` settles, nothing of the candidate or the script runs. Nothing runs longer than `limitSeconds`.
 * RHS-3. Whatever a candidate or a script does ends as a failure with a reason. Errors of the machine are thrown.
 * RHS-4. Untrusted code runs in the sandbox of the evaluator, with its limits.
 */

import type { SpaceKind } from '../../domain/candidate.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { Rehearsal, Rehearsed, Rehearsing, Stage } from '../../domain/rehearsal.ts';
import { cut, printable } from '../../platform/index.ts';
import type { EvaluatorOptions } from '../openEvaluator.ts';
import { ProgramRehearsals } from './programs.ts';
import { StackRehearsals } from './stacks.ts';

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

class Rehearsals implements Rehearsing {
  readonly #options: EvaluatorOptions;
  readonly #runners = new Map<SpaceKind, RehearsalRunner>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: EvaluatorOptions) {
    this.#options = options;
  }

  #runnerFor(kind: SpaceKind): RehearsalRunner {
    const known = this.#runners.get(kind);
    if (known) return known;
    if (kind === 'scale') throw new PrerequisiteError('rehearsal', 'a scale plan has no agents', 'launch a search');
    const runner = kind === 'program' ? new ProgramRehearsals(this.#options) : new StackRehearsals(this.#options);
    this.#runners.set(kind, runner);
    return runner;
  }

  rehearse(stage: Stage, rehearsal: Rehearsal, signal: AbortSignal): Promise<Rehearsed> {
    const run = this.#last.then(async () => {
      signal.throwIfAborted();
      return this.#within(stage, rehearsal, signal);
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #within(stage: Stage, rehearsal: Rehearsal, signal: AbortSignal): Promise<Rehearsed> {
    const over = new AbortController();
    const { timers } = this.#options;
    const { limitSeconds } = rehearsal;
    let cancel = () => {};
    const started = () => {
      cancel = timers.after(limitSeconds * 1000, () => over.abort());
    };
    try {
      const runner = this.#runnerFor(stage.space.kind);
      const found = await runner.run(stage, rehearsal, started, AbortSignal.any([signal, over.signal]));
      signal.throwIfAborted();
      if (!over.signal.aborted) return found;
      return failedRehearsal('timeout', `it was ended after its ${limitSeconds} s`, limitSeconds);
    } finally {
      cancel();
    }
  }

  async close(): Promise<void> {
    await this.#last;
    for (const runner of this.#runners.values()) await runner.close();
  }
}

/** Opens the place where the agents of this process rehearse. Nothing starts before the first rehearsal. */
export const openRehearsals = (options: EvaluatorOptions): Rehearsing => new Rehearsals(options);
