import type { SearchId } from '../../domain/ids.ts';
import { type TableFormat, writeTables } from '../../export/index.ts';
import { readArchive } from '../../memory/index.ts';
import { jsonLine, printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { pathArgument } from '../options.ts';
import { hiddenScores } from '../writeReport.ts';

/** `aira export SEARCH --format …`: the tables of a search, one file each. */
export async function exportTables(
  search: SearchId,
  options: {
    readonly home: string;
    readonly json?: boolean;
    readonly format: TableFormat;
    readonly out?: string;
    readonly withTest?: boolean;
  },
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
