/** The native worker against a child that misbehaves, and its own beginning and end: one case for every way of ending. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { PrerequisiteError, TerminalError } from '../../src/domain/errors.ts';
import { WorkerStartError } from '../../src/evaluators/index.ts';
import type { MemoryProbe } from '../../src/platform/processes.ts';
import { procMemory } from '../../src/platform/processes.ts';
import { key, standInCommand, standInJob } from './support/jobs.ts';
import { expectUsable, failureOf, outcomesOf, stage, workerOf } from './support/nativeStage.ts';
import { isRunning } from './support/processes.ts';

describe('a child that dies', () => {
  it('is a loss with its exit code and its last words, without terminal control', async () => {
    const worker = workerOf();
    const failure = await failureOf(worker, standInJob('exit'));
    expect(failure.reason).toBe('lost');
    expect(failure.message).toBe(
      'the trainer process exited with code 3; stderr: Traceback (most recent call last): | RuntimeError: the matrix is singular',
    );
    await expectUsable(worker);
  });

  it('is a crash with its signal', async () => {
    const worker = workerOf();
    expect(await failureOf(worker, standInJob('segfault'))).toMatchObject({
      reason: 'lost',
      message: 'the trainer process was killed by SIGSEGV',
    });
    await expectUsable(worker);
  });

  it('is a loss for every member that owes an outcome, and shares the time among them', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b', 'c', 'd'].map((name) => standInJob('hang', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs, {
      onProgress: ({ key: each }) => {
        if (each !== key('d')) return;
        stage.time.advance(6000);
        process.kill(worker.pid as number, 'SIGABRT');
      },
    });
    expect(outcomes.map(([, { status, seconds }]) => [status, seconds])).toEqual([
      ['ok', 1],
      ['failed', 2],
      ['failed', 2],
      ['failed', 2],
    ]);
    expect(outcomes[3]?.[1]).toMatchObject({ reason: 'lost', message: 'the trainer process was killed by SIGABRT' });
  });

  it('is out of memory where the kernel has just killed for want of memory, and a loss where not', async () => {
    let kills = 7;
    const memory: MemoryProbe = { ...procMemory, outOfMemoryKills: () => kills++ };
    expect(await failureOf(workerOf('politely', { memory }), standInJob('kill'))).toMatchObject({ reason: 'oom' });
    const calm: MemoryProbe = { ...procMemory, outOfMemoryKills: () => 7 };
    expect(await failureOf(workerOf('politely', { memory: calm }), standInJob('kill'))).toMatchObject({
      reason: 'lost',
      message: 'the trainer process was killed by SIGKILL',
    });
  });

  it('is noticed although somebody else holds its pipes open', async () => {
    const worker = workerOf();
    const pidFile = join(stage.directory, 'pid');
    await worker.start();
    const exited = stage.time.nextArmed(1000);
    const failure = failureOf(worker, standInJob('leavePipes', { settings: { act: 'leavePipes', pidFile } }));
    await exited;
    const heir = Number(readFileSync(pidFile, 'utf8'));
    try {
      stage.time.advance(1000);
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
    ['garbage', /violated the protocol \(not an event\): Warning: x{190}…$/],
    ['endlessLine', /violated the protocol \(not an event\): y{199}…$/],
    ['unknownKey', /not an event/],
    ['notANumber', /not an event/],
    ['tooGood', /a score outside \[0, 1\]/],
    ['stranger', /a result for a candidate without a pending training/],
    ['leakTest', /a test score that was not requested/],
    ['leakTaskTest', /a test score that was not requested/],
    ['forget', /a result without a validation score/],
    ['earlyDone', /the end of a request with candidates left/],
    ['otherRequest', /an event of another request/],
    ['refuse', /a request was refused.*unknown key \\"proxi\\"/],
  ])('by %s is killed, and its candidate is lost', async (act, message) => {
    const worker = workerOf();
    await worker.start();
    const pid = worker.pid as number;
    const failure = await failureOf(worker, standInJob(act));
    expect(failure.reason).toBe('lost');
    expect(failure.message).toMatch(message);
    expect(isRunning(pid)).toBe(false);
    await expectUsable(worker);
  });

  it('cannot take it back', async () => {
    expect(await failureOf(workerOf(), standInJob('recant'))).toMatchObject({
      reason: 'lost',
      message: expect.stringContaining('"nonsense"'),
    });
  });

  it('by a second result cannot change the first', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b'].map((name) => standInJob('twice', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs);
    expect(outcomes).toMatchObject([
      [key('a'), { status: 'ok', validation: 0.5 }],
      [key('b'), { status: 'failed', reason: 'lost' }],
    ]);
  });

  it('after its request is replaced, without harm to the next', async () => {
    const worker = workerOf();
    const [[, outcome] = []] = await outcomesOf(worker, [standInJob('chatter')]);
    expect(outcome).toMatchObject({ status: 'ok' });
    await expectUsable(worker);
  });
});

describe('a start', () => {
  it('that ends before the hello is reported with its stderr, and may be retried', async () => {
    const worker = workerOf('exit');
    const error = await worker.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WorkerStartError);
    expect(error).toMatchObject({
      message:
        "the trainer process exited with code 1 before its hello; stderr: ModuleNotFoundError: No module named 'torch'",
    });
    // No job is to blame for it.
    await expect(outcomesOf(worker, [standInJob('score')])).rejects.toBeInstanceOf(WorkerStartError);
  });

  it('without a hello ends at its deadline', async () => {
    const worker = workerOf('silently');
    const starting = worker.start();
    const pid = worker.pid as number;
    stage.time.advance(60_000);
    await expect(starting).rejects.toThrow("the trainer's handshake timed out after 60 s");
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000, interval: 5 });
  });

  it('with another first line quotes it', async () => {
    await expect(workerOf('rudely').start()).rejects.toThrow('(not a hello): Welcome to the trainer!');
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
    const command = { ...standInCommand(), program: join(stage.directory, 'no-such-python') };
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
    expect(stage.time.armed).toBe(0);
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
    const job = standInJob('hangHard', { settings: { act: 'hangHard', pidFile: join(stage.directory, 'pid') } });
    let stopped: Promise<void> | undefined;
    const failure = await failureOf(worker, job, {
      onProgress: () => {
        stopped = worker.stop();
        stage.time.advance(1000);
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
    stage.time.advance(1000);
    await rejected;
    await stopped;
  });
});
