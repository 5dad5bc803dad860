/** The host against the real trainer of runs at scale at the tiniest size, and against trainers that misbehave. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, Measurement, Outcome } from '../../src/domain/evaluation.ts';
import type { Checkpoint } from '../../src/domain/scale.ts';
import {
  buildTokens,
  ScaleEvaluator,
  type ScaleWorkerOptions,
  scoreItems,
  trunkOf,
  zeroShotTasks,
} from '../../src/evaluators/index.ts';
import { trainerCommand } from '../../src/evaluators/scale/trainerJob.ts';
import { findPython, systemClock, systemTimers, type Timers } from '../../src/platform/index.ts';
import { temporaryFolder } from '../support/home.ts';
import { resources, scaleJob } from '../support/scaleJobs.ts';

let python: string;
let data: string;
let digest: string;
const opened: ScaleEvaluator[] = [];

beforeAll(async () => {
  python = await findPython();
  data = mkdtempSync(join(tmpdir(), 'aira-test-'));
  const source = { from: { documents: 60, seed: 1 }, tokenizer: 'bytes', validation: 0.2 };
  ({ digest } = await buildTokens(python, source, join(data, 'text')));
});
afterAll(async () => {
  await Promise.all(opened.map((each) => each.stop()));
  rmSync(data, { recursive: true, force: true });
});

function evaluator(
  storage: string,
  program = python,
  declared: Partial<ScaleWorkerOptions> = {},
  timers: Timers = systemTimers,
  primitives: readonly string[] = [],
): ScaleEvaluator {
  const found = new ScaleEvaluator({
    device: { name: 'cpu', class: 'cpu', memoryLimitBytes: 8 * 1024 ** 3 },
    python: program,
    data,
    primitives,
    scale: { storage, devices: 1, memoryBytes: 8 * 1024 ** 3, longestSeconds: null, ...declared },
    clock: systemClock,
    timers,
    log: pino({ level: 'silent' }),
    memory: { residentBytes: () => null, outOfMemoryKills: () => 0 },
  });
  opened.push(found);
  return found;
}

interface Trained {
  readonly outcome: Outcome | undefined;
  readonly checkpoints: Checkpoint[];
}

async function train(
  worker: ScaleEvaluator,
  job: Job,
  signal?: AbortSignal,
  onStep: (step: number) => void = () => {},
): Promise<Trained> {
  const checkpoints: Checkpoint[] = [];
  let outcome: Outcome | undefined;
  await worker.evaluate([job], {
    onOutcome: (_, found) => {
      outcome = found;
    },
    onCheckpoint: (_, checkpoint) => checkpoints.push(checkpoint),
    onProgress: ({ step }) => onStep(step),
    ...(signal ? { signal } : {}),
  });
  return { outcome, checkpoints };
}

/** What the machine's speed does not decide. */
function figures(outcome: Outcome | undefined) {
  const { validation, params, flops, curve, scale } = outcome as Measurement;
  const { loss, lossBeforeDecay, steps, tokens, weightsSha256 } = scale ?? {};
  return { validation, params, flops, curve, loss, lossBeforeDecay, steps, tokens, weightsSha256 };
}

