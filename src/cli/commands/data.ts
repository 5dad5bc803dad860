import { Command } from 'commander';
import pc from 'picocolors';
import { changedData, dataFolder, dataSetNames, importData, importedData } from '../../evaluators/index.ts';
import { printable } from '../../platform/printable.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, withOptions } from '../options.ts';

const size = (bytes: number): string =>
  bytes < 1e6
    ? `${Math.ceil(bytes / 1e3)} kB`
    : bytes < 1e9
      ? `${(bytes / 1e6).toFixed(1)} MB`
      : `${(bytes / 1e9).toFixed(1)} GB`;

async function bring(name: string, source: string, options: { home: string; replace?: boolean }): Promise<number> {
  const record = await importData({
    name,
    source,
    folder: dataFolder(options.home),
    replace: options.replace ?? false,
  });
  const files = Object.keys(record.files).length;
  process.stdout.write(`${record.name}: ${files} files, ${size(record.bytes)}, in ${dataFolder(options.home)}\n`);
  return exitCodes.ok;
}

async function list(options: { home: string; verify?: boolean }): Promise<number> {
  const folder = dataFolder(options.home);
  const records = importedData(folder);
  if (records.length === 0) process.stdout.write(`nothing has been imported into ${folder}\n`);
  let changed = false;
  for (const record of records) {
    process.stdout.write(`${record.name}: ${Object.keys(record.files).length} files, ${size(record.bytes)}\n`);
    for (const problem of options.verify ? await changedData(folder, record) : []) {
      changed = true;
      process.stdout.write(`${pc.red('no  ')} ${printable(problem, { width: 1000 })}\n`);
    }
  }
  return changed ? exitCodes.failed : exitCodes.ok;
}

export function dataCommand(done: (code: number) => void): Command {
  const importing = new Command('import')
    .description('copy a data set into the data folder, with the checksum of every file')
    .argument(
      '<name>',
      `${dataSetNames.join(', ')}, a task that reads one, or a name of your own such as org/name/config`,
    )
    .argument('<folder>', 'where the files are')
    .action(async (name: string, source: string, options: { home: string; replace?: boolean }) =>
      done(await bring(name, source, options)),
    );
  withOptions(importing, homeOption()).option('--replace', 'take the place of what is there');
  const listing = new Command('list')
    .description('what has been imported')
    .action(async (options: { home: string; verify?: boolean }) => done(await list(options)));
  withOptions(listing, homeOption()).option('--verify', 'read every file and compare its checksum');
  return new Command('data').description('data sets from elsewhere').addCommand(importing).addCommand(listing);
}
