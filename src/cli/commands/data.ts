import { resolve } from 'node:path';
import { Command } from 'commander';
import { PrerequisiteError, TerminalError } from '../../domain/errors.ts';
import { buildTokens } from '../../evaluators/index.ts';
import { coloursFor, findPython, printable } from '../../platform/index.ts';
import {
  changedData,
  type DataRecord,
  dataFolder,
  dataSetNames,
  importData,
  importedData,
  importTokens,
} from '../../tasks/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, numberWithin, option, withOptions } from '../options.ts';

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

interface ImportOptions {
  home: string;
  replace?: boolean;
  tokenizer?: string;
  validation: number;
}

/** Encodes text for `aira scale`: .txt, .jsonl and .parquet files as shards of tokens. */
async function importText(name: string, source: string, options: ImportOptions & { tokenizer: string }) {
  const python = await findPython();
  const { tokenizer, validation } = options;
  // A tokenizer.json is named by its path, which the trainer reads from another folder.
  const known = /^(bytes|bpe:\d+)$/.test(tokenizer) ? tokenizer : resolve(tokenizer);
  return importTokens({
    name,
    folder: dataFolder(options.home),
    replace: options.replace ?? false,
    build: async (target) => {
      const from = { folder: resolve(source) };
      try {
        const built = await buildTokens(python, { from, tokenizer: known, validation: validation / 100 }, target);
        const { vocabulary, tokens, documents, digest } = built;
        const notes = [
          `${tokens.train} tokens to train on, ${tokens.validation} to validate, ${vocabulary} in the vocabulary of ${tokenizer}`,
          `digest ${digest}`,
        ];
        return { documents: documents.train + documents.validation, notes };
      } catch (thrown) {
        if (!(thrown instanceof TerminalError) || thrown.code !== 'scale-request') throw thrown;
        throw new PrerequisiteError('data-malformed', thrown.message, 'correct the folder or the options', {
          cause: thrown,
        });
      }
    },
  });
}

async function importFolder(name: string, source: string, options: ImportOptions): Promise<number> {
  const { tokenizer } = options;
  const record =
    tokenizer === undefined
      ? await importData({ name, source, folder: dataFolder(options.home), replace: options.replace ?? false })
      : await importText(name, source, { ...options, tokenizer });
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
    .action(async (name: string, source: string, options: ImportOptions) =>
      done(await importFolder(name, source, options)),
    );
  withOptions(
    importing,
    homeOption(),
    option('--tokenizer <name>', 'for aira scale: encode the text of the folder with bytes, bpe:N or a tokenizer.json'),
    option('--validation <percent>', 'with --tokenizer: share of the documents that validates')
      .argParser(numberWithin(1, 50))
      .default(2),
  ).option('--replace', 'overwrite an existing import');
  const listing = new Command('list')
    .description('list imported data sets')
    .action(async (options: { home: string; verify?: boolean }) => done(await list(options)));
  withOptions(listing, homeOption()).option('--verify', 'recompute and compare every checksum');
  return new Command('data').description('import and list data sets').addCommand(importing).addCommand(listing);
}
