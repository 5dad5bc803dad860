/**
 * Imports data into the data folder.
 *
 * IMP-1. A data set under its own name is complete: it is copied to a temporary folder, checked, and renamed.
 * IMP-2. The SHA-256 of every file is recorded, as read and verified as written, so that a later change shows.
 * IMP-3. Only regular files are copied; a link is refused, because its target may change or be private.
 * IMP-4. Imported data are readable: each file is read as trainers do, before the data set gets its name.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PrerequisiteError } from '../domain/errors.ts';
import { dataNamePattern } from '../domain/evaluation.ts';
import { findPython, makeFolder } from '../platform/index.ts';
import { digestOfFile, plainFiles } from './content.ts';
import {
  type DataKind,
  type DataRecord,
  dataSetOf,
  holdsShards,
  type Inspection,
  inspectData,
  kindOf,
  recordsFolder,
  requireOwnName,
  requireShape,
  writeRecord,
} from './dataSets.ts';

interface ImportOptions {
  /** A data set, or a task that reads one. */
  readonly name: string;
  readonly source: string;
  /** The data folder. */
  readonly folder: string;
  /** Replace existing data of this name. */
  readonly replace: boolean;
}

/**
 * @throws PrerequisiteError `data-unknown`, `data-malformed` with file, row and remedy, `data-exists`, `data-name`, or
 * `data-link` with the file; and the errors of `findPython`.
 */
export async function importData({ name, source, folder, replace }: ImportOptions): Promise<DataRecord> {
  const set = dataSetOf(name);
  const from = resolve(source);
  requireShape(set, from);
  for (const path of plainFiles(from)) requirePlainName(from, path);
  return place({ name: set, folder, replace }, async (target) => {
    const python = await findPython();
    const copied = await copyAll(from, target);
    // Inspect the copy: it is what trainers will read, whatever happens to the source.
    const { kind, inspection } = await inspectAs(set, python, target, from);
    const { documents, tables, notes } = inspection;
    return { ...copied, kind, documents, tables, notes };
  });
}

/**
 * Lets `fill` write a data set into a folder that does not exist yet, gives it its name and records it (IMP-1).
 *
 * @throws PrerequisiteError `data-exists`, `data-name`; the errors of `fill`.
 */
async function place(
  { name, folder, replace }: Omit<ImportOptions, 'source'>,
  fill: (target: string) => Promise<Omit<Extract<DataRecord, { v: 2 }>, 'v' | 'name'>>,
): Promise<DataRecord> {
  requireOwnName(folder, name);
  const target = join(folder, name);
  if (existsSync(target) && !replace) {
    throw new PrerequisiteError('data-exists', `${target} already exists`, 'add --replace to overwrite it');
  }
  makeFolder(recordsFolder(folder));
  const staging = mkdtempSync(join(folder, '.importing-'));
  try {
    const record: DataRecord = { v: 2, name, ...(await fill(join(staging, 'data'))) };
    mkdirSync(dirname(target), { recursive: true });
    if (existsSync(target)) renameSync(target, join(staging, 'old'));
    renameSync(join(staging, 'data'), target);
    writeRecord(folder, record, staging);
    return record;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

interface TokenImport extends Omit<ImportOptions, 'source'> {
  /** Writes the token shards into a folder that does not exist yet, and says how many documents and what else is worth noting. */
  readonly build: (target: string) => Promise<{ documents: number; notes: string[] }>;
}

/**
 * Writes token shards under a name of the user, as `importData` does for files that are copied.
 *
 * @throws PrerequisiteError `data-exists`, `data-name`; the errors of `build`.
 */
export async function importTokens({ name, folder, replace, build }: TokenImport): Promise<DataRecord> {
  if (!dataNamePattern.test(name) || kindOf(name) !== null) {
    const message = `"${name}" cannot be the name of token shards`;
    throw new PrerequisiteError('data-name', message, 'use letters, digits, dots and hyphens, such as web-bpe');
  }
  return place({ name, folder, replace }, async (target) => {
    const { documents, notes } = await build(target);
    const files: Record<string, string> = {};
    let bytes = 0;
    for (const path of plainFiles(target)) {
      files[path] = await digestOfFile(join(target, path));
      bytes += lstatSync(join(target, path)).size;
    }
    return { files, bytes, kind: 'tokens', documents, tables: [], notes };
  });
}

/** Inspects data by kind; shards under a custom name may be a corpus, or raw data of a task. */
async function inspectAs(
  set: string,
  python: string,
  copy: string,
  named: string,
): Promise<{ kind: DataKind; inspection: Inspection }> {
  const inspect = async (kind: DataKind) => ({ kind, inspection: await inspectData(python, kind, copy, named) });
  const kind = kindOf(set);
  if (kind !== null) return inspect(kind);
  if (set.includes('/') || !holdsShards(copy)) return inspect('raw');
  try {
    return await inspect('corpus');
  } catch (thrown) {
    if (!(thrown instanceof PrerequisiteError)) throw thrown;
    const raw = await inspect('raw');
    const note = `not usable as training text: ${thrown.message}`;
    return { ...raw, inspection: { ...raw.inspection, notes: [note, ...raw.inspection.notes] } };
  }
}

/** @throws PrerequisiteError `data-file-name` for a name that terminals, records or other systems would show differently. */
function requirePlainName(folder: string, path: string): void {
  // Control and format characters such as direction marks, line separators, and replacements for bytes that are not text.
  if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u.test(path)) return;
  const shown = JSON.stringify(path).replaceAll(
    /[^\x20-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  throw new PrerequisiteError(
    'data-file-name',
    `a file below ${folder} has a name with unprintable characters: ${shown.slice(0, 300)}`,
    'rename the file, then import again',
  );
}

async function copyAll(from: string, to: string): Promise<Pick<DataRecord, 'files' | 'bytes'>> {
  const files: Record<string, string> = {};
  let bytes = 0;
  for (const path of plainFiles(from)) {
    const target = join(to, path);
    mkdirSync(dirname(target), { recursive: true });
    const read = createHash('sha256');
    const counted = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        read.update(chunk);
        bytes += chunk.length;
        done(null, chunk);
      },
    });
    await pipeline(createReadStream(join(from, path)), counted, createWriteStream(target, { flags: 'wx' }));
    const digest = read.digest('hex');
    if ((await digestOfFile(target)) !== digest) {
      throw new PrerequisiteError(
        'data-copy',
        `the copy of ${path} differs from the original`,
        'check the disk, then import again',
      );
    }
    files[path] = digest;
  }
  return { files, bytes };
}

/** Differences between the files and their import record, as sentences; none if unchanged. */
export async function changedData(folder: string, { name, files }: DataRecord): Promise<string[]> {
  const root = join(folder, name);
  if (!existsSync(root)) return [`${root} is missing`];
  const problems: string[] = [];
  for (const [path, digest] of Object.entries(files)) {
    const file = join(root, path);
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) problems.push(`${file} is missing`);
    else if ((await digestOfFile(file)) !== digest) problems.push(`${file} has changed since it was imported`);
  }
  // Trainers read every file in the folder.
  for (const path of plainFiles(root)) {
    if (!Object.hasOwn(files, path)) problems.push(`${join(root, path)} was not imported`);
  }
  return problems;
}

/** A lab's folder of imported data: absolute, because its readers start elsewhere. */
export const dataFolder = (home: string): string => resolve(home, 'data');
