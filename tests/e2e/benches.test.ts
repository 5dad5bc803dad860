/** The measurements of the laboratory run, at their smallest size, and write tables whose heads stand over their cells. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, it, onTestFinished } from 'vitest';
import { readArchive } from '../../src/memory/index.ts';
import { temporaryFolder } from '../support/home.ts';

const installation = inject('installation');

async function bench(name: string, ...args: string[]): Promise<void> {
  await promisify(execFile)(process.execPath, [join(installation, 'bench', `${name}.mjs`), ...args]);
}

/** The first table of a section, as cells. */
function tableOf(section: string): string[][] {
  const page = readFileSync(join(installation, 'BENCHMARKS.md'), 'utf8');
  const text = page.split(`<!-- ${section}: begin -->`)[1]?.split(`<!-- ${section}: end -->`)[0] ?? '';
  const lines = text.split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const rows = lines.slice(first).slice(
    0,
    lines.slice(first).findIndex((line) => !line.startsWith('|')),
  );
  return rows.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

it('of the ledger', async () => {
  await bench('ledger', '1000');
  const [heads = [], rule, ...rows] = tableOf('ledger');
  expect(heads).toContain('on the clock, ms');
  expect(rows.map(([size]) => size)).toEqual(['1000']);
  for (const row of [rule, ...rows]) expect(row).toHaveLength(heads.length);
});

it('of a laboratory with many workers', async () => {
  await bench('load', '6', '3', '48', '100');
  const figures = new Map(tableOf('load').map(([name, figure]) => [name, figure]));
  expect(figures.get('workers, each a connection, 50 to a process')).toBe('6');
  expect(figures.get('evaluations, with pauses of 50 to 150 ms for trainings')).toBe('48');
  expect(figures.get('started trainings without a result')).toBe('0');
  for (const figure of figures.values()) expect(figure).not.toMatch(/NaN|undefined|Infinity/);
});

it('of the pages have a finished search, whose best fifth was confirmed', async () => {
  const home = join(temporaryFolder(), 'home');
  const program = 'const [module, home] = process.argv.slice(1); (await import(module)).finishedHome(home, 50);';
  const module = join(installation, 'bench/pages/finished.mjs');
  await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, module, home]);
  const reader = readArchive(home);
  onTestFinished(() => reader.close());
  const [search] = reader.searches.list();
  if (search === undefined) throw new Error('no search was filled');
  const { phase, doneOn } = reader.searchStatus.of(search.id);
  expect([phase, doneOn.confirm]).toEqual(['finished', 10]);
});
