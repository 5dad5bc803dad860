import type { SearchId } from '../../domain/ids.ts';
import { type TableFormat, type Tracker, writeRuns, writeTables } from '../../export/index.ts';
import { readArchive } from '../../memory/index.ts';
import { jsonLine, printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { pathArgument } from '../options.ts';
import { hiddenScores } from './report.ts';

interface Options {
  readonly home: string;
  readonly json?: boolean;
  readonly out?: string;
  readonly withTest?: boolean;
}

/** `aira export SEARCH --to …`: the search in the folder of an experiment tracker. */
export async function exportRuns(search: SearchId, options: Options & { readonly to: Tracker }): Promise<number> {
  const { home, to: tracker } = options;
  const tests = options.withTest ? await hiddenScores(home, search, 'export --with-test') : [];
  const reader = readArchive(home);
  try {
    const written = await writeRuns(reader, search, { tracker, folder: pathArgument(options.out ?? search), tests });
    const { version, runs, show } = written;
    process.stdout.write(
      options.json
        ? `${jsonLine(written)}\n`
        : `${runs} run${runs === 1 ? '' : 's'} written by ${tracker} ${printable(version)}; show them with: ${printable(show)}\n`,
    );
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

/** `aira export SEARCH --format …`: the tables of a search, one file each. */
export async function exportTables(
  search: SearchId,
  options: Options & { readonly format: TableFormat },
): Promise<number> {
  const { home, format } = options;
  const tests = options.withTest ? await hiddenScores(home, search, 'export --with-test') : [];
  const reader = readArchive(home);
  try {
    const folder = pathArgument(options.out ?? search);
    const written = await writeTables(reader, search, { format, folder, tests });
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
