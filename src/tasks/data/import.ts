/**
 * Brings data from elsewhere into the data folder.
 *
 *   I1  A data set under its own name is complete: it is copied beside it, checked, and renamed.
 *   I2  Every file's SHA-256 is recorded, of what was read and again of what was written, so that a later change shows.
 *   I3  Only plain files are copied; a link is refused, since what it points to may change or be private.
 *   I4  What is imported can be read: each file was, as trainers read it, before the data set has its name.
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
import { PrerequisiteError } from '../../domain/errors.ts';
import { findPython, makeFolder } from '../../platform/index.ts';
import { digestOfFile, plainFiles } from './digests.ts';
import {
  type DataKind,
  dataSetOf,
  holdsShards,
  type Inspection,
  inspectData,
  kindOf,
  requireShape,
} from './inspect.ts';
import { type DataRecord, recordsFolder, requireOwnName, writeRecord } from './records.ts';

export interface ImportOptions {
  /** A data set, or a task that reads one. */
  readonly name: string;
  readonly source: string;
  /** The data folder. */
  readonly folder: string;
  /** Take the place of what is there under this name. */
  readonly replace: boolean;
}

/**
 * @throws PrerequisiteError `data-unknown`, `data-malformed` naming file, row and remedy, `data-exists`, `data-name`, or
 * `data-link` naming the file; all that `findPython` throws.
 */
export async function importData({ name, source, folder, replace }: ImportOptions): Promise<DataRecord> {
  const set = dataSetOf(name);
  const from = resolve(source);
  requireShape(set, from);
  for (const path of plainFiles(from)) requirePlainName(from, path);
  requireOwnName(folder, set);
  const target = join(folder, set);
  if (existsSync(target) && !replace) {
    throw new PrerequisiteError('data-exists', `${target} is there already`, 'add --replace to put this in its place');
  }
  const python = await findPython();
  makeFolder(recordsFolder(folder));
  const making = mkdtempSync(join(folder, '.importing-'));
  try {
    const { files, bytes } = await copyAll(from, join(making, 'data'));
    // The copy is looked into: it is what trainers will read, whatever becomes of the source.
    const { kind, inspection } = await inspectAs(set, python, join(making, 'data'), from);
    const { documents, tables, notes } = inspection;
    const record: DataRecord = { v: 2, name: set, bytes, files, kind, documents, tables, notes };
    mkdirSync(dirname(target), { recursive: true });
    if (existsSync(target)) renameSync(target, join(making, 'old'));
    renameSync(join(making, 'data'), target);
    writeRecord(folder, record, making);
    return record;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

/** Looks into data as what they are; shards under a name of the user's own may be a corpus, or raw data of a task. */
async function inspectAs(
  set: string,
  python: string,
  copy: string,
  named: string,
): Promise<{ kind: DataKind; inspection: Inspection }> {
  const look = async (kind: DataKind) => ({ kind, inspection: await inspectData(python, kind, copy, named) });
  const kind = kindOf(set);
  if (kind !== null) return look(kind);
  if (set.includes('/') || !holdsShards(copy)) return look('raw');
  try {
    return await look('corpus');
  } catch (thrown) {
    if (!(thrown instanceof PrerequisiteError)) throw thrown;
    const found = await look('raw');
    const note = `no text to train on: ${thrown.message}`;
    return { ...found, inspection: { ...found.inspection, notes: [note, ...found.inspection.notes] } };
  }
}

/** @throws PrerequisiteError `data-file-name` for a name that terminals, records or other systems would show as another. */
function requirePlainName(folder: string, path: string): void {
  // Controls, formats such as direction marks, line separators, and what stands for bytes that are no text.
  if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffd]/u.test(path)) return;
  const shown = JSON.stringify(path).replaceAll(
    /[^\x20-\x7e]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  throw new PrerequisiteError(
    'data-file-name',
    `a file below ${folder} has a name with characters that cannot be shown: ${shown.slice(0, 300)}`,
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
        `${path} was not written as it was read`,
        'look after the disk, and import again',
      );
    }
    files[path] = digest;
  }
  return { files, bytes };
}

/** Sentences about files that are not as they were imported; none when all is well. */
export async function changedData(folder: string, { name, files }: DataRecord): Promise<string[]> {
  const root = join(folder, name);
  if (!existsSync(root)) return [`${root} is gone`];
  const problems: string[] = [];
  for (const [path, digest] of Object.entries(files)) {
    const file = join(root, path);
    const found = lstatSync(file, { throwIfNoEntry: false });
    if (!found?.isFile()) problems.push(`${file} is gone`);
    else if ((await digestOfFile(file)) !== digest) problems.push(`${file} has changed since it was imported`);
  }
  // Trainers read whatever lies there.
  for (const path of plainFiles(root)) {
    if (!Object.hasOwn(files, path)) problems.push(`${join(root, path)} was not imported`);
  }
  return problems;
}

/** Where the imported data of a lab lie: absolute, since those that read them start elsewhere. */
export const dataFolder = (home: string): string => resolve(home, 'data');
