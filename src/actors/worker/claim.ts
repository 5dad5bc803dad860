import { RetryableError } from '../../domain/errors.ts';
import { batchKey, type EvaluatorHello } from '../../evaluators/index.ts';
import { failpoint } from '../../platform/failpoint.ts';
import { patiently } from '../patiently.ts';
import type { WorkerParts } from './parts.ts';
import type { Taken } from './taken.ts';

/** How long to wait for each companion of a population: long enough for what is in the queue, too short to matter. */
const companionMs = 250;
const retryMs = 1000;

export interface Claim {
  readonly first: Taken;
  readonly hellos: readonly EvaluatorHello[];
  /** What the worker has in its hands already: a job may come again when its first delivery was too slow for the queue. */
  readonly holding: readonly Taken[];
}

/**
 * What is trained next, given its first job: that job if it is still wanted, and for an evaluator that trains populations
 * what the queue has at this moment of jobs that go with it (`batchKey`). Empty where the first is not wanted, or not for
 * this worker. What is not in the answer has been acknowledged or handed back.
 */
export async function claim(
  { id, deviceClass, bus, evaluators, timers, log }: WorkerParts,
  { first, hellos, holding }: Claim,
  signal: AbortSignal,
): Promise<readonly Taken[]> {
  const patience = { signal, timers, log };

  const wanted = async ({ delivery, attempt }: Taken): Promise<boolean> => {
    failpoint('worker.before-claim');
    const request = { key: delivery.job.key, worker: id, attempt };
    const { go } = await patiently(() => bus.ask('job-claim', request), patience);
    if (!go) await patiently(() => delivery.ack(), patience);
    failpoint('worker.after-claim');
    return go;
  };

  const isHeld = ({ job }: Taken['delivery'], by: readonly Taken[]): boolean =>
    by.some(({ delivery }) => delivery.job.key === job.key);

  const { evaluator, candidate } = first.delivery.job;
  const hello = hellos.find((each) => each.evaluator === evaluator);
  if (!evaluators.has(candidate.kind) || !hello) {
    log.warn({ job: evaluator, worker: hellos.map((each) => each.evaluator) }, 'a job for another evaluator');
    await patiently(() => first.delivery.nak(retryMs), patience);
    return [];
  }
  if (isHeld(first.delivery, holding)) {
    await patiently(() => first.delivery.nak(retryMs), patience);
    return [];
  }
  const population = (await wanted(first)) ? [first] : [];
  let attempt = first.attempt;
  while (population.length > 0 && population.length < (hello.populationSize ?? 1)) {
    const delivery = await bus.takeJob(deviceClass, { signal, expiresMs: companionMs }).catch((thrown) => {
      if (thrown instanceof RetryableError) return null;
      throw thrown;
    });
    if (!delivery) break;
    for (const each of population) each.delivery.working();
    if (batchKey(delivery.job) !== batchKey(first.delivery.job)) {
      await patiently(() => delivery.nak(0), patience);
      break;
    }
    attempt += 1;
    if (isHeld(delivery, [...holding, ...population])) {
      await patiently(() => delivery.nak(retryMs), patience);
      break;
    }
    if (await wanted({ delivery, attempt })) population.push({ delivery, attempt });
  }
  // A worker that stops meanwhile hands back what it holds; it knows of the first only.
  if (signal.aborted)
    await Promise.all(population.slice(1).map(({ delivery }) => delivery.nak(0).catch(() => undefined)));
  return population;
}
