/**
 * Brings data from elsewhere into the data folder.
 *
 *   I1  A data set under its own name is complete: it is copied beside it, checked, and renamed.
 *   I2  Every file's SHA-256 is recorded, of what was read and again of what was written, so that a later change shows.
 *   I3  Only plain files are copied; a link is refused, since what it points to may change or be private.
 */
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { PrerequisiteError } from '../../domain/errors.ts';
import { makeFolder } from '../../platform/folder.ts';
import { dataSetOf, requireShape } from './kinds.ts';

const recordSchema = z.strictObject({
  v: z.literal(1),
  name: z.string(),
  bytes: z.int().nonnegative(),
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});
export type DataRecord = z.infer<typeof recordSchema>;

/** Records lie in a folder of their own, where no reader of data looks for data. */
const records = '.imported';
const recordFile = (folder: string, name: string) => join(folder, records, `${name.replaceAll('/', '__')}.json`);

export interface ImportOrder {
  /** A data set, or a task that reads one. */
  readonly name: string;
  readonly source: string;
  /** The data folder. */
  readonly folder: string;
  /** Take the place of what is there under this name. */
  readonly replace: boolean;
}

/**
 * @throws PrerequisiteError `data-unknown`, `data-malformed`, `data-exists`, or `data-link` naming the file.
 */
export async function importData({ name, source, folder, replace }: ImportOrder): Promise<DataRecord> {
  const set = dataSetOf(name);
  const from = resolve(source);
  requireShape(set, from);
  const target = join(folder, set);
  if (existsSync(target) && !replace) {
    throw new PrerequisiteError('data-exists', `${target} is there already`, 'add --replace to put this in its place');
  }
  makeFolder(join(folder, records));
  const making = mkdtempSync(join(folder, '.importing-'));
  try {
    const record = await copyAll(set, from, join(making, 'data'));
    mkdirSync(dirname(target), { recursive: true });
    if (existsSync(target)) renameSync(target, join(making, 'old'));
    renameSync(join(making, 'data'), target);
    const written = join(making, 'record');
    writeFileSync(written, `${JSON.stringify(record, null, 2)}\n`);
    renameSync(written, recordFile(folder, set));
    return record;
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
}

async function copyAll(name: string, from: string, to: string): Promise<DataRecord> {
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
    if ((await digestOf(target)) !== digest) {
      throw new PrerequisiteError(
        'data-copy',
        `${path} was not written as it was read`,
        'look after the disk, and import again',
      );
    }
    files[path] = digest;
  }
  return { v: 1, name, bytes, files };
}

/** Paths below a folder in the order of their names. @throws PrerequisiteError `data-link`. */
function plainFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    const path = relative(folder, full).split(sep).join('/');
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) {
      throw new PrerequisiteError('data-link', `${full} is no plain file`, 'put the file itself there, then try again');
    }
    found.push(path);
  }
  return found.sort();
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** What has been imported, by name. */
export function importedData(folder: string): DataRecord[] {
  const place = join(folder, records);
  if (!existsSync(place)) return [];
  return readdirSync(place)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => recordSchema.parse(JSON.parse(readFileSync(join(place, file), 'utf8'))));
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
    else if ((await digestOf(file)) !== digest) problems.push(`${file} has changed since it was imported`);
  }
  return problems;
}
