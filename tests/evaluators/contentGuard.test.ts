/** Scores are of the files that their jobs name (I10): the real trainer on imported text that is replaced under its hands. */
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stackSpace } from '../../src/domain/candidate.ts';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { type Profile, rungs, type Task } from '../../src/domain/task.ts';
import { type Evaluator, openEvaluator, versionFor } from '../../src/evaluators/index.ts';
import { findPython } from '../../src/platform/installation.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { changesSince, contentOf, filesRead, readingOf } from '../../src/tasks/content.ts';
import { importData } from '../../src/tasks/dataImport.ts';
import { smallTask } from '../support/smallTasks.ts';
import { key } from './support/jobs.ts';

let root: string;
let folder: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-content-'));
  folder = join(root, 'data');
  mkdirSync(folder);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Imports 300 documents of few words; other words are other data. */
async function bring(words: string, name = 'babistories'): Promise<void> {
  const source = mkdtempSync(join(root, 'source-'));
  const all = words.split(' ');
  const line = (row: number) =>
    JSON.stringify({
      text: Array.from({ length: 40 }, (_, place) => all[(row * 7 + place * place) % all.length]).join(' '),
    });
  writeFileSync(join(source, 'part.jsonl'), `${Array.from({ length: 300 }, (_, row) => line(row)).join('\n')}\n`);
  await importData({ name, source, folder, replace: true });
}

/** The settings of a rung with a change to what they read. */
function reading(profile: Profile, change: (settings: Record<string, unknown>) => Record<string, unknown>): Profile {
  const changed = structuredClone(profile);
  for (const rung of rungs) changed.rungs[rung].settings = change(changed.rungs[rung].settings) as never;
  return changed;
}
const corpus = (settings: Record<string, unknown>) => ({
  ...settings,
  data: { ...(settings.data as object), corpus: 'babistories' },
});

describe('what a training reads', () => {
  const nothing = { runsScripts: false, directory: null, data: [], dataset: null };

  it.each([
    ['compose-mad-3p', 'nano', nothing],
    ['compose-babistories-2p', 'nano', nothing],
    ['compose-babistories-2p', 'paper', { ...nothing, data: ['babistories'] }],
    ['compose-dclm-2p', 'paper', { ...nothing, data: ['dclm'] }],
    ['autoresearch', 'nano', nothing],
    ['autoresearch', 'paper', { ...nothing, data: ['climbmix'] }],
    ['design-lra-listops-fixed', 'paper', nothing],
    ['design-lra-text-fixed', 'paper', { ...nothing, data: ['imdb'] }],
    ['design-lra-retrieval-fixed', 'paper', { ...nothing, data: ['aan'] }],
  ])('is known from the settings of %s, %s', (task, profile, expected) => {
    expect(readingOf(profileOf(loadTask(task), profile).rungs.screen.settings)).toEqual(expected);
  });

  it('is required before anything is planned', async () => {
    const task = loadTask('compose-dclm-2p');
    const missing = contentOf(task, profileOf(task, 'paper'), folder);
    await expect(missing).rejects.toMatchObject({
      code: 'data-missing',
      message: expect.stringContaining('dclm has not been imported'),
      remedy: 'run: aira data import dclm <folder>',
    });
    expect((await contentOf(task, profileOf(task, 'nano'), folder)).data).toEqual({});
  });
});

describe('what decides a score', () => {
  let task: Task;
  let profile: Profile;
  beforeEach(async () => {
    task = loadTask(smallTask('compose-babistories-2p', root), []);
    profile = reading(profileOf(task, 'nano'), corpus);
    await bring('one two three');
  });
  const now = () => contentOf(task, profile, folder);

  it('changes with a byte of imported data, and is the same for the same data elsewhere', async () => {
    const before = await now();
    expect(Object.keys(before.data)).toEqual(['babistories']);
    renameSync(folder, join(root, 'moved'));
    expect(await contentOf(task, profile, join(root, 'moved'))).toEqual(before);
    renameSync(join(root, 'moved'), folder);
    await bring('one two four');
    const after = await now();
    expect(after).not.toEqual(before);
    await bring('one two three');
    expect(await now()).toEqual(before);
    // Data of which no import knows count as well: the trainers read them.
    writeFileSync(join(folder, 'babistories', 'more.txt'), 'five');
    expect((await now()).data).not.toEqual(before.data);
  });

  it('does not change with data that are not read', async () => {
    const before = await now();
    await bring('six seven', 'dclm');
    expect(await now()).toEqual(before);
  });

  it('changes with any file of the directory, but not with texts for people', async () => {
    const before = await now();
    writeFileSync(join(task.directory, 'README.md'), 'x');
    writeFileSync(join(task.directory, 'project_description.md'), 'x');
    expect(await now()).toEqual(before);
    mkdirSync(join(task.directory, 'deep', 'er'), { recursive: true });
    writeFileSync(join(task.directory, 'deep', 'er', 'helper.py'), 'x');
    const after = await now();
    expect(after.data).toEqual(before.data);
    expect(after.directory).not.toBe(before.directory);
  });

  it('is reported as changed or as missing', async () => {
    const content = await now();
    const { settings } = profile.rungs.screen;
    expect(changesSince(content, settings, await filesRead(settings, folder))).toEqual([]);
    await bring('one two four');
    const changes = changesSince(content, settings, await filesRead(settings, folder));
    expect(changes).toEqual(['the imported data babistories have changed']);
    rmSync(join(folder, 'babistories'), { recursive: true });
    await expect(filesRead(settings, folder)).rejects.toMatchObject({ code: 'data-missing' });
  });
});

