import { Argument, Command } from 'commander';
import type { SearchId } from '../../domain/ids.ts';
import { readArchive } from '../../memory/index.ts';
import { jsonLine } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, searchArgument, withOptions } from '../options.ts';
import { showScaleResults } from '../scale/results.ts';
import { hiddenScores, writeReport } from '../writeReport.ts';

async function report(search: SearchId, { home, json }: { home: string; json?: boolean }): Promise<number> {
  const reader = readArchive(home);
  const spec = reader.searches.spec(search);
  const source = reader.searches.source(search);
  const isOpen = reader.searches.isOpen(search);
  reader.close();
  if (spec.scale) return showScaleResults(home, spec, source, json === true);
  // The report on a running search has no test scores (I4).
  const tests = isOpen ? [] : await hiddenScores(home, search, 'report');
  const page = await writeReport(home, search, tests);
  process.stdout.write(json ? `${jsonLine(page.machineReadable)}\n` : `${page.summary}report: ${page.path}\n`);
  return exitCodes.ok;
}

export function reportCommand(done: (code: number) => void): Command {
  const command = new Command('report')
    .description('write the report of a search or a scale plan')
    .addArgument(new Argument('<search>', 'the search, or the search of a plan').argParser(searchArgument))
    .action(async (search: SearchId, options: { home: string; json?: boolean }) => done(await report(search, options)));
  return withOptions(command, homeOption(), jsonOption());
}
