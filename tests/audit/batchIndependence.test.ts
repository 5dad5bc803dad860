import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainAlone } from '../../src/audit/index.ts';
import { TerminalError } from '../../src/domain/errors.ts';
import type { Job } from '../../src/domain/evaluation.ts';
import { measurement } from '../support/specs.ts';
import { auditOf, measured, runSearch, trial } from './laboratory.ts';

let home: string;
beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'aira-test-'));
  await runSearch(home, trial());
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

async function companionsFinding(train: TrainAlone, count = 4) {
  const findings = await auditOf(home, { retraining: { count, train } });
  return findings.find(({ invariant }) => invariant === 'I6');
}

describe('candidates that are trained again', () => {
  it('are so many screened ones from the whole of the search, each once', async () => {
    const trained: Job[] = [];
    const finding = await companionsFinding(async (job) => {
      trained.push(job);
      return measured(job);
    });
    expect(finding).toMatchObject({ holds: true, violations: [] });
    expect(trained).toHaveLength(4);
    expect(new Set(trained.map(({ key }) => key)).size).toBe(4);
    expect(trained.every(({ rung, measure }) => rung === 'screen' && measure === 'validation')).toBe(true);
    expect(finding?.evidence.filter((each) => each.includes('trained alone'))).toHaveLength(4);
  });

  it('are no more than there are', async () => {
    let trained = 0;
    await companionsFinding(async (job) => {
      trained++;
      return measured(job);
    }, 1000);
    expect(trained).toBeGreaterThan(10);
    expect(trained).toBeLessThan(20);
  });

  it('break the invariant when a single bit differs', async () => {
    const finding = await companionsFinding(async (job) => {
      const outcome = measured(job);
      const score = outcome.status === 'ok' ? (outcome.validation ?? 0) : 0;
      return measurement(score + 2 ** -53);
    }, 1);
    expect(finding?.holds).toBe(false);
    expect(finding?.violations[0]).toMatch(/scored 0\.\d+ on cpu-1-w0a, but 0\.\d+ alone on this machine/);
  });

  it('break it when they diverge alone, and not when the machine fails', async () => {
    const failure = (reason: 'nan' | 'timeout') => async () =>
      ({ status: 'failed', reason, message: `ended as ${reason}`, seconds: 1, device: 'cpu' }) as const;
    expect((await companionsFinding(failure('nan'), 1))?.holds).toBe(false);
    const timeout = await companionsFinding(failure('timeout'), 1);
    expect(timeout?.holds).toBeNull();
    expect(timeout?.evidence.join('\n')).toContain('had no result when trained alone: ended as timeout');
  });

  it('are left alone where they cannot be trained', async () => {
    let asked = 0;
    const finding = await companionsFinding(async () => {
      asked++;
      throw new TerminalError('evaluator-mismatch', 'a job is for another evaluator');
    });
    expect(asked).toBe(1);
    expect(finding?.holds).toBeNull();
    expect(finding?.evidence.join('\n')).toContain('not checked: not retrained: a job is for another');
  });
});
