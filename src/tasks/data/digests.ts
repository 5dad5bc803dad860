import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
} from 'node:fs';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { allData } from '../../domain/evaluation.ts';

/** The importer's own entries in the data folder; names of data sets never begin with a dot. */
const isOwn = (name: string): boolean => name.startsWith('.');

const unreadable = (path: string, thrown: unknown) =>
  new PrerequisiteError(
    'data-unreadable',
    `cannot read ${path}: ${errorMessage(thrown)}`,
    'make it readable, or import the data again with --replace',
    { cause: thrown },
  );

/** Smaller files are read every time: their timestamps may be too coarse to show a change. */
const cachedFromBytes = 1 << 16;
const known = new Map<string, { readonly state: string; readonly digest: string }>();
const stateOf = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats) => [dev, ino, size, mtimeMs, ctimeMs].join(' ');

/** SHA-256 of a file. Large ones are read once per process, until their size, times or inode change. */
export async function digestOfFile(path: string): Promise<string> {
  try {
    const stats = lstatSync(path);
    const state = stateOf(stats);
    const cached = known.get(path);
    if (cached?.state === state) return cached.digest;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const digest = hash.digest('hex');
    if (stats.size >= cachedFromBytes && stateOf(lstatSync(path)) === state) known.set(path, { state, digest });
    return digest;
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function entriesBelow(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true });
  } catch (thrown) {
    throw unreadable(folder, thrown);
  }
}

/**
 * Paths of the files below a folder, relative to it with `/` between the parts, sorted.
 *
 * @throws PrerequisiteError `data-link` for anything that is neither file nor folder, `data-unreadable`.
 */
export function plainFiles(folder: string): string[] {
  const found: string[] = [];
  for (const entry of entriesBelow(folder)) {
    const full = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) continue;
    if (!entry.isFile()) {
      throw new PrerequisiteError(
        'data-link',
        `${full} is not a regular file`,
        'replace it by the file itself, then retry',
      );
    }
    found.push(relative(folder, full).split(sep).join('/'));
  }
  return found.sort();
}

/** Digest of a set of files: SHA-256 over each path, a NUL, its digest, a newline. */
export function digestOfFiles(files: Readonly<Record<string, string>>): string {
  const hash = createHash('sha256');
  for (const path of Object.keys(files).sort()) hash.update(`${path}\0${files[path]}\n`);
  return hash.digest('hex');
}

/**
 * Current digest of imported data, independent of their import record; null without files. The name `.` means everything in
 * the data folder.
 *
 * @throws PrerequisiteError `data-unreadable`, `data-link`.
 */
export async function digestOfData(folder: string, name: string): Promise<string | null> {
  const root = join(folder, name);
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return null;
  if (lstatSync(root, { throwIfNoEntry: false }) === undefined) return null;
  const paths = plainFiles(root).filter((path) => name !== allData || !isOwn(path));
  if (paths.length === 0) return null;
  const files: Record<string, string> = {};
  for (const path of paths) files[path] = await digestOfFile(join(root, path));
  return digestOfFiles(files);
}

/**
 * SHA-256, as 64 hexadecimal digits, over every file of a task directory at any depth: in the order of their relative paths
 * (by UTF-16 unit, `/` between parts), each as its path, a NUL, the SHA-256 of its bytes, a newline. Excluded are
 * by-products of programs (`__pycache__`, `*.pyc` and folders whose name begins with a dot) and paths that `counts` rejects.
 * Empty folders do not count.
 *
 * @throws PrerequisiteError `task-link` for anything that is neither file nor folder, because the target of a link may change
 * unnoticed; `task-malformed` for an unreadable file.
 */
export function digestTaskDirectory(directory: string, counts: (path: string) => boolean = () => true): string {
  const hash = createHash('sha256');
  for (const path of filesBelow(directory).filter(counts))
    hash.update(`${path}\0${fileDigest(join(directory, path))}\n`);
  return hash.digest('hex');
}

/** Relative paths of the included files, sorted. */
function filesBelow(directory: string): string[] {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of entriesOf(join(directory, folder))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== '__pycache__' && !entry.name.startsWith('.')) walk(path);
      } else if (!entry.isFile()) {
        throw new PrerequisiteError(
          'task-link',
          `${join(directory, path)} is not a regular file`,
          'replace it by the file itself, then retry',
        );
      } else if (!entry.name.endsWith('.pyc')) found.push(path);
    }
  };
  walk('');
  return found.sort();
}

const unreadableOfTaskDigest = (path: string, thrown: unknown) =>
  new PrerequisiteError(
    'task-malformed',
    `${path}: cannot read: ${errorMessage(thrown)}`,
    'make it readable, then retry',
    { cause: thrown },
  );

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    throw unreadableOfTaskDigest(folder, thrown);
  }
}

/** Larger files are read once per process and state (device, inode, size and times); smaller ones every time. */
const cachedFromBytesOfTaskDigest = 1 << 20;
const knownOfTaskDigest = new Map<string, { readonly state: string; readonly digest: string }>();

const stateOfOfTaskDigest = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats) =>
  [dev, ino, size, mtimeMs, ctimeMs].join(' ');

function fileDigest(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const stats = fstatSync(file);
      const state = stateOfOfTaskDigest(stats);
      const cached = knownOfTaskDigest.get(path);
      if (cached?.state === state) return cached.digest;
      const digest = contentDigest(file);
      if (stats.size >= cachedFromBytesOfTaskDigest) knownOfTaskDigest.set(path, { state, digest });
      return digest;
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw unreadableOfTaskDigest(path, thrown);
  }
}

function contentDigest(file: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(1 << 18);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
  return hash.digest('hex');
}
