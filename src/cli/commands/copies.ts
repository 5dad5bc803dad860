/**
 * A lab or a search as files that can be read back: `aira backup` and `aira restore` of a home, `aira export --format ro-crate` and
 * `aira import` of a search.
 */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { recordingPath } from '../../actors/index.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import type { SearchId } from '../../domain/ids.ts';
import { openCrate, writeCrate } from '../../export/index.ts';
import { type BackupManifest, backUp, importSearch, privateHome, readArchive, restore } from '../../memory/index.ts';
import { jsonLine, makeFolder, printable, systemClock } from '../../platform/index.ts';
import { reportHtml } from '../../report/index.ts';
import { claimRecord } from '../../views/index.ts';
import { exitCodes } from '../fail.ts';
import { homeOption, jsonOption, option, pathArgument, withOptions } from '../options.ts';
import { hiddenScores, reportOf } from './report.ts';
import { versionLine } from './setup.ts';

interface BackupOptions {
  home: string;
  json?: boolean;
}

function print(verb: string, manifest: BackupManifest, to: string, { json }: BackupOptions): number {
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
    .action((folder: string, options: BackupOptions) =>
      done(print('copied', backUp(options.home, folder, systemClock.now()), folder, options)),
    );
  const restored = new Command('restore')
    .description('make a lab of a backup, in a home without one')
    .addArgument(folderArgument())
    .action((folder: string, options: BackupOptions) =>
      done(print('restored', restore(folder, options.home, systemClock.now()), options.home, options)),
    );
  return [backup, restored].map((command) => withOptions(command, homeOption(), jsonOption()));
}

/** `aira export SEARCH --format ro-crate`: a finished search as one file. */
export async function exportCrate(
  search: SearchId,
  options: { readonly home: string; readonly json?: boolean; readonly out?: string },
): Promise<number> {
  const { home } = options;
  const path = pathArgument(options.out ?? `${search}.crate.zip`);
  if (existsSync(path)) throw new PrerequisiteError('file-exists', `${path} exists already`, 'choose another --out');
  const open = readArchive(home);
  const finished = open.searches.phase(search) === 'finished';
  open.close();
  // The hidden scores are among the rows that leave, which is an access (I4).
  const tests = finished ? await hiddenScores(home, search, 'export --with-test') : [];
  const aira = await versionLine();
  const reader = readArchive(home);
  try {
    const data = reportOf(reader, search, tests);
    const recording = recordingPath(home, search);
    const written = writeCrate(reader, search, path, {
      ...{ tests, report: await reportHtml(data), claims: claimRecord(data), aira },
      recording: existsSync(recording) ? recording : null,
    });
    process.stdout.write(
      options.json
        ? `${jsonLine({ search, ...written })}\n`
        : `${printable(path)}: ${written.files} files, ${(written.bytes / 1e6).toFixed(1)} MB, SHA-256 ${written.sha256}\n`,
    );
    return exitCodes.ok;
  } finally {
    reader.close();
  }
}

interface ImportOptions {
  readonly home: string;
  readonly json?: boolean;
  readonly sha256?: string;
}

function imported(path: string, { home, json, sha256 }: ImportOptions): number {
  const { manifest, digest, ledger, recording } = openCrate(path);
  if (sha256 !== undefined && sha256 !== digest) {
    throw new PrerequisiteError(
      'crate-digest',
      `${path} has the SHA-256 ${digest}, not the expected one`,
      'ask its sender for the file again',
    );
  }
  const { search, archive, aira } = manifest;
  privateHome(home);
  const answers = recordingPath(home, search);
  if (recording !== null && !existsSync(answers)) {
    makeFolder(join(home, 'calls'), 0o700);
    writeFileSync(`${answers}.part`, recording, { mode: 0o600 });
  }
  try {
    importSearch(home, search, { archive, digest }, ledger, systemClock.now());
    // The archive has the search now; without its answers the audit says what it cannot check.
    if (existsSync(`${answers}.part`)) renameSync(`${answers}.part`, answers);
  } finally {
    rmSync(`${answers}.part`, { force: true });
  }
  const check = `aira audit ${search} --home ${home}`;
  process.stdout.write(
    json
      ? `${jsonLine({ search, home, sha256: digest, writtenBy: aira, check })}\n`
      : `imported ${search}, written by ${printable(aira, { width: 200 })}; check it with: ${printable(check)}\n`,
  );
  return exitCodes.ok;
}

function digestArgument(text: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError('expected 64 hexadecimal digits');
  return text.toLowerCase();
}

export function importCommand(done: (code: number) => void): Command {
  const command = new Command('import')
    .description('make a lab of a search that someone exported as a ro-crate, to check its claims')
    .addArgument(new Argument('<file>', 'the file').argParser(pathArgument))
    .action((file: string, options: ImportOptions) => done(imported(file, options)));
  return withOptions(
    command,
    homeOption(),
    option('--sha256 <digest>', 'the digest that the sender states').argParser(digestArgument),
    jsonOption(),
  );
}
