import { Argument, Command } from 'commander';
import { type BackupManifest, backUp, restore } from '../../memory/index.ts';
import { jsonLine, printable, systemClock } from '../../platform/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, pathArgument, withOptions } from '../options.ts';

interface Options {
  home: string;
  json?: boolean;
}

function print(verb: string, manifest: BackupManifest, to: string, { json }: Options): number {
  const bytes = manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  const { searches } = manifest;
  process.stdout.write(
    json
      ? `${jsonLine({ ...manifest, to })}\n`
      : `${verb} ${searches.length} search${searches.length === 1 ? '' : 'es'}, ${(bytes / 1e6).toFixed(1)} MB, to ${printable(to)}\n`,
  );
  return exitCodes.ok;
}

const folderArgument = () => new Argument('<folder>', 'the folder of the backup').argParser(pathArgument);

export function backupCommands(done: (code: number) => void): Command[] {
  const backup = new Command('backup')
    .description('copy a lab to a new folder, also while its searches run')
    .addArgument(folderArgument())
    .action((folder: string, options: Options) =>
      done(print('copied', backUp(options.home, folder, systemClock.now()), folder, options)),
    );
  const restored = new Command('restore')
    .description('make a lab of a backup, in a home without one')
    .addArgument(folderArgument())
    .action((folder: string, options: Options) =>
      done(print('restored', restore(folder, options.home, systemClock.now()), options.home, options)),
    );
  return [backup, restored].map((command) => withOptions(command, homeOption(), jsonOption()));
}
