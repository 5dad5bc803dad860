/** Directories of AIRS-Bench as they are published: what their metadata, scripts and answers look like. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPython } from '../../src/platform/installation.ts';
import { checkTask } from '../../src/tasks/airs/check.ts';
import type { TaskFinding } from '../../src/tasks/airs/scoreChecks.ts';
import { readAirsMetadata, submissionHeader } from '../../src/tasks/airs/task.ts';
import { loadTask } from '../../src/tasks/catalogue.ts';
import { importSeries, importWords, syntheticTask, wordsTask } from '../airs/series.ts';

let root: string;
let python: string;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'aira-shapes-'));
  python = await findPython();
  await importSeries(join(root, 'data'));
  await importWords(join(root, 'data'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function findings(directory: string, data = join(root, 'data')): Promise<TaskFinding[]> {
  const host = { python, env: process.env, data, seconds: 120 };
  const found: TaskFinding[] = [];
  for await (const finding of checkTask({ directory, host })) found.push(finding);
  return found;
}

const of = (found: readonly TaskFinding[], outcome: TaskFinding['outcome']) =>
  Object.fromEntries(found.filter((one) => one.outcome === outcome).map(({ check, detail }) => [check, detail]));

function changed(task: string, file: string, from: string | RegExp, to: string): string {
  const directory = join(mkdtempSync(join(root, 'copy-')), basename(task));
  cpSync(task, directory, { recursive: true });
  const text = readFileSync(join(directory, file), 'utf8');
  expect(text).not.toBe(text.replace(from, to));
  writeFileSync(join(directory, file), text.replace(from, to));
  return directory;
}

describe('a directory whose answers are words', () => {
  it('passes: lists as texts, labels of its own script, a submission that is always fetched', async () => {
    const found = await findings(wordsTask);
    expect(of(found, 'failed')).toEqual({});
    expect(of(found, 'skipped')).toEqual({
      header:
        "the directory's answers have the header answers, but the description says answer; the description's header is used",
    });
    expect(of(found, 'ok')).toMatchObject({
      gold: 'exactly the optimum, 1',
      nan: expect.stringMatching(/^0\.2: missing answers count as wrong$|^0: missing answers count as wrong$/),
      search: expect.stringContaining('a baseline exists'),
    });
  }, 120_000);

  it('is at fault where missing answers score better than wrong ones', async () => {
    const from = 'right = sum(answer.upper() == label.upper()';
    const lenient = changed(wordsTask, 'evaluate.py', from, "right = sum(answer.upper() in ('NAN', label.upper())");
    expect(of(await findings(lenient), 'failed').nan).toContain('must be refused or count as wrong');
  }, 120_000);

  it('is at fault where the order of rows decides nothing, which a third order shows', async () => {
    const blind = changed(wordsTask, 'evaluate.py', 'right / len(labels)', '1.0 if right == len(labels) else 0.5');
    expect(of(await findings(blind), 'failed')).toMatchObject({
      permutations: 'three orders of the rows have score 0.5',
    });
  }, 120_000);

  it('has the lists of its metadata', () => {
    const read = readAirsMetadata(wordsTask);
    expect(read).toMatchObject({
      metadata: {
        file_export_globs: ['submission.csv'],
        container_python_requirements: [],
        prepare_code_python_requirements: ['numpy'],
        logging_info: { input_columns: ['text'], additional_metrics: ['F1', 'Precision'], shape: 40 },
      },
    });
  });
});

describe('what is not on this machine', () => {
  it('is data: skipped, with the command that brings them', async () => {
    const found = await findings(wordsTask, join(root, 'nothing'));
    expect(of(found, 'failed')).toEqual({});
    expect(of(found, 'skipped').prepare).toMatch(
      /^data not imported; run .*aira data import synthetic\/text-labels\/default/,
    );
  });

  it('is a fault of the script where its data are there, or where it fails for another reason', async () => {
    const other = changed(wordsTask, 'utils.py', '{split}.csv', '{split}.tsv');
    expect(of(await findings(other), 'failed').prepare).toContain('No such file');
    const broken = changed(wordsTask, 'prepare.py', 'options = arguments()', 'options = arguments()\nundefined_name');
    expect(of(await findings(broken, join(root, 'nothing')), 'failed').prepare).toContain('undefined_name');
  });

  it('is a package that the metadata do not name: skipped, and no script counts as refusing', async () => {
    const unnamed = changed(wordsTask, 'evaluate.py', 'import json', 'import json\nimport no_such_package.part');
    const found = await findings(unnamed);
    expect(of(found, 'failed')).toEqual({});
    expect(of(found, 'skipped').requirements).toMatch(/^package no_such_package missing, which evaluate\.py imports/);
    expect(found.map(({ check }) => check)).not.toContain('missing');
  });
});

describe('the default baseline', () => {
  const constants = (directory: string) => {
    const task = loadTask(directory, []);
    expect(task.profiles.nano?.rungs.screen.settings.default).toBeDefined();
    return task.brief?.baseline['solution.py'] ?? '';
  };

  it('answers the scoring column under the header that the description shows', () => {
    expect(constants(wordsTask)).toContain('HEADER = ["answer"]\nANSWERS = ["label"]\nSPREAD = 0\n');
    expect(constants(syntheticTask)).toContain('HEADER = ["label_target"]\nANSWERS = ["label_target"]\n');
  });

  it('is no constant where the metric is undefined for one', () => {
    const correlated = changed(wordsTask, 'metadata.yaml', 'metric: Accuracy', 'metric: SpearmanCorrelation');
    expect(constants(correlated)).toContain('SPREAD = 0.001\n');
  });

  it('that is no valid submission is refused before anything is trained, with the remedy', async () => {
    const from = 'right = sum(';
    const unequal = changed(wordsTask, 'evaluate.py', from, `if len(set(answers)) < 2: sys.exit('all alike')\n${from}`);
    expect(of(await findings(unequal), 'skipped').search).toMatch(
      /write baseline\/solution\.py in the task's directory: .* is not a valid submission here: .*all alike/,
    );
  }, 120_000);

  it.each([
    ['with the following header:\n```\nAnswer\n```', ['Answer']],
    ['with the following header:\n``` label_target ```\nAnd', ['label_target']],
    ['with the header `id, value`.', ['id', 'value']],
    ['```csv\na\n```', null],
    ['a CSV with header: query, rankings', null],
  ] as const)('finds the header in %j', (text, header) => {
    expect(submissionHeader(text)).toEqual(header);
  });
});
