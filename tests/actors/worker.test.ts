import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createActor, toPromise } from 'xstate';
import { workerMachine } from '../../src/actors/worker.ts';
import { durations, type Stay } from '../../src/actors/workerSteps.ts';
import type { Bus, Handlers, NatsServer } from '../../src/bus/index.ts';
import { AiraError, TerminalError } from '../../src/domain/errors.ts';
import type { EvaluationResult, Job, Outcome } from '../../src/domain/evaluation.ts';
import { workerIdSchema } from '../../src/domain/ids.ts';
import { requests, type Verb } from '../../src/domain/messages.ts';
import type { EvaluateHandlers, Evaluator } from '../../src/evaluators/index.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
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

/** Runs a worker until so many results have come; answers what was trained together, and the results. */
async function work(populationSize: number, jobs: readonly Job[], unwanted: readonly Job[] = []) {
  const seen: Job[][] = [];
  const results: EvaluationResult[] = [];
  const service = await archive.serve(
    handlers({
      'job-claim': ({ key }) =>
        unwanted.some((each) => each.key === key) ? { go: false, reason: 'done' } : { go: true, reason: 'wanted' },
    }),
  );
  const consuming = await archive.consumeResults('test', (result) => {
    results.push(result);
    return 'ack';
  });
  for (const each of jobs) await bus.publishJob('cpu', each, each.key);
  const machine = workerMachine({
    id: workerIdSchema.parse('worker-1'),
    deviceClass: 'cpu',
    bus,
    evaluators: new Map([['stack', recording(populationSize, seen)]]),
    clock: systemClock,
    timers: systemTimers,
    log: quiet,
    newToken: () => 'a token for each claim',
    heartbeatMs: 1000,
  });
  const actor = createActor(machine);
  actor.start();
  await until(() => results.length === jobs.length - unwanted.length);
  actor.send({ type: 'DRAIN' });
  await toPromise(actor);
  await until(async () => (await bus.inspectWork()).entries.length === 0);
  await consuming.stop();
  await service.stop();
  return { seen, results };
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

describe('a job that cannot be trained', () => {
  it('has that as its outcome, and the worker continues with the next (WRK-5)', async () => {
    const results: EvaluationResult[] = [];
    const service = await archive.serve(handlers({ 'job-claim': () => ({ go: true, reason: 'wanted' }) }));
    const consuming = await archive.consumeResults('test', (result) => {
      results.push(result);
      return 'ack';
    });
    const troubled: Evaluator = {
      start: async () => ({ evaluator: 'torch-1', device: 'cpu', deviceName: 'test' }),
      async evaluate([one], { onOutcome }) {
        if (one?.seed === 1) throw new AiraError('design-prepare', 'preparing the data of this job failed');
        // The second says nothing at all.
        if (one?.seed === 3) onOutcome(one.key, failed('trained'));
      },
      stop: async () => undefined,
    };
    for (const seed of [1, 2, 3]) await bus.publishJob('cpu', job(seed), job(seed).key);
    const actor = createActor(
      workerMachine({
        ...{
          id: workerIdSchema.parse('worker-1'),
          deviceClass: 'cpu',
          bus,
          clock: systemClock,
          timers: systemTimers,
          log: quiet,
        },
        ...{ evaluators: new Map([['stack', troubled]]), heartbeatMs: 1000, newToken: () => 'a token for each claim' },
      }),
    );
    actor.start();
    await until(() => results.length === 3);
    actor.send({ type: 'DRAIN' });
    await toPromise(actor);
    expect(actor.getSnapshot().context.error).toBeNull();
    expect(results.map(({ outcome }) => outcome)).toMatchObject([
      { status: 'failed', reason: 'lost', message: 'preparing the data of this job failed' },
      { status: 'failed', reason: 'lost', message: 'the trainer ended without an outcome' },
      { status: 'failed', reason: 'nan', message: 'trained' },
    ]);
    await consuming.stop();
    await service.stop();
  });
});

describe('a worker whose evaluator trains one candidate at a time', () => {
  it('takes one job at a time', async () => {
    const { seen } = await work(1, [1, 2, 3].map(job));
    expect(seen.map((population) => population.length)).toEqual([1, 1, 1]);
  });
});

describe('runs at scale', () => {
  it('a small worker leaves to a larger one what it has not declared, and reports checkpoints under its claim (WRK-4, WRK-6)', async () => {
    const asked: { verb: string; worker: string; key: string; token: string | undefined }[] = [];
    const results: EvaluationResult[] = [];
    const service = await archive.serve(
      handlers({
        'job-claim': ({ worker, key }, { token }) => {
          asked.push({ verb: 'claim', worker, key, token });
          return { go: true, reason: 'wanted' };
        },
        'job-checkpoint': ({ worker, key }, { token }) => {
          asked.push({ verb: 'checkpoint', worker, key, token });
          return { recorded: true };
        },
      }),
    );
    const consuming = await archive.consumeResults('test', (result) => {
      results.push(result);
      return 'ack';
    });
    const checkpoint = { path: '/storage/trunk-1', step: 1, bytes: 1, sha256: 'a'.repeat(64) };
    const declaring = (devices: number): Evaluator => ({
      start: async () => ({ evaluator: 'torch-1', device: 'cpu', deviceName: 'test' }),
      refuses: ({ resources }) => ((resources?.devices ?? 1) > devices ? 'too many devices' : null),
      async evaluate([one], { onOutcome, onCheckpoint }) {
        if (!one) return;
        onCheckpoint?.(one.key, checkpoint);
        onOutcome(one.key, failed('trained'));
      },
      stop: async () => undefined,
    });
    const start = (name: string, devices: number) => {
      const actor = createActor(
        workerMachine({
          id: workerIdSchema.parse(name),
          deviceClass: 'cpu',
          bus,
          evaluators: new Map([['stack', declaring(devices)]]),
          clock: systemClock,
          timers: systemTimers,
          log: quiet,
          newToken: () => `a token of ${name}`,
          heartbeatMs: 1000,
        }),
      );
      actor.start();
      return actor;
    };
    const resources = {
      devices: 8,
      parallel: 'fsdp',
      memoryBytes: 1,
      seconds: 1,
      checkpointSeconds: 1,
      peakFlops: 0,
    } as const;
    const large = { ...job(1), resources };
    await bus.publishJob('cpu', large, large.key);
    await bus.publishJob('cpu', job(2), job(2).key);
    const small = start('small-1', 1);
    // The large job came first: the small worker has seen it and trains what is behind it.
    await until(() => results.length === 1);
    expect(asked.map(({ worker, key }) => [worker, key])).not.toContainEqual(['small-1', large.key]);
    const big = start('big-1', 8);
    await until(() => results.length === 2 && asked.length === 4);
    expect(results.map(({ worker, key }) => [worker, key])).toEqual([
      ['small-1', job(2).key],
      ['big-1', large.key],
    ]);
    for (const { verb, worker, token } of asked) {
      expect(['claim', 'checkpoint']).toContain(verb);
      expect(token).toBe(`a token of ${worker}`);
    }
    for (const actor of [small, big]) {
      actor.send({ type: 'DRAIN' });
      await toPromise(actor);
    }
    await consuming.stop();
    await service.stop();
  });
});

/** Timers that run when the test says so. */
function manualTimers() {
  const waiting = new Map<() => void, number>();
  const after = (ms: number, action: () => void) => {
    waiting.set(action, ms);
    return () => void waiting.delete(action);
  };
  const run = (action: () => void) => {
    waiting.delete(action);
    action();
  };
  return {
    waiting,
    timers: { after, every: systemTimers.every },
    elapse(ms: number): void {
      for (const [action, due] of [...waiting]) if (due === ms) run(action);
    },
  };
}

describe('a worker that has its machine for a time (WRK-7)', () => {
  /** A worker whose trainings last until the test ends them. */
  async function staying(stay: Stay, granted = true) {
    const asked: { verb: string; key: string; token: string | undefined }[] = [];
    const results: EvaluationResult[] = [];
    const note =
      (verb: string) =>
      (request: { key: string }, { token }: { token?: string }) => {
        asked.push({ verb, key: request.key, token });
        return verb === 'release' ? {} : { go: granted, reason: 'wanted' };
      };
    const service = await archive.serve(
      handlers({ 'job-claim': note('claim'), 'job-release': note('release') } as unknown as Partial<Handlers>),
    );
    const consuming = await archive.consumeResults('test', (result) => {
      results.push(result);
      return 'ack';
    });
    let running: { handlers: EvaluateHandlers; job: Job; end: () => void } | null = null;
    const evaluator: Evaluator = {
      start: async () => ({ evaluator: 'torch-1', device: 'cpu', deviceName: 'test' }),
      evaluate: (jobs, handlers) =>
        new Promise((resolve, reject) => {
          const [first] = jobs as [Job];
          const end = () => {
            handlers.onOutcome(first.key, failed('trained'));
            resolve();
          };
          running = { handlers, job: first, end };
          handlers.signal?.addEventListener('abort', () => reject(new TerminalError('worker-stopped', 'stopped')));
        }),
      stop: async () => undefined,
    };
    const manual = manualTimers();
    const actor = createActor(
      workerMachine({
        ...{ id: workerIdSchema.parse('worker-1'), deviceClass: 'cpu', bus, clock: systemClock, log: quiet, stay },
        ...{ timers: manual.timers, evaluators: new Map([['stack', evaluator]]), heartbeatMs: 1000 },
        newToken: () => 'a token of the claim',
      }),
    );
    actor.start();
    return {
      ...{ actor, asked, results, manual },
      training: () => until(() => running),
      end: async () => {
        await toPromise(actor);
        await consuming.stop();
        await service.stop();
        return actor.getSnapshot().context.departure;
      },
    };
  }

  it('returns a training that does not fit, says so to the archive, and another worker gets it', async () => {
    const { actor, asked, training, end } = await staying({});
    await bus.publishJob('cpu', job(1), job(1).key);
    const { handlers: its } = await training();
    its.onProgress?.({ key: job(1).key, step: 1, steps: 1_000_000, score: null });
    actor.send({ type: 'LEAVE', why: 'notice', withinMs: 9000 });
    expect(await end()).toBe('notice');
    expect(asked.map(({ verb, token }) => [verb, token])).toEqual([
      ['claim', 'a token of the claim'],
      ['release', 'a token of the claim'],
    ]);
    const again = await until(() => bus.takeJob('cpu', { expiresMs: 3000 }));
    expect(again.job.key).toBe(job(1).key);
    await again.ack();
  });

  it('finishes a training that fits, takes no other, and returns nothing', async () => {
    const { actor, asked, results, training, end, manual } = await staying({});
    await bus.publishJob('cpu', job(1), job(1).key);
    await bus.publishJob('cpu', job(2), job(2).key);
    const { handlers: its, end: finish } = await training();
    its.onProgress?.({ key: job(1).key, step: 999_999, steps: 1_000_000, score: null });
    actor.send({ type: 'LEAVE', why: 'notice', withinMs: 9000 });
    expect([...manual.waiting.values()]).toContain(6000);
    finish();
    expect(await end()).toBe('notice');
    expect(results.map(({ key }) => key)).toEqual([job(1).key]);
    expect(asked.map(({ verb }) => verb)).toEqual(['claim']);
    expect((await bus.inspectWork()).entries.map(({ key }) => key)).toEqual([job(2).key]);
  });

  it('returns at the end of the grace what was expected to fit and did not', async () => {
    const { actor, asked, training, end, manual } = await staying({});
    await bus.publishJob('cpu', job(1), job(1).key);
    await training();
    // Nothing is known of its length: it may fit.
    actor.send({ type: 'LEAVE', why: 'notice', withinMs: 9000 });
    manual.elapse(6000);
    expect(await end()).toBe('notice');
    expect(asked.map(({ verb }) => verb)).toEqual(['claim', 'release']);
  });

  it('leaves after the time without a training, for which refused jobs do not count', async () => {
    const { asked, end, manual, actor } = await staying({ maxIdleMs: 77_000, lifetimeMs: 500_000, graceMs: 10_000 });
    const resources = { devices: 1, parallel: 'none', memoryBytes: 1, checkpointSeconds: 1, peakFlops: 0 } as const;
    const long = { ...job(1), resources: { ...resources, seconds: 501 } };
    await bus.publishJob('cpu', long, long.key);
    await until(async () => (await bus.inspectWork()).classes.cpu.unacknowledged === 1);
    await until(() => actor.getSnapshot().matches('idle'));
    expect([...manual.waiting.values()].sort()).toEqual([490_000, 77_000]);
    manual.elapse(77_000);
    expect(await end()).toBe('idle');
    expect(asked).toEqual([]);
  });

  it('leaves when its lifetime ends', async () => {
    const { end, manual, actor } = await staying({ lifetimeMs: 500_000, graceMs: 10_000 });
    await until(() => actor.getSnapshot().matches('idle'));
    manual.elapse(490_000);
    expect(await end()).toBe('lifetime');
  });

  it('expects of a job what the longest of its kind took, of candidates and seeds alike', () => {
    const seen = durations();
    expect(seen.expected(job(1))).toBeNull();
    seen.add(job(1), 2000);
    seen.add(job(2), 5000);
    seen.add(job(3), 3000);
    expect(seen.expected(job(4))).toBe(5000);
    expect(seen.expected({ ...job(4), settings: { steps: 99 } })).toBeNull();
    expect(seen.fits(job(4), 0, 0, 9000)).toBe(true);
    expect(seen.fits(job(4), 0, 0, 7000)).toBe(false);
    expect(seen.fits(job(4), 1000, 0.5, 6000)).toBe(true);
    expect(seen.fits(job(4), 1000, 0.1, 9000)).toBe(false);
  });
});