/** A program in the place of Python that runs it with a failpoint, or says these lines. */
function standIn(body: string): string {
  const path = join(temporaryFolder(), 'python');
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('with the real trainer', { timeout: 240_000 }, () => {
  it('killed, stopped and continued, a run ends with the loss of an undisturbed one (SCL-1)', async () => {
    const short = scaleJob(digest);
    const long = scaleJob(digest, {}, { recipe: { steps: 16 } });
    const whole = await train(evaluator(temporaryFolder()), long);
    expect(whole.outcome).toMatchObject({ status: 'ok', scale: { steps: 16, tokens: 16 * 256, sessions: 1 } });
    const measured = whole.outcome as Measurement;
    expect(measured.validation).toBe(-(measured.scale?.loss ?? Number.NaN));
    expect(whole.checkpoints.map(({ step }) => step)).toEqual([...Array(15).keys()].map((step) => step + 1));

    const storage = temporaryFolder();
    const killed = standIn(`export AIRA_SCALE_FAILPOINT=step:5\nexec ${python} "$@"`);
    expect((await train(evaluator(storage, killed), short)).outcome).toMatchObject({
      status: 'failed',
      reason: 'lost',
    });
    const first = await train(evaluator(storage), short);
    expect(first.outcome).toMatchObject({ status: 'ok', scale: { steps: 8, sessions: 2 } });

    const stop = new AbortController();
    const stopped = await train(evaluator(storage), long, stop.signal, (step) => step > 0 && stop.abort());
    // On a fast machine the run may end before the request is read.
    expect(stopped.outcome?.status === 'ok' || stopped.outcome).toMatchObject(
      stopped.outcome?.status === 'ok' ? {} : { reason: 'cancelled' },
    );
    const last = await train(evaluator(storage), long);
    expect(figures(last.outcome)).toEqual(figures(whole.outcome));
    // One trunk for both budgets, and no step of it trained twice.
    expect(trunkOf(short)).toBe(trunkOf(long));
    expect(existsSync(join(storage, trunkOf(long), 'outcomes.json'))).toBe(true);
    const outcomes = JSON.parse(readFileSync(join(storage, trunkOf(long), 'outcomes.json'), 'utf8')) as object[];
    expect(outcomes).toHaveLength(2);
  });

  it('gives a diverged run its reason, which is final', async () => {
    const { recipe } = scaleJob(digest).candidate as { recipe: { optimiser: object } };
    const optimiser = { ...recipe.optimiser, lr: 1e30 } as never;
    const { outcome } = await train(evaluator(temporaryFolder()), scaleJob(digest, {}, { recipe: { optimiser } }));
    expect(outcome).toMatchObject({ status: 'failed', reason: 'nan' });
  });

  it("trains a layer of the user's own, and refuses jobs for another version of it", async () => {
    const worker = evaluator(temporaryFolder(), python, {}, systemTimers, [resolve('primitives')]);
    const { evaluator: has } = await worker.start();
    expect(has).toMatch(/^scale-[0-9a-f]{12}\+gla@[0-9a-f]{12}\+swa@[0-9a-f]{12}$/);
    const wanted = has.replace(/\+gla@[0-9a-f]+/, '');
    const job = scaleJob(digest, { evaluator: wanted }, { model: { pattern: 'swa+M' } });
    expect((await train(worker, job)).outcome).toMatchObject({ status: 'ok', scale: { steps: 8 } });
    const changed = scaleJob(digest, { evaluator: wanted.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) });
    await expect(train(worker, changed)).rejects.toThrow(/job for scale-.*, but this worker is scale-/);
    const elsewhere = evaluator(temporaryFolder());
    await expect(train(elsewhere, job)).rejects.toThrow(/job for scale-.*\+swa@/);
  });

  it('says what is wrong about data of another digest', async () => {
    const { outcome } = await train(evaluator(temporaryFolder()), scaleJob('0'.repeat(64)));
    expect(outcome).toMatchObject({ status: 'failed', reason: 'invalid' });
  });
});

describe('a trainer that misbehaves', () => {
  const version = scaleJob('0'.repeat(64)).evaluator;
  const hello = JSON.stringify({
    event: 'hello',
    v: 1,
    trainer: version,
    identity: 'a'.repeat(64),
    device: 'cpu',
    deviceName: 'x',
    torch: '2',
    python: '3',
    processes: 1,
    primitives: {},
    parameters: 1,
    nonEmbedding: 1,
    flopsPerToken: { layers: 1, head: 1 },
    steps: 8,
  });
  const says = (...lines: string[]) => standIn(lines.map((line) => `echo '${line}'`).join('\n'));
  const outcomeOf = async (program: string) =>
    (await train(evaluator(temporaryFolder(), program), scaleJob(digest))).outcome;

  it.each([
    ['another trainer', () => says(hello.replace(version, 'scale-000000000000')), /the trainer is scale-000000000000/],
    [
      'a layer that the job does not name',
      () => says(hello.replace('"primitives":{}', `"primitives":{"gla":"${'0'.repeat(64)}"}`)),
      /the trainer is scale-[0-9a-f]{12}\+gla@0{12}, expected scale-/,
    ],
    ['a line that is no event', () => says(hello, '{"event":"dance"}'), /not an event/],
    ['an event before the hello', () => says('{"event":"done"}'), /before the hello/],
    ['an end without a result', () => says(hello, '{"event":"done"}'), /the end without a result/],
    [
      'a line beyond 64 KiB',
      () => standIn(`echo '${hello}'\nhead -c 70000 /dev/zero | tr '\\0' x\necho\nsleep 60`),
      /not an event/,
    ],
    ['no word at all', () => standIn('echo broken >&2\nexit 3'), /exited with code 3; stderr: broken/],
    ['a crash', () => says(hello, '{"event":"failed","reason":"crash","message":"boom"}'), /boom/],
  ])('%s is lost, which is retried (SCL-2, SCL-3)', async (_, program, message) => {
    const outcome = await outcomeOf(program());
    expect(outcome).toMatchObject({ status: 'failed', reason: 'lost', message: expect.stringMatching(message) });
  });

  it('out of memory is final', async () => {
    const program = says(hello, '{"event":"failed","reason":"oom","message":"out of memory"}');
    expect(await outcomeOf(program)).toMatchObject({ status: 'failed', reason: 'oom' });
  });

  it('one that ignores a stop from before its start is killed after the time to write a checkpoint', async () => {
    const pending = new Map<number, () => void>();
    const timers: Timers = {
      after(ms, action) {
        pending.set(ms, action);
        return () => pending.delete(ms);
      },
      every: () => () => {},
    };
    const worker = evaluator(temporaryFolder(), standIn('exec sleep 20'), {}, timers);
    const ended = train(worker, scaleJob(digest), AbortSignal.abort());
    await new Promise(setImmediate);
    const kill = pending.get(600_000);
    kill?.();
    pending.clear();
    expect(kill).toBeDefined();
    expect((await ended).outcome).toMatchObject({ status: 'failed', reason: 'cancelled' });
  });

  it('a stop that this host did not ask for is no outcome: the job continues', async () => {
    const program = says(hello, '{"event":"stopped","reason":"signal"}');
    await expect(outcomeOf(program)).rejects.toMatchObject({ code: 'trainer-stopped', retryAfterMs: 1000 });
  });
});

