import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createActor, toPromise } from 'xstate';
import { workerMachine } from '../../src/actors/worker/machine.ts';
import type { WorkerParts } from '../../src/actors/worker/parts.ts';
import type { Bus, Handlers, NatsServer } from '../../src/bus/index.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import type { EvaluationResult, Job, Outcome } from '../../src/domain/evaluation.ts';
import { type EvaluationKey, workerIdSchema } from '../../src/domain/ids.ts';
import { requests, type Verb } from '../../src/domain/messages.ts';
import type { Evaluator } from '../../src/evaluators/index.ts';
import { type Clock, systemClock } from '../../src/platform/clock.ts';
import { deferred } from '../../src/platform/deferred.ts';
import { systemTimers } from '../../src/platform/timers.ts';
import { job, laboratory, quiet, until } from '../bus/support.ts';

const lab = laboratory();
let server: NatsServer;
let bus: Bus;
let archive: Bus;
beforeAll(async () => {
  server = await lab.server();
  bus = await lab.bus(server);
  archive = await lab.bus(server);
});
beforeEach(async () => {
  await bus.deleteAllStreams();
  await bus.ensureStreams();
});
afterAll(() => lab.clear());

const refuse = () => {
  throw new TerminalError('not-here', 'this archivist does not do that');
};

const failed = (message: string): Outcome => ({ status: 'failed', reason: 'nan', message, seconds: 1, device: 'cpu' });

/** Handlers of which all but the given ones refuse. */
function handlers(some: Partial<Handlers>): Handlers {
  const all = Object.fromEntries((Object.keys(requests) as Verb[]).map((verb) => [verb, refuse]));
  return { ...all, ...some } as Handlers;
}

/** An evaluator that keeps what it was given, request by request. */
function recording(populationSize: number, seen: Job[][]): Evaluator {
  return {
    start: async () => ({ evaluator: 'torch-1', device: 'cpu', deviceName: 'test', populationSize }),
    async evaluate(jobs, { onOutcome }) {
      seen.push([...jobs]);
      for (const { key, seed } of jobs) onOutcome(key, failed(`seed ${seed}`));
    },
    stop: async () => undefined,
  };
}

/** What the archivist's side of a test sees; it says of all but the unwanted jobs that they are wanted. */
async function archivist(unwanted: readonly Job[] = []) {
  const claimed: EvaluationKey[] = [];
  const results: EvaluationResult[] = [];
  const service = await archive.serve(
    handlers({
      'job-claim': ({ key }) => {
        claimed.push(key);
        return unwanted.some((each) => each.key === key)
          ? { go: false, reason: 'done' }
          : { go: true, reason: 'wanted' };
      },
    }),
  );
  const consuming = await archive.consumeResults('test', (result) => {
    results.push(result);
    return 'ack';
  });
  const stop = async () => {
    await consuming.stop();
    await service.stop();
  };
  return { claimed, results, stop };
}

function worker(evaluator: Evaluator, parts: Partial<WorkerParts> = {}) {
  const own = { id: workerIdSchema.parse('worker-1'), deviceClass: 'cpu', evaluators: new Map([['stack', evaluator]]) };
  const common = { bus, clock: systemClock, timers: systemTimers, log: quiet, heartbeatMs: 1000 };
  const actor = createActor(workerMachine({ ...own, ...common, ...parts } as WorkerParts));
  actor.start();
  return actor;
}

const isEmpty = async () => (await bus.inspectWork()).entries.length === 0;

/** Runs a worker until so many results have come; answers what was trained together, and the results. */
async function work(populationSize: number, jobs: readonly Job[], unwanted: readonly Job[] = []) {
  const seen: Job[][] = [];
  const { results, stop } = await archivist(unwanted);
  for (const each of jobs) await bus.publishJob('cpu', each, each.key);
  const actor = worker(recording(populationSize, seen));
  await until(() => results.length === jobs.length - unwanted.length);
  actor.send({ type: 'DRAIN' });
  await toPromise(actor);
  await until(isEmpty);
  await stop();
  return { seen, results };
}

/** An evaluator whose trainings end when the test says so, and a clock that stands still until the test moves it. */
function atHand() {
  const trainings: { seed: number; say: (share: number) => void; end: () => void }[] = [];
  const evaluator: Evaluator = {
    start: async () => ({ evaluator: 'torch-1', device: 'cpu', deviceName: 'test' }),
    async evaluate([one], { onOutcome, onProgress }) {
      if (!one) return;
      const ending = deferred<void>();
      const say = (share: number) => onProgress?.({ key: one.key, step: share * 100, steps: 100, score: null });
      trainings.push({ seed: one.seed, say, end: ending.resolve });
      await ending.promise;
      onOutcome(one.key, failed(`seed ${one.seed}`));
    },
    stop: async () => undefined,
  };
  let now = 0;
  const clock: Clock = { now: () => now, monotonic: () => now };
  const at = async (place: number) => {
    await until(() => trainings.length > place);
    return trainings[place] as (typeof trainings)[number];
  };
  return {
    evaluator,
    clock,
    at,
    pass: (seconds: number) => {
      now += 1000 * seconds;
    },
    begun: () => trainings.length,
  };
}

