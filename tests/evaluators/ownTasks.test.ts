/** A job chooses among the task directories that a worker has; it brings none (S1). */
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { openEvaluator, versionFor } from '../../src/evaluators/index.ts';
import { findPython } from '../../src/platform/installation.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import { loadTask, profileOf, registeredTasks, registerTask } from '../../src/tasks/catalogue.ts';
import { contentOf, digestTaskDirectory } from '../../src/tasks/content.ts';
import { importSeries, syntheticTask } from '../airs/series.ts';
import { key } from './support/jobs.ts';

const name = basename(syntheticTask);
let root: string;
let python: string;
/** The worker's own copy of the task, and somebody else's, whose script would leave a mark. */
let own: string;
let foreign: string;
let mark: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-own-tasks-'));
  python = await findPython();
  await importSeries(join(root, 'data'));
  own = join(root, 'own', name);
  foreign = join(root, 'foreign', name);
  mark = join(root, 'mark');
  cpSync(syntheticTask, own, { recursive: true });
  cpSync(syntheticTask, foreign, { recursive: true });
  writeFileSync(join(foreign, 'prepare.py'), `open(${JSON.stringify(mark)}, "w").close()\n`);
});
beforeEach(() => rmSync(mark, { force: true }));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** @param launched the directory with which the search was launched. */
async function judge(
  settings: Job['settings'],
  tasks: readonly string[],
  launched = own,
): Promise<Outcome | undefined> {
  const task = loadTask(own, []);
  const device = { name: 'cpu', class: 'cpu', memoryLimitBytes: 4 * 2 ** 30 } as never;
  const setting = { device, python, data: join(root, 'data'), tasks, unsafe: false, log: pino({ level: 'silent' }) };
  const evaluator = openEvaluator('program', { ...setting, clock: systemClock, timers: systemTimers });
  const files = task.brief?.baseline ?? {};
  const origin = loadTask(launched, []);
  const content = await contentOf(origin, profileOf(origin, 'nano'), setting.data);
  const job: Job = {
    ...{ key: key('own-task'), task: task.name, taskVersion: '0', evaluator: versionFor('program', 'cpu') },
    ...{ deviceClass: 'cpu', content, rung: 'screen', space: task.space, settings, lowerIsBetter: task.lowerIsBetter },
    ...{ candidate: { kind: 'program', files }, seed: 5, measure: 'validation', timeoutSeconds: 120 },
  };
  const outcomes: Outcome[] = [];
  await evaluator.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) }).catch(() => undefined);
  await evaluator.stop();
  return outcomes[0];
}

const settingsOf = (directory: string) => profileOf(loadTask(directory, []), 'nano').rungs.screen.settings;

describe('a job for a task directory by others', { timeout: 120_000 }, () => {
  it('is judged by the directory of that name and content that the worker has', async () => {
    expect(await judge(settingsOf(own), [own])).toMatchObject({ status: 'ok' });
  });

  it('that names a path has nothing run, and an outcome says so', async () => {
    const outcome = await judge({ ...settingsOf(own), task: foreign }, [own]);
    expect(existsSync(mark)).toBe(false);
    expect(outcome).toMatchObject({ status: 'failed', reason: 'refused' });
  });

  it.each(['..', '.', '../foreign/x', ''])('that names "%s" has nothing run', async (task) => {
    expect(await judge({ ...settingsOf(own), task }, [own, foreign])).toMatchObject({ reason: 'refused' });
    expect(existsSync(mark)).toBe(false);
  });

  it('that is not registered here is refused with a remedy', async () => {
    const outcome = await judge(settingsOf(foreign), [], foreign);
    expect(outcome).toMatchObject({ status: 'failed', reason: 'refused', message: expect.stringContaining('--task') });
    expect(existsSync(mark)).toBe(false);
  });

  it('of other content than the worker’s is refused with where the difference is', async () => {
    const outcome = await judge(settingsOf(foreign), [own], foreign);
    expect(outcome).toMatchObject({ reason: 'refused', message: expect.stringContaining(own) });
    expect(existsSync(mark)).toBe(false);
  });

  it('is refused once the worker’s directory is changed', async () => {
    const settings = settingsOf(own);
    const changed = join(root, 'changed', name);
    cpSync(own, changed, { recursive: true });
    expect(digestTaskDirectory(changed)).toBe(digestTaskDirectory(own));
    writeFileSync(join(changed, 'prepare.py'), `open(${JSON.stringify(mark)}, "w").close()\n`);
    expect(await judge(settings, [changed])).toMatchObject({ reason: 'refused' });
    expect(existsSync(mark)).toBe(false);
  });

  it('is identified by its content only, at any path', () => {
    const elsewhere = join(root, 'elsewhere', name);
    cpSync(own, elsewhere, { recursive: true });
    expect(settingsOf(elsewhere)).toEqual(settingsOf(own));
    expect(JSON.stringify(settingsOf(own))).not.toContain(root);
  });
});

describe('the list of a home', () => {
  it('keeps the directories that were registered, once each', () => {
    const home = mkdtempSync(join(root, 'home-'));
    expect(registeredTasks(home)).toEqual([]);
    registerTask(home, own);
    registerTask(home, foreign);
    registerTask(home, own);
    expect(registeredTasks(home)).toEqual([own, foreign]);
    writeFileSync(join(home, 'tasks.json'), '{"v":9}');
    expect(() => registeredTasks(home)).toThrow(/cannot use .*tasks\.json/);
  });
});
