import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython, taskRoots } from '../../src/platform/installation.ts';
import { checkTask } from '../../src/tasks/airs/check.ts';
import type { TaskFinding } from '../../src/tasks/airs/scoreChecks.ts';
import { listTasks } from '../../src/tasks/catalogue.ts';
import { importSeries, syntheticTask } from '../airs/series.ts';

let root: string;
let python: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-check-'));
  python = await findPython();
  await importSeries(join(root, 'raw'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function findings(directory: string): Promise<TaskFinding[]> {
  const host = { python, env: process.env, data: join(root, 'raw'), seconds: 120 };
  const found: TaskFinding[] = [];
  for await (const finding of checkTask({ directory, host })) found.push(finding);
  return found;
}

let copies = 0;

/** A copy of a task in which one text of one file is another. */
function mutated(task: string, file: string, from: string | RegExp, to: string): string {
  copies += 1;
  const directory = join(root, String(copies), basename(task));
  cpSync(task, directory, { recursive: true });
  const path = join(directory, file);
  const text = readFileSync(path, 'utf8');
  const changed = text.replace(from, to);
  expect(changed, `${from} stands in ${file}`).not.toBe(text);
  writeFileSync(path, changed);
  return directory;
}

const failures = (found: readonly TaskFinding[]) =>
  Object.fromEntries(found.filter(({ outcome }) => outcome === 'failed').map(({ check, detail }) => [check, detail]));

describe('the check of a task by others', () => {
  it('passes a good one, and leaves nothing in its folder', { timeout: 120_000 }, async () => {
    const before = readdirSync(syntheticTask).sort();
    const found = await findings(syntheticTask);
    expect(failures(found)).toEqual({});
    expect(found.map(({ check }) => check)).toEqual([
      ...['files', 'metadata', 'name', 'description', 'folder', 'requirements', 'refusal', 'refusal', 'prepare'],
      ...['evaluate_prepare', 'separation', 'missing', 'fetch'],
      ...['gold', 'permuted-part', 'permuted', 'nan', 'short', 'permutations', 'search'],
    ]);
    expect(readdirSync(syntheticTask).sort()).toEqual(before);
  });

  const keys = [
    ['metric_lower_is_better: true', 'metric_lower_is_better: up', 'metric_lower_is_better'],
    ['  optimal_score: 0.0\n', '', 'logging_info.optimal_score'],
    ['shape: (137, 5)', 'shape: many', 'logging_info.shape'],
    ['  - submission.csv\ncont', '  - ../labels.csv\ncont', 'is outside'],
    ['- numpy\nlogging', '- numpy or so!\nlogging', 'not a requirement'],
    ['sota_score: 0.5', 'sota_score: good', 'sota_score'],
  ] as const;
  it.each(keys)('names what is wrong in the metadata: %s', async (from, to, named) => {
    const found = failures(await findings(mutated(syntheticTask, 'metadata.yaml', from, to)));
    expect(found.metadata).toContain(named);
  });

  it('names a file that is missing, another name, a thin description, a link', async () => {
    const directory = mutated(syntheticTask, 'metadata.yaml', 'name: Time', 'name: OtherTime');
    rmSync(join(directory, 'evaluate.py'));
    writeFileSync(join(directory, 'project_description.md'), '# Something\n');
    symlinkSync('/etc/passwd', join(directory, 'notes'));
    const found = failures(await findings(directory));
    expect(found.files).toContain('missing: evaluate.py');
    expect(found.name).toContain('the directory is named');
    expect(found.description).toContain('submission.csv, MAE, data/');
    expect(found.folder).toContain('notes is a link');
  });

  it('says in one sentence which Python packages are missing', async () => {
    const wanted = 'evaluate_container_python_requirements:\n  - numpy';
    const directory = mutated(syntheticTask, 'metadata.yaml', wanted, `${wanted}\n  - no-such-package==1.0`);
    const found = await findings(directory);
    expect(failures(found)).toEqual({});
    const skipped = found.find(({ outcome }) => outcome === 'skipped');
    expect(skipped?.detail).toMatch(
      /^package no-such-package==1\.0 missing; install with `.* -m pip install 'no-such-pack/,
    );
  });

  const scripts = [
    [
      'prepare.py',
      '["target"], test',
      '["label_target"], test',
      { separation: 'the column label_target is in the agent' },
    ],
    ['prepare.py', 'print(f', 'raise SystemExit(f', { prepare: 'status 1: 137 series' }],
    ['prepare.py', '/ "test"', '/ "tset"', { prepare: 'did not write test' }],
    ['evaluate_prepare.py', '"test_with_labels"', '"labels"', { evaluate_prepare: 'did not write test_with_labels' }],
    [
      'evaluate_prepare.py',
      'if options.agent_log_dir is not None',
      'if False',
      { fetch: 'does not copy submission.csv' },
    ],
    [
      'evaluate.py',
      'if not np.isfinite(forecasts).all()',
      'forecasts = np.nan_to_num(forecasts)\n    if False',
      { nan: 'scored' },
    ],
    ['evaluate.py', '"MAE":', '"Error":', { gold: 'printed "Error", but the metadata\'s metric is "MAE"' }],
    ['evaluate.py', '{"MAE":', '{"rows": 1, "MAE":', { gold: 'printed 2 numbers' }],
    ['evaluate.py', 'np.abs(forecasts - labels).mean()', 'np.abs(forecasts).mean()', { gold: 'the optimum is 0' }],
    ['evaluate.py', 'np.abs(forecasts - labels).mean()', '0.0', { permuted: 'as good as the gold submission' }],
    [
      'evaluate.py',
      'if forecasts.shape != labels.shape',
      'labels = labels[: len(forecasts)]\n    if False',
      { short: 'scored 0' },
    ],
    [
      'evaluate.py',
      'np.abs(forecasts - labels).mean()',
      'np.nan if len(forecasts) else 0',
      { gold: 'not a finite number' },
    ],
  ] as const;
  it.each(scripts)(
    'finds what a script does wrong: %s with %s',
    { timeout: 60_000 },
    async (file, from, to, wanted) => {
      const found = failures(await findings(mutated(syntheticTask, file, from, to)));
      for (const [check, part] of Object.entries(wanted)) expect(found[check]).toContain(part);
    },
  );
});

it('shows the floors that evaluate.py prints beside the score', { timeout: 120_000 }, async () => {
  const floors = ['majority: 9.5', 'bag: 0.0001'].map((floor) => `    print("floor on the same rows, ${floor}")\n`);
  const result = '    print("--- EVALUATION RESULT ---")';
  const found = await findings(mutated(syntheticTask, 'evaluate.py', result, floors.join('') + result));
  expect(failures(found)).toEqual({});
  const detail = (name: string) => found.find(({ check }) => check === name)?.detail;
  expect(detail('permuted')).toMatch(
    /^[\d.]+; floors: majority 9\.5, bag 0\.0001; below the floor of 0\.0001 \(bag\)$/,
  );
});

describe('the tasks of Aira', () => {
  it('are the twelve', () => {
    const names = listTasks(taskRoots).map(({ name }) => name);
    expect(names).toEqual([
      ...['autoresearch', 'autoresearch-literature'],
      ...['compose-babistories-2p', 'compose-dclm-2p', 'compose-mad-2p', 'compose-mad-3p'],
      ...['listops', 'retrieval', 'text'].flatMap((task) => [
        `design-lra-${task}-configurable`,
        `design-lra-${task}-fixed`,
      ]),
    ]);
  });
});
