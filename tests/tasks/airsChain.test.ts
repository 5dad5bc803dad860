import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Job, Outcome } from '../../src/domain/evaluation.ts';
import { openEvaluator, versionFor } from '../../src/evaluators/index.ts';
import { findPython } from '../../src/platform/installation.ts';
import { systemClock, systemTimers } from '../../src/platform/timers.ts';
import { loadTask, profileOf } from '../../src/tasks/catalogue.ts';
import { contentOf } from '../../src/tasks/content.ts';
import { importSeries, syntheticTask } from '../airs/series.ts';
import { key } from '../evaluators/support/jobs.ts';

/** The task directory as somebody else would have it: outside of this project. */
let root: string;
let directory: string;
let python: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-airs-'));
  directory = join(root, basename(syntheticTask));
  cpSync(syntheticTask, directory, { recursive: true });
  python = await findPython();
  await importSeries(join(root, 'data'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const lastValue = `
import csv, json, os
rows = [json.loads(row["target"]) for row in csv.DictReader(open("data/test/rows.csv"))]
seen = [os.path.join(place, name) for place, _, names in os.walk(".", followlinks=True) for name in names]
assert not [path for path in seen if "label" in path], seen
for place in ("/box", ${JSON.stringify('DIRECTORY')}, ${JSON.stringify('DATA')}):
    for folder, _, names in os.walk(place):
        assert not [name for name in names if name in ("evaluate.py", "series.csv")], (folder, names)
with open("submission.csv", "w") as stream:
    writer = csv.writer(stream)
    writer.writerow(["label_target"])
    writer.writerows([json.dumps([row[-1]] * 5)] for row in rows)
`;

async function judge(programs: readonly string[], measure: Job['measure']): Promise<Outcome[]> {
  const task = loadTask(directory, []);
  const profile = profileOf(task, 'nano');
  const { settings } = profile.rungs.screen;
  const log = pino({ level: 'silent' });
  const device = { name: 'cpu', memoryLimitBytes: 4 * 2 ** 30 } as never;
  const setting = { device, python, data: join(root, 'data'), unsafe: false, tasks: [directory], log };
  const evaluator = openEvaluator('program', { ...setting, clock: systemClock, timers: systemTimers });
  const content = await contentOf(task, profile, join(root, 'data'));
  const jobs = programs.map(
    (text, index): Job => ({
      ...{ key: key(`airs-${index}`), task: task.name, taskVersion: '0', evaluator: versionFor('program', 'cpu') },
      ...{
        deviceClass: 'cpu',
        content,
        rung: 'screen',
        space: task.space,
        settings,
        lowerIsBetter: task.lowerIsBetter,
      },
      ...{ candidate: { kind: 'program', files: { 'solution.py': text } }, seed: 5, measure, timeoutSeconds: 120 },
    }),
  );
  const outcomes = new Map<string, Outcome>();
  await evaluator.evaluate(jobs, { onOutcome: (jobKey, outcome) => outcomes.set(jobKey, outcome) });
  await evaluator.stop();
  return jobs.map((job) => outcomes.get(job.key) as Outcome);
}

describe('a task directory by others', () => {
  it('becomes a task without a change: one program, a baseline, three scales', () => {
    const task = loadTask(directory, []);
    expect(task).toMatchObject({ metric: 'MAE', lowerIsBetter: true, space: { kind: 'program' } });
    expect(task.space).toMatchObject({ files: [{ name: 'solution.py' }] });
    expect(Object.keys(task.profiles)).toEqual(['nano', 'small', 'paper']);
    expect(task.brief?.contract).toContain('MAE: the mean absolute error');
    expect(task.brief?.contract).toContain('Write solution.py');
    expect(task.brief?.baseline['solution.py']).toContain('submission.csv');
  });

  it('is searched by validation rows and tested by its own scorer', { timeout: 240_000 }, async () => {
    const before = readdirSync(directory).sort();
    const honest = lastValue.replace('DIRECTORY', directory).replace('DATA', join(root, 'data'));
    const nothing = honest.replace('[row[-1]] * 5', '[float("nan")] * 5');
    const baseline = readFileSync('gpu-workers/aira_tasks/constant_baseline.py', 'utf8');
    const [good, mean, nan, broken] = await judge([honest, baseline, nothing, 'raise SystemExit(3)'], 'test');
    expect(good).toMatchObject({ status: 'ok' });
    expect(mean).toMatchObject({ status: 'ok' });
    if (good?.status !== 'ok' || mean?.status !== 'ok') throw new Error('no scores');
    // Fitness is the negated error: of last values about 4, of the mean series about 5.
    expect(good.validation).toBeLessThan(0);
    expect(good.test).toBeGreaterThan(-6);
    expect(mean.test).not.toBe(good.test);
    expect(nan).toMatchObject({ status: 'failed', reason: 'nan' });
    expect(broken).toMatchObject({ status: 'failed', reason: 'crash' });
    expect(readdirSync(directory).sort()).toEqual(before);
  });
});
