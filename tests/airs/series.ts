import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { importData } from '../../src/tasks/dataImport.ts';

/** A task by somebody else, whose scripts know nothing of Aira. */
export const syntheticTask = resolve('tests/airs/TimeSeriesForecastingSyntheticWeeklyMAE');

/** Its raw data, imported into a data folder: 137 waves of one year, each with a level and a phase of its own. */
export async function importSeries(folder: string): Promise<void> {
  const source = mkdtempSync(join(tmpdir(), 'aira-series-'));
  const lines = Array.from({ length: 137 }, (_, row) => {
    const values = Array.from({ length: 52 }, (_, week) => {
      const wave = Math.sin((2 * Math.PI * (week + 7 * row)) / (6 + (row % 9)));
      return Math.round(100 * (10 + (row % 13) + 3 * wave)) / 100;
    });
    return `"${JSON.stringify(values)}"`;
  });
  writeFileSync(join(source, 'series.csv'), `target\n${lines.join('\n')}\n`);
  mkdirSync(folder, { recursive: true });
  await importData({ name: 'synthetic/weekly-series/default', source, folder, replace: false });
  rmSync(source, { recursive: true });
}

/** The same with words for answers: metadata, labels and header as some of the published directories write them. */
export const wordsTask = resolve('tests/airs/TextLabelsSyntheticAccuracy');

/** Its raw data, imported: sorted by their answers, which are words that read as missing among others. */
export async function importWords(folder: string): Promise<void> {
  const source = mkdtempSync(join(tmpdir(), 'aira-words-'));
  const words = ['NA', 'nan', 'null', 'yes', 'no'];
  for (const [split, rows] of Object.entries({ train: 100, test: 40 })) {
    const lines = Array.from({ length: rows }, (_, row) => {
      const word = words[Math.floor((row * words.length) / rows)];
      return `"about ${word}, \u2028 \f""${row}""\nand more",${word}`;
    });
    writeFileSync(join(source, `${split}.csv`), `text,label\n${lines.join('\r\n')}\r\n\r\n`);
  }
  mkdirSync(folder, { recursive: true });
  await importData({ name: 'synthetic/text-labels/default', source, folder, replace: false });
  rmSync(source, { recursive: true });
}
