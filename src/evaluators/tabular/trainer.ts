import { parseInSpace, type StackSpec, versionOver } from '../../domain/architecture.ts';
import { TerminalError } from '../../domain/errors.ts';
import { evaluationKey, type Job, type Outcome } from '../../domain/evaluation.ts';
import { contentHash, type Json } from '../../domain/json.ts';
import type { RungSettings } from '../../domain/task.ts';
import type { NativeWorker } from '../stacks/nativeWorker.ts';
import type { TableProvenance } from './table.ts';

/** The subject of a table. */
export interface TableTrainerOptions {
  readonly task: string;
  readonly profile: string;
  readonly rung: 'screen';
  readonly space: StackSpec;
  readonly settings: RungSettings;
}

/** Factor on the profile's training time: machines differ, and shared ones more so. */
const timeoutFactor = 40;

/** Starts the trainer; returns the provenance of its scores, and a function that trains one candidate. */
export async function tableTrainer(options: TableTrainerOptions, native: NativeWorker) {
  const { task, profile, rung, space, settings } = options;
  const hello = await native.start();
  const evaluator = versionOver(space, hello.evaluator);
  const provenance: TableProvenance = {
    task,
    profile,
    rung,
    space,
    settings: settings.settings,
    evaluator,
    torch: hello.torch,
    python: hello.python,
    device: hello.deviceName,
  };
  const train = async (candidate: string, seed: number, signal: AbortSignal): Promise<Outcome> => {
    const job: Omit<Job, 'key'> = {
      task,
      taskVersion: contentHash({ space, settings: settings.settings as Json }).slice(0, 16),
      evaluator,
      deviceClass: 'cpu',
      rung,
      settings: settings.settings,
      lowerIsBetter: false,
      space: { kind: 'stack', ...space },
      candidate: { kind: 'stack', architecture: [...parseInSpace(candidate, space)] },
      seed,
      measure: 'validation',
      timeoutSeconds: timeoutFactor * settings.seconds,
    };
    let outcome: Outcome | null = null;
    const handlers = {
      signal,
      onOutcome: (_: unknown, each: Outcome) => {
        outcome = each;
      },
    };
    await native.evaluate([{ ...job, key: evaluationKey(job) }], handlers);
    if (!outcome) throw new TerminalError('no-outcome', 'the trainer ended without an outcome');
    return outcome;
  };
  return { provenance, train };
}