describe('the command that scores rows', () => {
  const order = { weights: '/nowhere', data: '/nowhere', primitives: [] };
  const scoring = (program: string, task: string) =>
    scoreItems(program, { ...order, tasks: [{ task: task as 'piqa', items: 'rows.jsonl' }] }, () => undefined);

  it('has the tasks that the host names', async () => {
    const names = [...zeroShotTasks].sort().join(', ');
    await expect(scoring(python, 'chess')).rejects.toThrow(`there is no zero-shot task chess; there are ${names}`);
  });

  it.each(['nonsense', '{"task": "piqa"}'])('ends with a sentence where it answers %s', async (line) => {
    await expect(scoring(standIn(`echo '${line}'`), 'piqa')).rejects.toMatchObject({ code: 'scale-protocol' });
  });
});

describe('declared limits (SCL-4)', () => {
  const refusal = (declared: Partial<ScaleWorkerOptions>, own: Partial<typeof resources>) =>
    evaluator('/nowhere', python, declared).refuses(scaleJob('0'.repeat(64), { resources: { ...resources, ...own } }));
  it('takes what fits', () => expect(refusal({}, {})).toBeNull());
  it.each([
    [
      'memory',
      { memoryBytes: 2 ** 20 },
      { memoryBytes: 2 ** 21 },
      'needs 2 MB on each device; this worker has declared 1 MB',
    ],
    ['devices', {}, { devices: 2 }, 'needs 2 devices; this worker has declared 1'],
    ['time', { longestSeconds: 60 }, { seconds: 61 }, 'takes about 61 s; this worker takes trainings of up to 60 s'],
  ])('refuses too much %s', (_, declared, own, sentence) => {
    expect(refusal(declared, own)).toContain(sentence);
  });
});

describe('the command of a trainer', () => {
  const command = (overrides: Partial<Job>, visible?: string) => {
    const device = { name: 'cuda:2', class: 'cuda' as const, memoryLimitBytes: 1 };
    const place = { device, python: 'python3', data: '/data', storage: temporaryFolder(), primitives: [] };
    return trainerCommand(scaleJob('0'.repeat(64), overrides), place, { CUDA_VISIBLE_DEVICES: visible });
  };
  const two = { resources: { ...resources, devices: 2, parallel: 'ddp' as const } };

  it('starts a process per GPU on those of its worker, counted among those that the host may use', () => {
    expect(command(two, '4, 5, 6, 7').env).toMatchObject({ CUDA_VISIBLE_DEVICES: '6,7' });
    const { args, env } = command(two);
    expect(env).toMatchObject({ CUDA_VISIBLE_DEVICES: '2,3' });
    expect(args).toContain('--nproc_per_node=2');
    const file = args[args.indexOf('--job') + 1] ?? '';
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      data: { folder: '/data/text' },
      machine: { parallel: 'ddp' },
    });
  });

  it('reads nothing outside the data folder', () => {
    const settings = { data: { corpus: '../text', digest: '0'.repeat(64) } };
    expect(() => command({ settings })).toThrow('name no data set with its digest');
  });
});