describe('a task by others', () => {
  it('counts every file, texts as well, and the data set that it names alone', async () => {
    const directory = join(root, 'TimeSeriesForecastingSyntheticWeeklyMAE');
    cpSync('tests/airs/TimeSeriesForecastingSyntheticWeeklyMAE', directory, { recursive: true });
    mkdirSync(join(directory, 'deep'));
    writeFileSync(join(directory, 'deep', 'helper.py'), 'x = 1');
    const now = () => {
      const task = loadTask(directory, []);
      return contentOf(task, profileOf(task, 'nano'), folder);
    };
    expect((await now()).data).toEqual({});
    await bring('one two', 'other/set');
    const everything = await now();
    expect(Object.keys(everything.data)).toEqual(['.']);
    await bring('one two', 'synthetic/weekly-series/default');
    const named = await now();
    expect(Object.keys(named.data)).toEqual(['synthetic/weekly-series']);
    await bring('three four', 'other/set');
    expect(await now()).toEqual(named);
    writeFileSync(join(directory, 'deep', 'helper.py'), 'x = 2');
    const edited = await now();
    expect(edited.directory).not.toBe(named.directory);
    writeFileSync(join(directory, 'NOTES.md'), 'x');
    expect((await now()).directory).not.toBe(edited.directory);
  });
});

describe('a trainer', () => {
  let python: string;
  let evaluator: Evaluator;
  let task: Task;
  let profile: Profile;
  beforeAll(async () => {
    python = await findPython();
  });
  beforeEach(async () => {
    task = loadTask(smallTask('compose-babistories-2p', root), []);
    profile = reading(profileOf(task, 'nano'), corpus);
    await bring('one two three four five six');
    const device = { name: 'cpu', class: 'cpu', memoryLimitBytes: 4 * 2 ** 30 } as const;
    evaluator = openEvaluator('stack', {
      ...{ device, python, data: folder, unsafe: false, tasks: [], clock: systemClock, timers: systemTimers },
      log: pino({ level: 'silent' }),
    });
  });
  afterEach(() => evaluator.stop());

  async function train(content: Job['content'], number: number): Promise<Outcome> {
    const job: Job = {
      ...{ key: key(`content-${number}`), task: task.name, taskVersion: '0', evaluator: versionFor('stack', 'cpu') },
      ...{ deviceClass: 'cpu', content, rung: 'screen', space: task.space, settings: profile.rungs.screen.settings },
      candidate: {
        kind: 'stack',
        architecture: Array.from({ length: stackSpace(task.space).layers }, () => 'M' as const),
      },
      ...{ seed: 1, measure: 'validation', lowerIsBetter: true, timeoutSeconds: 100 },
    };
    const outcomes: Outcome[] = [];
    await evaluator.evaluate([job], { onOutcome: (_, outcome) => outcomes.push(outcome) });
    expect(outcomes).toHaveLength(1);
    return outcomes[0] as Outcome;
  }
  const score = (outcome: Outcome) => (outcome.status === 'ok' ? outcome.validation : outcome.message);

  it('scores what a job names: data replaced meanwhile are neither used nor confused', {
    timeout: 120_000,
  }, async () => {
    const first = await contentOf(task, profile, folder);
    const one = await train(first, 1);
    expect(one).toMatchObject({ status: 'ok' });
    await bring('red green blue black white grey brown');
    expect(await train(first, 2)).toMatchObject({
      ...{ status: 'failed', reason: 'data' },
      message: 'the imported data babistories have changed since the search was started',
    });
    // The same process would give what it keeps in memory of the data before.
    const other = await train(await contentOf(task, profile, folder), 3);
    expect(other).toMatchObject({ status: 'ok' });
    expect(score(other)).not.toBe(score(one));
    await bring('one two three four five six');
    expect(score(await train(first, 4))).toBe(score(one));
    rmSync(join(folder, 'babistories'), { recursive: true });
    expect(await train(first, 5)).toMatchObject({
      ...{ status: 'failed', reason: 'data' },
      message: expect.stringContaining('aira data import babistories <folder>'),
    });
  });
});
