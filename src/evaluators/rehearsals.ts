import type { SpaceKind } from '../domain/candidate.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import type { Rehearsal, Rehearsed, Rehearsing, Stage } from '../domain/rehearsal.ts';
import type { DeviceClass } from '../domain/task.ts';
import { chooseDevices, type Device, inspectMachine } from '../platform/index.ts';
import type { EvaluatorOptions } from './openEvaluator.ts';
import { ProgramRehearsals } from './rehearsal/programs.ts';
import { StackRehearsals } from './rehearsal/stacks.ts';
import { failedRehearsal, type RehearsalRunner } from './rehearsalRunner.ts';

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

/** As of a worker; the device is chosen when it is first needed. */
type RehearsalOptions = Omit<EvaluatorOptions, 'device' | 'scale'> & {
  /** Default: a device of this machine of the search's class. */
  readonly device?: Device;
};

class Rehearsals implements Rehearsing {
  readonly #options: RehearsalOptions;
  readonly #runners = new Map<SpaceKind, RehearsalRunner>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: RehearsalOptions) {
    this.#options = options;
  }

  async #runnerFor({ space: { kind }, deviceClass }: Stage): Promise<RehearsalRunner> {
    const known = this.#runners.get(kind);
    if (known) return known;
    if (kind === 'scale') throw new PrerequisiteError('rehearsal', 'a scale plan has no agents', 'launch a search');
    const options = { ...this.#options, device: await this.#device(deviceClass) };
    const runner = kind === 'program' ? new ProgramRehearsals(options) : new StackRehearsals(options);
    this.#runners.set(kind, runner);
    return runner;
  }

  /** A device on which figures are comparable with the search's. @throws PrerequisiteError without one. */
  async #device(deviceClass: DeviceClass): Promise<Device> {
    const { device, python } = this.#options;
    const found = device ? [device] : chooseDevices('auto', await inspectMachine(python));
    const fitting = found.find((each) => each.class === deviceClass);
    if (fitting) return fitting;
    const remedy = 'run its agents where there is one, or use single-turn operators';
    throw new PrerequisiteError('rehearsal', `this machine has no ${deviceClass} device for experiments`, remedy);
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
      const runner = await this.#runnerFor(stage);
      const found = await runner.run(stage, rehearsal, started, AbortSignal.any([signal, over.signal]));
      signal.throwIfAborted();
      // A script that timed out says what it had printed.
      if (!over.signal.aborted || (found.status === 'failed' && found.reason === 'timeout')) return found;
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
export const openRehearsals = (options: RehearsalOptions): Rehearsing => new Rehearsals(options);
