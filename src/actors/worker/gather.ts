import { RetryableError } from '../../domain/errors.ts';
import { batchKey, type EvaluatorHello } from '../../evaluators/index.ts';
import { patiently } from '../patiently.ts';
import type { WorkerParts } from './parts.ts';
import type { Taken } from './taken.ts';

/** How long to wait for each companion of a population: long enough for what is in the queue, too short to matter. */
const companionMs = 250;
const retryMs = 1000;

export interface Gathering {
  readonly first: Taken;
  readonly hellos: readonly EvaluatorHello[];
  /** What the worker has in its hands already: a job may come again when its first delivery was too slow for the queue. */
  readonly holding: readonly Taken[];
}

/**
 * What may be trained together with a job: that job, and for an evaluator that trains populations what the queue has at
 * this moment of jobs that go with it (`batchKey`). Empty where the job is not for this worker, or in its hands already. What
 * is not in the answer has been handed back.
 */
export async function gather(
  { deviceClass, bus, evaluators, timers, log }: WorkerParts,
  { first, hellos, holding }: Gathering,
  signal: AbortSignal,
): Promise<readonly Taken[]> {
  const patience = { signal, timers, log };
  const isHeld = ({ job }: Taken['delivery'], by: readonly Taken[]): boolean =>
    by.some(({ delivery }) => delivery.job.key === job.key);

  const { evaluator, candidate } = first.delivery.job;
  const hello = hellos.find((each) => each.evaluator === evaluator);
  const isForeign = !evaluators.has(candidate.kind) || !hello;
  if (isForeign)
    log.warn({ job: evaluator, worker: hellos.map((each) => each.evaluator) }, 'a job for another evaluator');
  if (isForeign || isHeld(first.delivery, holding)) {
    await patiently(() => first.delivery.nak(retryMs), patience);
    return [];
  }
  const population = [first];
  while (population.length < (hello.populationSize ?? 1)) {
    const delivery = await bus.takeJob(deviceClass, { signal, expiresMs: companionMs }).catch((thrown) => {
      if (thrown instanceof RetryableError) return null;
      throw thrown;
    });
    if (!delivery) break;
    for (const each of population) each.delivery.working();
    const isCompanion = batchKey(delivery.job) === batchKey(first.delivery.job);
    if (!isCompanion || isHeld(delivery, [...holding, ...population])) {
      await patiently(() => delivery.nak(isCompanion ? retryMs : 0), patience);
      break;
    }
    population.push({ delivery, attempt: first.attempt + population.length });
  }
  // A worker that stops meanwhile hands back what it holds; it knows of the first only.
  if (signal.aborted)
    await Promise.all(population.slice(1).map(({ delivery }) => delivery.nak(0).catch(() => undefined)));
  return population;
}
