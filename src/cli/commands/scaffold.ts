import { Command } from 'commander';
import { checkScaffoldFile, scaffoldFiles, scaffoldFolders } from '../../agents/index.ts';
import { printable } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, pathArgument, scaffoldsOption, withOptions } from '../options.ts';

interface ScaffoldOptions {
  home: string;
  scaffolds?: readonly string[];
}

async function checkScaffold(path: string): Promise<number> {
  const { sha256, settings } = await checkScaffoldFile(path);
  const set = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const lines = [
    'decides on an empty view and in two searches in memory, twice the same',
    `settings: ${set.length > 0 ? set.join(', ') : 'none'}`,
    `sha256: ${sha256}`,
  ];
  process.stdout.write(printable(`${lines.join('\n')}\n`, { lines: true }));
  return exitCodes.ok;
}

/** Scaffolds of the user. */
export function scaffoldCommand(done: (code: number) => void): Command {
  const checking = new Command('check')
    .description('validate the file of one scaffold: exports, decisions, purity')
    .argument('<file>', 'an ES module; its name is the scaffold’s', pathArgument)
    .action(async (file: string) => done(await checkScaffold(file)));
  const ls = new Command('ls')
    .description('list the scaffolds of your own that searches of this home can use')
    .action((options: ScaffoldOptions) => {
      const files = scaffoldFiles(scaffoldFolders(options.scaffolds ?? [], undefined, options.home));
      for (const { name, path } of files) process.stdout.write(`${printable(`${name} ${path}`)}\n`);
      done(exitCodes.ok);
    });
  return new Command('scaffold')
    .description('search policies of your own')
    .addCommand(checking)
    .addCommand(withOptions(ls, homeOption(), scaffoldsOption()));
}
