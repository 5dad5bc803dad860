/** The host against the real trainer: what the stand-in only plays. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { stackSpace } from '../../src/domain/candidate.ts';
import { type Job, measurementSchema, type Outcome } from '../../src/domain/evaluation.ts';
import { engineFor, evaluatorVersion, NativeWorker, workerCommand } from '../../src/evaluators/index.ts';
import { findPython, trainersDirectory } from '../../src/platform/installation.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { key, standInCommand, standInJob } from './support/jobs.ts';
import { isRunning } from './support/processes.ts';

const { engine } = engineFor('cpu');
const task = loadTask('compose-mad-3p');
const { settings } = profileOf(task, 'nano').rungs.screen;
const architecture = Array.from(
  { length: stackSpace(task.space).layers },
  (_, layer) => (layer % 2 === 0 ? 'mA' : 'M') as 'mA' | 'M',
);

function job(name: string, overrides: Partial<Job> = {}, change: Job['settings'] = { steps: 3 }): Job {
  return {
    key: key(name),
    task: task.name,
    taskVersion: '0',
    evaluator: evaluatorVersion(engine),
    deviceClass: 'cpu',
    rung: 'screen',
    space: task.space,
    settings: { ...settings, ...change },
    candidate: { kind: 'stack', architecture: [...architecture] },
    lowerIsBetter: task.lowerIsBetter,
    seed: 1,
    measure: 'validation',
    timeoutSeconds: 300,
    ...overrides,
  };
}

let python: string;
let worker: NativeWorker;

beforeAll(async () => {
  python = await findPython();
  vi.stubEnv('OPENAI_API_KEY', 'sk-canary-0123');
  worker = new NativeWorker({
    command: workerCommand({ python, device: 'cpu' }),
    memoryLimitBytes: 8 * 1024 ** 3,
    log: pino({ level: 'silent' }),
  });
});
afterAll(async () => {
  await worker?.stop();
  vi.unstubAllEnvs();
});

async function outcomesOf(jobs: Job[], whenTraining?: () => void): Promise<Outcome[]> {
  const outcomes = new Map<string, Outcome>();
  await worker.evaluate(jobs, {
    onOutcome: (each, outcome) => outcomes.set(each, outcome),
    ...(whenTraining ? { onProgress: whenTraining } : {}),
  });
  return jobs.map((each) => outcomes.get(each.key) as Outcome);
}

const scoreOf = (outcome: Outcome | undefined) => measurementSchema.parse(outcome).validation;

describe('the real trainer', () => {
  it('greets as the version that the host computes from the sources', async () => {
    const hello = await worker.start();
    expect(hello).toMatchObject({ engine, device: 'cpu', evaluator: evaluatorVersion(engine) });
    expect(hello.calibratedFlops).toBeGreaterThan(1e8);
    const printed = execFileSync(
      python,
      ['-c', `from aira_workers.version import evaluator_version; print(evaluator_version("${engine}"))`],
      {
        cwd: trainersDirectory,
        encoding: 'utf8',
      },
    );
    expect(printed.trim()).toBe(evaluatorVersion(engine));
  });

  it('does not see our keys', async () => {
    await worker.start();
    expect(process.env.OPENAI_API_KEY).toBe('sk-canary-0123');
    const environ = readFileSync(`/proc/${worker.pid}/environ`, 'utf8');
    expect(environ).toContain('OMP_NUM_THREADS=1');
    expect(environ).not.toContain('sk-canary');
  });

  it('scores a candidate alone as among others, and says the same again', async () => {
    const [alone] = await outcomesOf([job('alone')]);
    const [first, other, again] = await outcomesOf([job('first'), job('other', { seed: 2 }), job('again')]);
    expect(scoreOf(alone)).toBeGreaterThan(0);
    expect([scoreOf(first), scoreOf(again)]).toEqual([scoreOf(alone), scoreOf(alone)]);
    expect(scoreOf(other)).not.toBe(scoreOf(alone));
    expect(alone).toMatchObject({ status: 'ok', test: null, device: 'cpu' });
  });

  it('returns a test score only if requested', async () => {
    const [outcome] = await outcomesOf([job('test', { measure: 'test' }, { steps: 3, test_samples: 8 })]);
    expect(measurementSchema.parse(outcome).test).not.toBeNull();
  });

  it('refuses what it does not know, each candidate under its own key', async () => {
    expect(await outcomesOf([job('settings', {}, { stepps: 3 })])).toMatchObject([
      { status: 'failed', reason: 'invalid' },
    ]);
    const short = job('short', { candidate: { kind: 'stack', architecture: ['M'] } });
    expect(await outcomesOf([short, job('whole')])).toMatchObject([
      { status: 'failed', reason: 'invalid', message: expect.stringContaining('1 layers') },
      { status: 'ok' },
    ]);
  });

  it('stops at its deadline and trains on', async () => {
    const { pid } = worker;
    const tooLong = job('too-long', { timeoutSeconds: 1 }, { steps: 800 });
    expect(await outcomesOf([tooLong])).toMatchObject([{ status: 'failed', reason: 'timeout' }]);
    expect(worker.pid).toBe(pid);
  });

  it('killed while training is a loss, and another takes its place', async () => {
    await worker.start();
    const first = worker.pid as number;
    // Its progress is what tells that it trains: ten times per training.
    const [outcome] = await outcomesOf([job('killed', {}, { steps: 200 })], () => process.kill(first, 'SIGSEGV'));
    expect(outcome).toMatchObject({ status: 'failed', reason: 'lost' });
    expect(await outcomesOf([job('next')])).toMatchObject([{ status: 'ok' }]);
    expect(worker.pid).not.toBe(first);
  });
});

describe('the end of the host', () => {
  /** Kills a host in the midst of a training and waits until its child is gone. */
  async function expectOrphanToEnd(command: object, first: Job): Promise<void> {
    const script = join(import.meta.dirname, 'support', 'host.mjs');
    const host = spawn(process.execPath, [script, JSON.stringify(command), JSON.stringify(first)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const lines = createInterface({ input: host.stdout })[Symbol.asyncIterator]();
      const { value } = await lines.next();
      expect(value).toMatch(/^training \d+$/);
      const child = Number((value as string).split(' ')[1]);
      expect(isRunning(child)).toBe(true);
      host.kill('SIGKILL');
      await vi.waitFor(() => expect(isRunning(child)).toBe(false), { timeout: 20_000, interval: 20 });
    } finally {
      host.kill('SIGKILL');
    }
  }

  it('by SIGKILL ends a child that waits', async () => {
    await expectOrphanToEnd(standInCommand(), standInJob('hang'));
  });

  it('by SIGKILL ends the real trainer in the midst of a training', async () => {
    await expectOrphanToEnd(workerCommand({ python, device: 'cpu' }), job('orphan', {}, { steps: 1000 }));
  });
});
