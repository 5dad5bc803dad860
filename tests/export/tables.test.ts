import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { type TableFormat, tablesPage, writeTables } from '../../src/export/index.ts';
import type { TestScore } from '../../src/memory/index.ts';
import { readArchive } from '../../src/memory/reader.ts';
import { hostile, smallLab as lab } from '../support/exported.ts';
import { temporaryFolder } from '../support/home.ts';
import { searchSpec } from '../support/specs.ts';

async function written(home: string, format: TableFormat, tests: TestScore[] = []): Promise<(table: string) => string> {
  const folder = join(temporaryFolder(), 'tables');
  const reader = readArchive(home);
  try {
    await writeTables(reader, searchSpec({}).id, { format, folder, tests });
  } finally {
    reader.close();
  }
  return (table) => join(folder, `${table}.${format}`);
}

async function parquetRows(path: string): Promise<Record<string, unknown>[]> {
  const bytes = readFileSync(path);
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return parquetReadObjects({ file });
}

describe('the tables of a search', () => {
  it('hold the same in every format, in the metric, with hostile text unchanged', async () => {
    const home = lab();
    const formats = ['jsonl', 'csv', 'parquet'] as const;
    const [jsonl, csv, parquet] = await Promise.all(formats.map((format) => written(home, format)));
    const lines = (table: string) =>
      readFileSync(jsonl?.(table) ?? '', 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
    const nodes = lines('nodes');
    const onRung = (rung: string) => lines('evaluations').find((each) => each.node === 'ada-1' && each.rung === rung);
    expect(nodes.map(({ status }) => status)).toEqual(['evaluated', 'failed', 'rejected']);
    expect(nodes[0]).toMatchObject({ score: 0.5, expected: 0.25, choice: hostile, change: '', parents: [] });
    expect(nodes[0]).toMatchObject({ reason: null, message: null });
    expect(onRung('final')).toMatchObject({ status: 'failed', reason: 'oom' });
    expect(nodes[1]).toMatchObject({ score: null, reason: 'nan', message: hostile });
    expect(nodes[0].created_at).toBe('2023-11-14T22:13:20.000Z');
    expect(onRung('screen')).toMatchObject({
      score: 0.5,
      test_score: null,
      task_scores: { recall: { validation: 0.5 } },
      curve: [[10, -0.75]],
    });
    expect(lines('readings')[0]).toMatchObject({ position: 1, query: hostile, failed: 'no service answered' });

    const rows = await parquetRows(parquet?.('nodes') ?? '');
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatchObject({ score: 0.5, choice: hostile, change: '', attempt: 1n, cached: false });
    expect(rows[0]?.created_at).toEqual(new Date(1_700_000_000_000));
    expect(rows[2]).toMatchObject({ status: 'rejected', score: null, cached: null });

    const text = readFileSync(csv?.('nodes') ?? '', 'utf8');
    expect(text).toContain(`"${hostile.replaceAll('"', '""')}","",`);
    expect(text.split('\r\n')[0]).toBe(Object.keys(nodes[0]).join(','));
  });

  it('have hidden scores in the metric, on the rung that has them, if they are given', async () => {
    const tests = [{ node: 'ada-1' as never, seed: 2001, score: -0.75, floors: {} }];
    const evaluations = (await written(lab(), 'jsonl', tests))('evaluations');
    const rows = readFileSync(evaluations, 'utf8').trimEnd().split('\n');
    const shown = rows.map((row) => JSON.parse(row)).filter(({ test_score }) => test_score !== null);
    expect(shown).toEqual([expect.objectContaining({ node: 'ada-1', rung: 'final', seed: 2001, test_score: 0.75 })]);
  });

  it('are read by pandas and polars', { timeout: 120_000 }, async ({ skip }) => {
    const python = process.env.AIRA_TABLES_PYTHON ?? 'python3';
    if (spawnSync(python, ['-c', 'import pandas, polars, pyarrow']).status !== 0) {
      skip('needs a Python with pandas, polars and pyarrow: set AIRA_TABLES_PYTHON');
    }
    const home = lab();
    const tables = await Promise.all((['csv', 'parquet'] as const).map((format) => written(home, format)));
    const [csv, parquet] = tables.map((path) => path('nodes'));
    const script = `
import json, sys, pandas, polars
csv, parquet = sys.argv[1:]
frames = [pandas.read_csv(csv), pandas.read_parquet(parquet)]
rows = [[list(f.status), f.choice[0], None if f.score.isna()[1] else 1, f.score[0], str(pandas.to_datetime(f.created_at)[0])] for f in frames]
p = polars.read_parquet(parquet)
rows.append([list(p['status']), p['choice'][0], p['score'][1], p['score'][0], str(p['created_at'][0])])
q = polars.read_csv(csv)
rows.append([list(q['status']), q['choice'][0], q['score'][1], q['score'][0], q['created_at'][0]])
print(json.dumps(rows))`;
    const { stdout, stderr } = spawnSync(python, ['-c', script, csv ?? '', parquet ?? ''], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const rows = JSON.parse(stdout) as unknown[][];
    expect(rows).toHaveLength(4);
    for (const [status, choice, missing, score, at] of rows) {
      expect(status).toEqual(['evaluated', 'failed', 'rejected']);
      expect([choice, missing, score]).toEqual([hostile, null, 0.5]);
      expect(at).toMatch(/^2023-11-14[ T]22:13:20/);
    }
  });

  it('are described on a page made from their definition', () => {
    expect(readFileSync('docs/export.md', 'utf8')).toBe(tablesPage());
  });
});
