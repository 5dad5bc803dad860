/** The native worker against a child that behaves: requests, their deadlines, memory, secrets. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Job } from '../../src/domain/evaluation.ts';
import { key, standInCommand, standInJob } from './support/jobs.ts';
import { expectUsable, failureOf, outcomesOf, stage, workerOf } from './support/nativeStage.ts';
import { isRunning } from './support/processes.ts';

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
    expect(stage.time.armed).toBe(0);
  });
});

describe('a deadline', () => {
  it('cancels, keeps the results that were in time, and keeps the child', async () => {
    const worker = workerOf();
    const jobs = ['a', 'b', 'c'].map((name) => standInJob('hang', { key: key(name) }));
    const outcomes = await outcomesOf(worker, jobs, {
      onProgress: ({ key: each }) => {
        // The time of a population is the sum over its members.
        if (each === key('c')) stage.time.advance(29_999);
        if (each === key('c')) stage.time.advance(1);
      },
    });
    expect(outcomes.map(([each, { status }]) => [each, status])).toEqual([
      [key('a'), 'ok'],
      [key('b'), 'failed'],
      [key('c'), 'failed'],
    ]);
    expect(outcomes[1]?.[1]).toMatchObject({
      reason: 'timeout',
      message: 'the training timed out after 30 s; reached step 1 of 4, score 0.25',
    });
    const { pid } = worker;
    await expectUsable(worker);
    expect(worker.pid).toBe(pid);
  });

  it('kills a child that does not obey, and everything in its group', async () => {
    const worker = workerOf();
    const pidFile = join(stage.directory, 'pid');
    const job = standInJob('hangHard', { settings: { act: 'hangHard', pidFile } });
    let pid: number | undefined;
    const failure = await failureOf(worker, job, {
      onProgress: () => {
        pid = worker.pid;
        process.kill(pid as number, 'SIGTERM');
        stage.time.advance(10_000);
        expect(isRunning(pid as number)).toBe(true);
        stage.time.advance(1000);
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
    const failure = await failureOf(workerOf(), standInJob('hangUntilNan'), {
      onProgress: () => stage.time.advance(10_000),
    });
    expect(failure.reason).toBe('nan');
  });

  it('is not moved by an abort that comes later', async () => {
    const worker = workerOf();
    const abort = new AbortController();
    const failure = await failureOf(worker, standInJob('hang'), {
      signal: abort.signal,
      onProgress: () => {
        stage.time.advance(10_000);
        abort.abort();
      },
    });
    expect(failure.reason).toBe('timeout');
  });
});

describe('memory', () => {
  it('above the limit is out of memory', async () => {
    const worker = workerOf('politely', { memoryLimitBytes: 10 * 1024 * 1024 });
    const failure = await failureOf(worker, standInJob('hang'), { onProgress: () => stage.time.advance(500) });
    expect(failure.reason).toBe('oom');
    // A bare Node holds some 40 MB.
    expect(failure.message).toMatch(/^the trainer process used \d\d MB of memory; its limit is 10 MB$/);
  });

  it('below the limit has no effect', async () => {
    const worker = workerOf('politely', { memoryLimitBytes: 1024 ** 3 });
    const abort = new AbortController();
    const failure = await failureOf(worker, standInJob('hang'), {
      signal: abort.signal,
      onProgress: () => {
        stage.time.advance(5000);
        abort.abort();
      },
    });
    expect(failure.reason).toBe('cancelled');
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
