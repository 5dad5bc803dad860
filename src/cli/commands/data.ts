import { Command } from 'commander';
import { coloursFor, printable } from '../../platform/index.ts';
import { changedData, type DataRecord, dataFolder, dataSetNames, importData, importedData } from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, withOptions } from '../options.ts';

const colours = coloursFor(process.stdout);

const size = (bytes: number): string =>
  bytes < 1e6
    ? `${Math.ceil(bytes / 1e3)} kB`
    : bytes < 1e9
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytes / 1e9).toFixed(1)} GB`;

function describe({ name, files, bytes }: DataRecord): string {
  const count = Object.keys(files).length;
  return `${name}: ${count} ${count === 1 ? 'file' : 'files'}, ${size(bytes)}`;
}

/** Tables and columns printed per data set; the record lists all. */
const maxTables = 8;
const maxColumns = 8;

/** The contents of a data set, one line each. */
function contents(record: DataRecord): string {
  if (record.v === 1) return '';
  const { documents, tables, notes } = record;
  const lines = tables.slice(0, maxTables).map(({ file, rows, encoding, columns }) => {
    const columnTexts = columns
      .slice(0, maxColumns)
      .map(({ name, type, nulls }) => `${name} ${type}${nulls > 0 ? ` (${nulls} empty)` : ''}`);
    const more = columns.length > maxColumns ? `, ${columns.length - maxColumns} more` : '';
    return `${file}: ${rows} rows, ${encoding}${columnTexts.length > 0 ? `: ${columnTexts.join(', ')}${more}` : ''}`;
  });
  if (tables.length > maxTables) lines.push(`${tables.length - maxTables} more tables`);
  if (documents > 0) lines.push(`${documents} ${documents === 1 ? 'document' : 'documents'}`);
  lines.push(...notes.map((note) => `note: ${note}`));
  return lines.map((line) => `  ${printable(line, { width: 500 })}\n`).join('');
}

async function importFolder(
  name: string,
  source: string,
  options: { home: string; replace?: boolean },
): Promise<number> {
  const record = await importData({
    name,
    source,
    folder: dataFolder(options.home),
    replace: options.replace ?? false,
  });
  process.stdout.write(`${describe(record)}in ${dataFolder(options.home)}\n${contents(record)}`);
  return exitCodes.ok;
}

async function list(options: { home: string; verify?: boolean }): Promise<number> {
  const folder = dataFolder(options.home);
  const records = importedData(folder);
  if (records.length === 0) process.stdout.write(`no data sets in ${folder}\n`);
  let changed = false;
  for (const record of records) {
    process.stdout.write(`${describe(record)}\n`);
    for (const problem of options.verify ? await changedData(folder, record) : []) {
      changed = true;
      process.stdout.write(`${colours.red('no  ')} ${printable(problem, { width: 1000 })}\n`);
    }
  }
  return changed ? exitCodes.failed : exitCodes.ok;
}

export function dataCommand(done: (code: number) => void): Command {
  const importing = new Command('import')
    .description('copy a data set into the data folder and record checksums')
    .argument('<name>', `${dataSetNames.join(', ')}, a task that reads one, or any name such as org/name/config`)
    .argument('<folder>', 'folder with the files')
    .action(async (name: string, source: string, options: { home: string; replace?: boolean }) =>
      done(await importFolder(name, source, options)),
    );
  withOptions(importing, homeOption()).option('--replace', 'overwrite an existing import');
  const listing = new Command('list')
    .description('list imported data sets')
    .action(async (options: { home: string; verify?: boolean }) => done(await list(options)));
  withOptions(listing, homeOption()).option('--verify', 'recompute and compare every checksum');
  return new Command('data').description('import and list data sets').addCommand(importing).addCommand(listing);
}
