/** Third-party tasks and their raw data: prepared data stay valid when the raw data move or are removed. */
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { openEvaluator, versionFor } from '../../src/evaluators/index.ts';
import { findPython } from '../../src/platform/installation.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { contentOf } from '../../src/tasks/content.ts';
import { importSeries, syntheticTask } from '../airs/series.ts';
import { key } from '../evaluators/support/jobs.ts';

let root: string;
let python: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-raw-'));
  python = await findPython();
  vi.stubEnv('XDG_CACHE_HOME', join(root, 'cache'));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

const baseline = readFileSync('gpu-workers/aira_tasks/constant_baseline.py', 'utf8');

/** A final training: it scores the hidden rows, which evaluate_prepare.py makes of the raw data. */
async function final(directory: string, data: string | null): Promise<Outcome> {
  const task = loadTask(directory, []);
  const profile = profileOf(task, 'nano');
  const device = { name: 'cpu', class: 'cpu', memoryLimitBytes: 4 * 2 ** 30 } as const;
  const setting = { device, python, data, unsafe: false, tasks: [directory], log: pino({ level: 'silent' }) };
  const evaluator = openEvaluator('program', { ...setting, clock: systemClock, timers: systemTimers });
  const job: Job = {
    ...{ key: key('raw'), task: task.name, taskVersion: '0', evaluator: versionFor('program', 'cpu') },
    ...{ deviceClass: 'cpu', content: await contentOf(task, profile, data), rung: 'final', space: task.space },
    ...{ settings: profile.rungs.final.settings, lowerIsBetter: task.lowerIsBetter, seed: 5, measure: 'test' },
    ...{ candidate: { kind: 'program', files: { 'solution.py': baseline } }, timeoutSeconds: 120 },
  };
  const outcomes: Outcome[] = [];
  await evaluator.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) });
  await evaluator.stop();
  return outcomes[0] as Outcome;
}

function copyOf(name: string): string {
  const directory = join(root, name, basename(syntheticTask));
  cpSync(syntheticTask, directory, { recursive: true });
  return directory;
}

const figures = (outcome: Outcome) => (outcome.status === 'ok' ? [outcome.validation, outcome.test] : outcome.message);

describe('the raw data of a task by others', () => {
  it('may be none: such a task gets its final score', { timeout: 120_000 }, async () => {
    const directory = copyOf('none');
    const utils = join(directory, 'utils.py');
    const made =
      'def series(folder):\n    return [[float((7 * row + week) % (5 + row % 4)) for week in range(52)] for row in range(137)]\n';
    writeFileSync(utils, `${readFileSync(utils, 'utf8')}\n\n${made}`);
    for (const data of [null, join(root, 'nowhere')]) {
      const outcome = await final(directory, data);
      expect(outcome, JSON.stringify(outcome)).toMatchObject({ status: 'ok', test: expect.any(Number) });
    }
  });

  it('may move with the home, and the task with its directory', { timeout: 120_000 }, async () => {
    const directory = copyOf('first');
    await importSeries(join(root, 'one', 'data'));
    const before = await final(directory, join(root, 'one', 'data'));
    expect(before, JSON.stringify(before)).toMatchObject({ status: 'ok', test: expect.any(Number) });
    renameSync(join(root, 'one'), join(root, 'two'));
    expect(figures(await final(directory, join(root, 'two', 'data')))).toEqual(figures(before));
    const moved = copyOf('second');
    rmSync(directory, { recursive: true });
    expect(figures(await final(moved, join(root, 'two', 'data')))).toEqual(figures(before));
  });
});