describe('a worker whose evaluator trains populations', () => {
  it('takes what the queue has of jobs that go together, and answers each under its own attempt', async () => {
    const { seen, results } = await work(4, [1, 2, 3, 4, 5].map(job));
    expect(seen.map((population) => population.map(({ seed }) => seed))).toEqual([[1, 2, 3, 4], [5]]);
    expect(results.map(({ key, attempt }) => [key, attempt])).toEqual([1, 2, 3, 4, 5].map((n) => [job(n).key, n]));
    for (const { outcome, key } of results) {
      const own = [1, 2, 3, 4, 5].find((n) => job(n).key === key);
      expect(outcome).toEqual(failed(`seed ${own}`));
    }
  });

  it('trains jobs with other settings apart', async () => {
    const other = { ...job(3), settings: { steps: 99 } };
    const { seen } = await work(4, [job(1), job(2), other, job(4)]);
    expect(seen[0]?.map(({ seed }) => seed)).toEqual([1, 2]);
    for (const population of seen) expect(new Set(population.map(({ settings }) => settings.steps)).size).toBe(1);
    expect(
      seen
        .flat()
        .map(({ seed }) => seed)
        .sort(),
    ).toEqual([1, 2, 3, 4]);
  });

  it('leaves out what nobody wants any more', async () => {
    const { seen } = await work(4, [1, 2, 3].map(job), [job(2)]);
    expect(seen.map((population) => population.map(({ seed }) => seed))).toEqual([[1, 3]]);
  });
});

describe('a worker whose evaluator trains one candidate at a time', () => {
  it('takes one job at a time', async () => {
    const { seen } = await work(1, [1, 2, 3].map(job));
    expect(seen.map((population) => population.length)).toEqual([1, 1, 1]);
  });
});

describe('a worker that looks ahead', () => {
  it('has the next job at hand before a training ends, and claims it when that is reported', async () => {
    const { evaluator, clock, at, pass } = atHand();
    const { results, stop } = await archivist();
    for (const each of [1, 2].map(job)) await bus.publishJob('cpu', each, each.key);
    const steps: string[] = [];
    const noting = <A extends unknown[], R>(step: string, action: (...given: A) => R) => {
      return (...given: A): R => {
        steps.push(step);
        return action(...given);
      };
    };
    const takeJob: Bus['takeJob'] = async (...given) => {
      const delivery = await bus.takeJob(...given);
      if (delivery) steps.push('take');
      return delivery;
    };
    const [ask, publishResult] = [noting('claim', bus.ask), noting('publish', bus.publishResult)];
    const actor = worker(evaluator, { clock, bus: { ...bus, takeJob, ask, publishResult } });
    const first = await at(0);
    pass(9.2);
    first.say(0.92);
    await until(() => actor.getSnapshot().matches({ working: { intake: 'ready' } }));
    first.end();
    const second = await at(1);
    expect([second.seed, ...steps]).toEqual([2, 'take', 'claim', 'take', 'publish', 'claim']);
    second.end();
    await until(() => results.length === 2);
    expect(results.map(({ key, attempt }) => [key, attempt])).toEqual([1, 2].map((n) => [job(n).key, n]));
    actor.send({ type: 'DRAIN' });
    await toPromise(actor);
    await stop();
  });

  it('leaves the next job to others while the end of a training is far', async () => {
    const { evaluator, clock, at, pass } = atHand();
    const { claimed, results, stop } = await archivist();
    for (const each of [1, 2].map(job)) await bus.publishJob('cpu', each, each.key);
    const actor = worker(evaluator, { clock });
    const first = await at(0);
    pass(9.2);
    first.say(0.8);
    const other = worker(recording(1, []), { id: workerIdSchema.parse('worker-2') });
    await until(() => results.length === 1);
    expect(results[0]).toMatchObject({ key: job(2).key, worker: 'worker-2' });
    first.end();
    await until(() => results.length === 2);
    expect(claimed).toEqual([job(1).key, job(2).key]);
    for (const each of [actor, other]) {
      each.send({ type: 'DRAIN' });
      await toPromise(each);
    }
    await stop();
  });

  it('trains no job a second time that comes again while it is in training', async () => {
    const { evaluator, clock, at, pass, begun } = atHand();
    const { claimed, results, stop } = await archivist();
    await bus.publishJob('cpu', job(1), 'first');
    const actor = worker(evaluator, { clock });
    const first = await at(0);
    await bus.publishJob('cpu', job(1), 'again');
    pass(9.2);
    first.say(0.92);
    // The other message is handed back for a while, which the queue counts as held.
    await until(async () => (await bus.inspectWork()).classes.cpu.held === 2);
    expect([claimed.length, begun()]).toEqual([1, 1]);
    first.end();
    await until(() => results.length === 1);
    actor.send({ type: 'STOP' });
    await toPromise(actor);
    await stop();
  });

  it('that drains reports what is in training and hands back what it has at hand', async () => {
    const { evaluator, clock, at, pass, begun } = atHand();
    const { claimed, results, stop } = await archivist();
    for (const each of [1, 2].map(job)) await bus.publishJob('cpu', each, each.key);
    const actor = worker(evaluator, { clock });
    const first = await at(0);
    pass(9.2);
    first.say(0.92);
    await until(() => actor.getSnapshot().matches({ working: { intake: 'ready' } }));
    actor.send({ type: 'DRAIN' });
    first.end();
    await toPromise(actor);
    expect([claimed.length, begun()]).toEqual([1, 1]);
    await until(() => results.length === 1);
    const again = worker(recording(1, []), { id: workerIdSchema.parse('worker-2') });
    await until(() => results.length === 2);
    expect(results.map(({ key }) => key)).toEqual([job(1).key, job(2).key]);
    again.send({ type: 'DRAIN' });
    await toPromise(again);
    await stop();
  });
});
