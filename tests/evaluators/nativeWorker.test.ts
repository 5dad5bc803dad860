/**
 * The native worker against a misbehaving child: one case for every way of ending. Long because the cases share one stage and
 * are read side by side; none is a concept of its own.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PrerequisiteError, TerminalError } from '../../src/domain/errors.ts';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import type { EvaluationKey } from '../../src/domain/ids.ts';
import {
  type EvaluateHandlers,
  type MemoryProbe,
  NativeWorker,
  type NativeWorkerOptions,
  procMemory,
  WorkerStartError,
} from '../../src/evaluators/index.ts';
import { key, manualOptions, standInCommand, standInJob } from './support/jobs.ts';
import { ManualTime } from './support/manualTime.ts';
import { isRunning } from './support/processes.ts';

let time: ManualTime;
let directory: string;
const workers: NativeWorker[] = [];

beforeEach(() => {
  time = new ManualTime();
  directory = mkdtempSync(join(tmpdir(), 'aira-worker-'));
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map(finish));
  rmSync(directory, { recursive: true, force: true });
});

/** Stops a worker whose time stands still: the grace passes as soon as it is asked for. */
async function finish(worker: NativeWorker): Promise<void> {
  const { pid } = worker;
  const stopped = worker.stop();
  if (pid !== undefined && isRunning(pid)) process.kill(-pid, 'SIGKILL');
  await stopped;
}

function workerOf(greeting = 'politely', options: Partial<NativeWorkerOptions> = {}): NativeWorker {
  const worker = new NativeWorker({ ...manualOptions(standInCommand(greeting), time), ...options });
  workers.push(worker);
  return worker;
}

/** All outcomes of an evaluation in the order of their arrival. */
async function outcomesOf(
  worker: NativeWorker,
  jobs: readonly Job[],
  handlers: Omit<EvaluateHandlers, 'onOutcome'> = {},
): Promise<[EvaluationKey, Outcome][]> {
  const outcomes: [EvaluationKey, Outcome][] = [];
  await worker.evaluate(jobs, { ...handlers, onOutcome: (each, outcome) => outcomes.push([each, outcome]) });
  return outcomes;
}

