/**
 * The published AIRS-Bench directories as they are: each passes its check, and those that a search can begin on end with a
 * final score. AIRA_PUBLIC_TASKS names the folder of the directories (airsbench/tasks/rad of the public repository), AIRA_PYTHON
 * a Python with datasets, pandas, torchmetrics, scikit-learn, scipy, rouge_score and pyyaml. Data are drawn by
 * `syntheticData.py`; of the public ones nothing is read.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { TaskFinding } from '../../src/tasks/airs/scoreChecks.ts';
import { aira, jsonLines, Program } from '../support/program.ts';

const tasks = process.env.AIRA_PUBLIC_TASKS;
const python = process.env.AIRA_PYTHON;
const ready = tasks !== undefined && python !== undefined;
const names = ready ? readdirSync(tasks).filter((name) => existsSync(join(tasks, name, 'metadata.yaml'))) : [];
if (!ready)
  process.stdout.write('the published directories are left out: AIRA_PUBLIC_TASKS and AIRA_PYTHON name them\n');

describe.skipIf(!ready)('the published directories', () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-public-'));
  const home = join(folder, 'home');
  const env = { AIRA_PYTHON: python ?? '' };
  const ended: string[] = [];

  beforeAll(() => {
    const script = join(import.meta.dirname, 'syntheticData.py');
    execFileSync(python ?? '', [script, resolve(tasks ?? ''), join(home, 'data')], { stdio: 'ignore' });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(names)('%s', async (name) => {
    const directory = join(tasks ?? '', name);
    const before = readdirSync(directory);
    for (const place of [join(folder, 'empty'), home]) {
      const checked = await aira(['task', 'check', directory, '--home', place, '--json'], { env });
      const found = jsonLines<TaskFinding>(checked.stdout);
      expect(found.filter(({ outcome }) => outcome === 'failed')).toEqual([]);
      expect(checked.code, checked.stderr).toBe(0);
      if (place !== home || !found.some(({ check, outcome }) => check === 'search' && outcome === 'ok')) continue;
      const file = join(folder, `${name}.yaml`);
      const search = {
        ...{ task: directory, seed: 1, budget: { evaluations: 1 }, workers: 1 },
        ladder: { promote: 0.5, finalists: 1, finalSeeds: 2 },
        agents: [{ name: 'tuner', model: 'local/tuner', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1 }],
      };
      writeFileSync(file, stringify(search));
      const { code, stderr } = await new Program(['launch', file, '--home', home, '--json'], { env }).ended;
      expect(code, stderr).toBe(0);
      ended.push(name);
    }
    expect(readdirSync(directory)).toEqual(before);
  });

  it('at least six of them are searched to the end', () => {
    expect(ended.length, ended.join(', ')).toBeGreaterThanOrEqual(6);
  });
});
