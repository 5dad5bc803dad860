import { AiraError, errorMessage, RetryableError } from '../../domain/errors.ts';
import type { Outcome } from '../../domain/evaluation.ts';
import type { EvaluationKey } from '../../domain/ids.ts';
import type { EvaluatorHello } from '../../evaluators/index.ts';
import { failpoint } from '../../platform/failpoint.ts';
import { pause } from '../../platform/timers.ts';
import { held } from '../held.ts';
import type { WorkerParts } from './parts.ts';
import type { Outcomes, Taken } from './taken.ts';

/** A trainer that dies while it starts may have been short of memory; one that does so again and again is broken. */
const startTries = 3;

async function retrying<T>(action: () => Promise<T>, { timers, log }: WorkerParts, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await action();
    } catch (thrown) {
      if (!(thrown instanceof RetryableError) || tries === startTries) throw thrown;
      log.warn({ error: errorMessage(thrown) }, 'the trainer did not start; trying again');
      await pause(timers, thrown.retryAfterMs, signal);
    }
  }
}

/** Starts the evaluators, one after the other: starting takes memory and processor time, and the device is one. */
export async function startEvaluators(parts: WorkerParts, signal: AbortSignal): Promise<EvaluatorHello[]> {
  const hellos: EvaluatorHello[] = [];
  for (const evaluator of parts.evaluators.values()) {
    hellos.push(await retrying(() => evaluator.start(), parts, signal));
  }
  return hellos;
}

/** Has the jobs trained together. `onShare` is told now and then how much of the training is done, 0 to 1. */
export async function train(
  parts: WorkerParts,
  jobs: readonly Taken[],
  onShare: (share: number) => void,
  signal: AbortSignal,
): Promise<Outcomes> {
  failpoint('train.before-start');
  const outcomes = new Map<EvaluationKey, Outcome>();
  const own = jobs.map(({ delivery }) => delivery.job);
  const evaluator = held(parts.evaluators.get(held(own[0] ?? null).candidate.kind) ?? null);
  const handlers = {
    signal,
    onOutcome: (key: EvaluationKey, outcome: Outcome) => void outcomes.set(key, outcome),
    onProgress: ({ step, steps }: { step: number; steps: number }) => onShare(Math.min(1, step / steps)),
  };
  await retrying(() => evaluator.evaluate(own, handlers), parts, signal);
  if (outcomes.size < own.length) throw new AiraError('no-outcome', 'the trainer ended without an outcome');
  failpoint('train.after-end');
  return outcomes;
}