async function failureOf(worker: NativeWorker, job: Job, handlers: Omit<EvaluateHandlers, 'onOutcome'> = {}) {
  const outcomes = await outcomesOf(worker, [job], handlers);
  expect(outcomes).toHaveLength(1);
  const [, outcome] = outcomes[0] ?? [];
  if (outcome?.status !== 'failed') throw new Error(`a failure was expected, not ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The worker still works: what happened to a candidate does not touch the next. */
async function expectUsable(worker: NativeWorker): Promise<void> {
  const [[, outcome] = []] = await outcomesOf(worker, [standInJob('score')]);
  expect(outcome).toMatchObject({ status: 'ok', validation: 0.5, test: null });
}

describe('a request', () => {
  it('gives each member its result, and the rest of the protocol its place', async () => {
    const worker = workerOf();
    expect(await worker.start()).toMatchObject({ deviceName: 'stand-in', evaluator: 'torch-0123456789ab' });
    const first = standInJob('score', { key: key('a'), seed: 10 });
    const second = standInJob('score', { key: key('b'), seed: 20, measure: 'test' });
    const onProgress = vi.fn();
    const outcomes = await outcomesOf(worker, [first, second], { onProgress });
    expect(outcomes.map(([each]) => each)).toEqual([first.key, second.key]);
    expect(outcomes[0]?.[1]).toMatchObject({ validation: 0.1, test: null, curve: [[1, 0.1]], device: 'cpu' });
    expect(outcomes[0]?.[1]).toHaveProperty('tasks', { recall: { validation: 0.1, loss: 1.5 } });
    expect(outcomes[1]?.[1]).toMatchObject({ validation: 0.2, test: 0.1 });
    expect(onProgress).toHaveBeenCalledTimes(2);
    expect(onProgress).toHaveBeenCalledWith({ key: first.key, step: 1, steps: 4, score: 0.25 });
  });

  it('keeps its child between requests', async () => {
    const worker = workerOf();
    await expectUsable(worker);
    const { pid } = worker;
    expect(await failureOf(worker, standInJob('nan'))).toMatchObject({
      reason: 'nan',
      message: 'the loss is not finite',
      device: 'cpu',
    });
    await expectUsable(worker);
    expect(worker.pid).toBe(pid);
  });

  it('is refused before anything begins where jobs do not belong together or to this worker', async () => {
    const worker = workerOf();
    const job = standInJob('score');
    const reject = async (jobs: Job[], code: string) =>
      expect(await outcomesOf(worker, jobs).catch((error: unknown) => error)).toMatchObject({ code });
    await reject([job, { ...standInJob('nan'), key: key('other') }], 'population');
    await reject([job, job], 'population');
    await reject([], 'population');
    await reject([{ ...job, evaluator: 'torch-ffffffffffff' }], 'evaluator-mismatch');
    await reject([{ ...job, deviceClass: 'cuda' }], 'evaluator-mismatch');
    await expectUsable(worker);
  });

  it('is the only one at a time', async () => {
    const worker = workerOf();
    const abort = new AbortController();
    const hanging = failureOf(worker, standInJob('hang'), { signal: abort.signal });
    await expect(outcomesOf(worker, [standInJob('score')])).rejects.toMatchObject({ code: 'worker-busy' });
    abort.abort();
    expect(await hanging).toMatchObject({ reason: 'cancelled' });
    await expectUsable(worker);
  });

  it('leaves no timer behind', async () => {
    const worker = workerOf();
    await expectUsable(worker);
    await failureOf(worker, standInJob('exit'));
    expect(time.armed).toBe(0);
  });
});

describe('a deadline', () => {
  it('cancels, keeps the results that were in time, and keeps the child', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b', 'c'].map((name) => standInJob('hang', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs, {
      onProgress: ({ key: each }) => {
        // The time of a population is the sum over its members.
        if (each === key('c')) time.advance(29_999);
        if (each === key('c')) time.advance(1);
      },
    });
    expect(outcomes.map(([each, { status }]) => [each, status])).toEqual([
      [key('a'), 'ok'],
      [key('b'), 'failed'],
      [key('c'), 'failed'],
    ]);
    expect(outcomes[1]?.[1]).toMatchObject({
      reason: 'timeout',
      message: 'the training did not end within 30 s; it had reached step 1 of 4, its score then 0.25',
    });
    const { pid } = worker;
    await expectUsable(worker);
    expect(worker.pid).toBe(pid);
  });

  it('kills a child that does not obey, and everything in its group', async () => {
    const worker = workerOf();
    const pidFile = join(directory, 'pid');
    const job = standInJob('hangHard', { settings: { act: 'hangHard', pidFile } });
    let pid: number | undefined;
    const failure = await failureOf(worker, job, {
      onProgress: () => {
        pid = worker.pid;
        process.kill(pid as number, 'SIGTERM');
        time.advance(10_000);
        expect(isRunning(pid as number)).toBe(true);
        time.advance(1000);
      },
    });
    // 10 s of training and 1 s of grace, by the host's clock.
    expect(failure).toMatchObject({ reason: 'timeout', seconds: 11 });
    const grandchild = Number(readFileSync(pidFile, 'utf8'));
    expect(isRunning(pid as number)).toBe(false);
    await vi.waitFor(() => expect(isRunning(grandchild)).toBe(false), { timeout: 10_000, interval: 5 });
    await expectUsable(worker);
    expect(worker.pid).not.toBe(pid);
  });

  it('does not hide another end', async () => {
    const failure = await failureOf(workerOf(), standInJob('hangUntilNan'), { onProgress: () => time.advance(10_000) });
    expect(failure.reason).toBe('nan');
  });

  it('is not moved by an abort that comes later', async () => {
    const worker = workerOf();
    const abort = new AbortController();
    const failure = await failureOf(worker, standInJob('hang'), {
      signal: abort.signal,
      onProgress: () => {
        time.advance(10_000);
        abort.abort();
      },
    });
    expect(failure.reason).toBe('timeout');
  });
});

describe('a child that dies', () => {
  it('is a crash with its exit code and its last words, without terminal control', async () => {
    const worker = workerOf();
    const failure = await failureOf(worker, standInJob('exit'));
    expect(failure.reason).toBe('crash');
    expect(failure.message).toBe(
      'the trainer process exited with code 3; its last words: Traceback (most recent call last): | RuntimeError: the matrix is singular',
    );
    await expectUsable(worker);
  });

  it('is a crash with its signal', async () => {
    const worker = workerOf();
    expect(await failureOf(worker, standInJob('segfault'))).toMatchObject({
      reason: 'crash',
      message: 'the trainer process was killed by SIGSEGV',
    });
    await expectUsable(worker);
  });

  it('is a crash for every member that owes an outcome, and shares the time among them', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => standInJob('hang', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs, {
      onProgress: ({ key: each }) => {
        if (each !== key('d')) return;
        time.advance(6000);
        process.kill(worker.pid as number, 'SIGABRT');
      },
    });
    expect(outcomes.map(([, { status, seconds }]) => [status, seconds])).toEqual([
      ['ok', 1],
      ['failed', 2],
      ['failed', 2],
      ['failed', 2],
    ]);
    expect(outcomes[3]?.[1]).toMatchObject({ reason: 'crash', message: 'the trainer process was killed by SIGABRT' });
  });

  it('is out of memory where the kernel has just killed for want of memory, and a crash where not', async () => {
    let kills = 7;
    const memory: MemoryProbe = { ...procMemory, outOfMemoryKills: () => kills++ };
    expect(await failureOf(workerOf('politely', { memory }), standInJob('kill'))).toMatchObject({ reason: 'oom' });
    const calm: MemoryProbe = { ...procMemory, outOfMemoryKills: () => 7 };
    expect(await failureOf(workerOf('politely', { memory: calm }), standInJob('kill'))).toMatchObject({
      reason: 'crash',
      message: 'the trainer process was killed by SIGKILL',
    });
  });

  it('is noticed although somebody else holds its pipes open', async () => {
    const worker = workerOf();
    const pidFile = join(directory, 'pid');
    await worker.start();
    const exited = time.nextArmed(1000);
    const failure = failureOf(worker, standInJob('leavePipes', { settings: { act: 'leavePipes', pidFile } }));
    await exited;
    const heir = Number(readFileSync(pidFile, 'utf8'));
    try {
      time.advance(1000);
      expect(await failure).toMatchObject({ message: 'the trainer process was killed by SIGSEGV' });
      expect(isRunning(heir)).toBe(true);
    } finally {
      process.kill(heir, 'SIGKILL');
    }
  });

  it('keeps the beginning and the end of what it said, not the megabyte between', async () => {
    const worker = workerOf();
    const { message } = await failureOf(worker, standInJob('noise'));
    expect(message.length).toBeLessThanOrEqual(2000);
    expect(message).toContain('last words | Traceback');
  });

  it('while idle is replaced by the next request', async () => {
    const worker = workerOf();
    await expectUsable(worker);
    const pid = worker.pid as number;
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(() => expect(worker.pid).toBeUndefined(), { timeout: 10_000, interval: 5 });
    await expectUsable(worker);
    expect(worker.pid).not.toBe(pid);
  });
});

describe('a child that breaks the protocol', () => {
  it.each([
    ['garbage', /broke the protocol \(no event\): Warning: x{190}…$/],
    ['endlessLine', /broke the protocol \(no event\): y{199}…$/],
    ['unknownKey', /no event/],
    ['notANumber', /no event/],
    ['tooGood', /a score that is no share/],
    ['stranger', /a result for a candidate that owes none/],
    ['leakTest', /a test figure that was not asked for/],
    ['leakTaskTest', /a test figure that was not asked for/],
    ['forget', /a result without a validation figure/],
    ['earlyDone', /the end of a request with candidates left/],
    ['otherRequest', /an event of another request/],
    ['refuse', /a request was refused.*unknown key \\"proxi\\"/],
  ])('by %s is killed, and its candidate crashed', async (act, message) => {
    const worker = workerOf();
    await worker.start();
    const pid = worker.pid as number;
    const failure = await failureOf(worker, standInJob(act));
    expect(failure.reason).toBe('crash');
    expect(failure.message).toMatch(message);
    expect(isRunning(pid)).toBe(false);
    await expectUsable(worker);
  });

  it('cannot take it back', async () => {
    expect(await failureOf(workerOf(), standInJob('recant'))).toMatchObject({
      reason: 'crash',
      message: expect.stringContaining('"nonsense"'),
    });
  });

  it('by a second result cannot change the first', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b'].map((name) => standInJob('twice', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs);
    expect(outcomes).toMatchObject([
      [key('a'), { status: 'ok', validation: 0.5 }],
      [key('b'), { status: 'failed', reason: 'crash' }],
    ]);
  });

  it('after its request is replaced, without harm to the next', async () => {
    const worker = workerOf();
    const [[, outcome] = []] = await outcomesOf(worker, [standInJob('chatter')]);
    expect(outcome).toMatchObject({ status: 'ok' });
    await expectUsable(worker);
  });
});

describe('memory', () => {
  it('above the limit is out of memory', async () => {
    const worker = workerOf('politely', { memoryLimitBytes: 10 * 1024 * 1024 });
    const failure = await failureOf(worker, standInJob('hang'), { onProgress: () => time.advance(500) });
    expect(failure.reason).toBe('oom');
    // A bare Node holds some 40 MB.
    expect(failure.message).toMatch(/^the trainer process held \d\d MB of memory; its limit is 10 MB$/);
  });

  it('below the limit is nobody’s business', async () => {
    const worker = workerOf('politely', { memoryLimitBytes: 1024 ** 3 });
    const abort = new AbortController();
    const failure = await failureOf(worker, standInJob('hang'), {
      signal: abort.signal,
      onProgress: () => {
        time.advance(5000);
        abort.abort();
      },
    });
    expect(failure.reason).toBe('cancelled');
  });
});

describe('a start', () => {
  it('that ends before the hello is told with the last words, and may be tried again', async () => {
    const worker = workerOf('exit');
    const error = await worker.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error).toMatchObject({
      message:
        "the trainer process exited with code 1 before its hello; its last words: ModuleNotFoundError: No module named 'torch'",
    });
    // No job is to blame for it.
    await expect(outcomesOf(worker, [standInJob('score')])).rejects.toBeInstanceOf(WorkerStartError);
  });

  it('without a hello ends at its deadline', async () => {
    const worker = workerOf('silently');
    const starting = worker.start();
    const pid = worker.pid as number;
    time.advance(60_000);
    await expect(starting).rejects.toThrow('the trainer process did not greet within 60 s');
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000, interval: 5 });
  });

  it('with another first line quotes it', async () => {
    await expect(workerOf('rudely').start()).rejects.toThrow('(no hello): Welcome to the trainer!');
  });

  it('with another protocol version is not worth repeating', async () => {
    const error = await workerOf('fromTheFuture')
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PrerequisiteError);
    expect(error).toMatchObject({ code: 'worker-protocol', message: expect.stringContaining('version 2') });
  });

  it('followed at once by nonsense blames no job', async () => {
    await expect(outcomesOf(workerOf('breathlessly'), [standInJob('score')])).rejects.toBeInstanceOf(WorkerStartError);
  });

  it('of a program that is not there says so', async () => {
    const command = { ...standInCommand(), program: join(directory, 'no-such-python') };
    const error = await workerOf('', { command })
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(PrerequisiteError);
    expect(error).toMatchObject({ code: 'worker-program', message: expect.stringContaining('no-such-python') });
  });

  it('is one start, however many ask for it', async () => {
    const worker = workerOf();
    const hellos = await Promise.all([worker.start(), worker.start()]);
    expect(hellos[0]).toBe(hellos[1]);
  });
});

describe('a stop', () => {
  it('ends an idle child politely, and for good', async () => {
    const worker = workerOf();
    await worker.start();
    const pid = worker.pid as number;
    await worker.stop();
    expect(isRunning(pid)).toBe(false);
    expect(time.armed).toBe(0);
    await expect(worker.start()).rejects.toBeInstanceOf(TerminalError);
    await worker.stop();
  });

  it('cancels what is under way', async () => {
    const worker = workerOf();
    let stopped: Promise<void> | undefined;
    const failure = await failureOf(worker, standInJob('hang'), {
      onProgress: () => {
        stopped = worker.stop();
      },
    });
    expect(failure).toMatchObject({ reason: 'cancelled', message: expect.stringMatching(/stopped|cancelled/) });
    await stopped;
  });

  it('kills a child that does not obey', async () => {
    const worker = workerOf();
    const job = standInJob('hangHard', { settings: { act: 'hangHard', pidFile: join(directory, 'pid') } });
    let stopped: Promise<void> | undefined;
    const failure = await failureOf(worker, job, {
      onProgress: () => {
        stopped = worker.stop();
        time.advance(1000);
      },
    });
    expect(failure.reason).toBe('cancelled');
    await stopped;
  });

  it.each(['politely', 'exit'])('during a start that ends by itself (%s) is the reason', async (greeting) => {
    const worker = workerOf(greeting);
    const rejected = expect(outcomesOf(worker, [standInJob('score')])).rejects.toMatchObject({
      code: 'worker-stopped',
    });
    await Promise.all([worker.stop(), rejected]);
  });

  it('during the start ends the start', async () => {
    const worker = workerOf('silently');
    const evaluating = outcomesOf(worker, [standInJob('score')]);
    const rejected = expect(evaluating).rejects.toMatchObject({ code: 'worker-stopped' });
    const stopped = worker.stop();
    time.advance(1000);
    await rejected;
    await stopped;
  });
});

describe('the child’s environment', () => {
  it('carries no key of ours', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'sk-canary-0123');
    vi.stubEnv('AIRA_SECRET', 'sk-canary-4567');
    try {
      const worker = workerOf('politely', { command: standInCommand() });
      const { message } = await failureOf(worker, standInJob('environment'));
      const seen = Object.keys(JSON.parse(message));
      expect(seen).toContain('PATH');
      const allowed = ['PATH', 'HOME', 'LANG', 'CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH'];
      expect(seen.filter((name) => !allowed.includes(name))).toEqual([]);
      const environ = readFileSync(`/proc/${worker.pid}/environ`, 'utf8');
      expect(environ).not.toContain('sk-canary');
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
