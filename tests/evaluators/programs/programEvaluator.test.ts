import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PrerequisiteError } from '../../../src/domain/errors.ts';
import type { Job, Outcome } from '../../../src/domain/evaluation.ts';
import { ProgramEvaluator } from '../../../src/evaluators/programs/programEvaluator.ts';
import { designVersion, fingerprint, hiddenRowsSecret } from '../../../src/evaluators/version.ts';
import { findPython, preparedFolder, secretFile } from '../../../src/platform/installation.ts';
import { jobFor, tinyText } from '../../adversarial/support/settings.ts';
import { honestScript } from '../../adversarial/support/submissions.ts';

let folder = '';
let env: Record<string, string> = {};
let python = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'aira-design-'));
  env = {
    ...(process.env as Record<string, string>),
    XDG_CACHE_HOME: join(folder, 'cache'),
    XDG_DATA_HOME: join(folder, 'data'),
  };
  delete env.AIRA_SECRET_FILE;
  python = await findPython();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open = (more: object = {}) =>
  new ProgramEvaluator({ python, device: { name: 'cpu', memoryLimitBytes: 4e9 }, env, ...more });

/** A job of this test's own lab, which has a different secret. */
const job = (more: Partial<Job> = {}): Job => ({
  ...jobFor(honestScript),
  evaluator: designVersion(secretFile(env)),
  ...more,
});

async function outcomesOf(evaluator: ProgramEvaluator, jobs: readonly Job[], signal?: AbortSignal): Promise<Outcome[]> {
  const found: Outcome[] = [];
  const handlers = { onOutcome: (_: string, outcome: Outcome) => found.push(outcome), ...(signal ? { signal } : {}) };
  await evaluator.evaluate(jobs, handlers);
  return found;
}

describe('the judge of programs', () => {
  it('measures both splits, from outside, in the direction of fitness', async () => {
    const evaluator = open();
    expect((await evaluator.start()).evaluator).toBe(designVersion(secretFile(env)));
    const [outcome] = await outcomesOf(evaluator, [job({ measure: 'test' })]);
    expect(outcome).toMatchObject({ status: 'ok', device: 'cpu' });
    if (outcome?.status !== 'ok') return;
    expect(outcome.validation).toBeLessThan(0);
    expect(outcome.test).toBeLessThan(0);
    expect(outcome.tasks.val_bpb).toEqual({ validation: 0 - (outcome.validation ?? 0), test: 0 - (outcome.test ?? 0) });
    expect(outcome.params).toBeGreaterThanOrEqual(257 * 257);
    expect(outcome.cpuSeconds).toBeGreaterThan(0.1);
    expect(outcome.peakMemoryBytes).toBeGreaterThan(2 ** 25);
    expect(outcome.unsafe).toBeUndefined();
    await evaluator.stop();
  });

  it('keeps the prepared data, where only this user can enter', async () => {
    const kept = preparedFolder(env);
    const [first] = readdirSync(kept);
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(statSync(kept).mode & 0o777).toBe(0o700);
    expect(readdirSync(join(kept, first ?? '')).sort()).toEqual([
      'hidden',
      'manifest.json',
      'test',
      'train',
      'validation',
    ]);
  });

  it('ends with an outcome when it is cancelled', async () => {
    const abort = new AbortController();
    const evaluator = open();
    await evaluator.start();
    const running = outcomesOf(evaluator, [job()], abort.signal);
    abort.abort();
    expect(await running).toMatchObject([{ status: 'failed', reason: 'cancelled' }]);
    await evaluator.stop();
    await expect(evaluator.start()).rejects.toThrow('stopped');
  });

  it('marks what it measures without a sandbox', async () => {
    const evaluator = open({ unsafe: true });
    const [safe, unsafe] = [await outcomesOf(open(), [job()]), await outcomesOf(evaluator, [job()])].flat();
    expect(unsafe).toMatchObject({ status: 'ok', unsafe: true });
    expect(unsafe?.status === 'ok' && unsafe.validation).toBe(safe?.status === 'ok' && safe.validation);
  });

  it('refuses jobs of other evaluators, layers, and settings without a budget, before anything runs', async () => {
    const evaluator = open();
    await expect(outcomesOf(evaluator, [job({ evaluator: 'design-000000000000' })])).rejects.toThrow(
      /job for design-0{12}/,
    );
    const layers = job({ candidate: { kind: 'stack', architecture: ['M'] } });
    await expect(outcomesOf(evaluator, [layers])).rejects.toThrow('expected a program candidate');
    const { budget: _, ...free } = tinyText;
    await expect(outcomesOf(evaluator, [job({ settings: free })])).rejects.toThrow(/budget/);
  });

  it('says in one sentence what is wrong with data', async () => {
    const data = { ...tinyText.data, corpus: 'nowhere' };
    const outcomes = await outcomesOf(open({ data: folder }), [job({ settings: { ...tinyText, data } })]);
    expect(outcomes).toMatchObject([
      {
        status: 'failed',
        reason: 'data',
        message: expect.stringContaining('the data set nowhere has not been imported'),
      },
    ]);
  });
});

describe('the secret of the hidden rows', () => {
  it('is made once, for this user alone, and changes the version', () => {
    const [one, other] = [join(folder, 'a/one'), join(folder, 'b/other')];
    const made = hiddenRowsSecret(one);
    expect(hiddenRowsSecret(one)).toEqual(made);
    expect(statSync(one).mode & 0o777).toBe(0o600);
    expect(fingerprint(made)).not.toBe(fingerprint(hiddenRowsSecret(other)));
    expect(designVersion(one)).not.toBe(designVersion(other));
    expect(existsSync(`${one}.${process.pid}`)).toBe(false);
  });

  it('is not replaced when it is damaged', () => {
    const path = join(folder, 'short');
    writeFileSync(path, 'short');
    expect(() => hiddenRowsSecret(path)).toThrow(/too short/);
    expect(readFileSync(path, 'utf8')).toBe('short');
  });

  it('reports a path that is not writable', () => {
    mkdirSync(join(folder, 'dir'));
    expect(() => hiddenRowsSecret(join(folder, 'dir'))).toThrow(PrerequisiteError);
  });
});
