import { Argument, Command } from 'commander';
import type { SearchId } from '../../domain/ids.ts';
import { type TableFormat, tableFormats, writeTables } from '../../export/index.ts';
import { readArchive } from '../../memory/index.ts';
import { jsonLine, printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, searchArgument, withOptions } from '../options.ts';
import { hiddenScores } from '../writeReport.ts';

interface ExportOptions {
  home: string;
  json?: boolean;
  format: TableFormat;
  out?: string;
  withTest?: boolean;
}

async function exportTables(search: SearchId, options: ExportOptions): Promise<number> {
  const { home, format } = options;
  const tests = options.withTest ? await hiddenScores(home, search, 'export --with-test') : [];
  const reader = readArchive(home);
  try {
    const folder = pathArgument(options.out ?? search);
    const written = writeTables(reader, search, { format, folder, tests });
    for (const { name, path, rows } of written) {
      process.stdout.write(
        options.json
          ? `${jsonLine({ table: name, path, rows })}\n`
          : `${`${rows}`.padStart(7)} ${name.padEnd(11)} ${printable(path)}\n`,
      );
    }
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

export function exportCommand(done: (code: number) => void): Command {
  const command = new Command('export')
    .description('write the tables of a search, for pandas, polars and other programs')
    .addArgument(new Argument('<search>', 'the search').argParser(searchArgument))
    .action(async (search: SearchId, options: ExportOptions) => done(await exportTables(search, options)));
  return withOptions(
    command,
    homeOption(),
    option('--format <format>', 'file format').choices(tableFormats).default('csv'),
    option('--out <dir>', 'folder of the tables (default: a folder with the name of the search)'),
    option('--with-test', 'add hidden test scores of a finished search; the access is recorded'),
    jsonOption(),
  );
}
