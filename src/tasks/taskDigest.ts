import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readdirSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';

/**
 * SHA-256, as 64 hexadecimal digits, over every file of a task directory at any depth: in the order of their relative
 * paths (by UTF-16 unit, `/` between parts), each as its path, a NUL, the SHA-256 of its bytes, a newline. Left out is what
 * programs leave behind on their own: `__pycache__`, `*.pyc` and folders whose name begins with a dot; and paths that `counts`
 * turns down. Empty folders do not count.
 *
 * @throws PrerequisiteError `task-link` for anything that is neither file nor folder, since what a link points to may change
 * without notice; `task-malformed` for what cannot be read.
 */
export function digestTaskDirectory(directory: string, counts: (path: string) => boolean = () => true): string {
  const hash = createHash('sha256');
  for (const path of filesBelow(directory).filter(counts))
    hash.update(`${path}\0${fileDigest(join(directory, path))}\n`);
  return hash.digest('hex');
}

/** Relative paths of the files that count, sorted. */
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
          `${join(directory, path)} is no plain file`,
          'put the file itself into the task directory, then try again',
        );
      } else if (!entry.name.endsWith('.pyc')) found.push(path);
    }
  };
  walk('');
  return found.sort();
}

const unreadable = (path: string, thrown: unknown) =>
  new PrerequisiteError(
    'task-malformed',
    `${path}: cannot be read: ${errorMessage(thrown)}`,
    'make it readable, then try again',
    { cause: thrown },
  );

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (thrown) {
    throw unreadable(folder, thrown);
  }
}

/** Larger files are read once per process and state: by device, inode, size and times. Small ones are read each time. */
const cachedFromBytes = 1 << 20;
const known = new Map<string, { readonly state: string; readonly digest: string }>();

const stateOf = ({ dev, ino, size, mtimeMs, ctimeMs }: Stats) => [dev, ino, size, mtimeMs, ctimeMs].join(' ');

function fileDigest(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      const stats = fstatSync(file);
      const state = stateOf(stats);
      const cached = known.get(path);
      if (cached?.state === state) return cached.digest;
      const digest = contentDigest(file);
      if (stats.size >= cachedFromBytes) known.set(path, { state, digest });
      return digest;
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw unreadable(path, thrown);
  }
}

function contentDigest(file: number): string {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(1 << 18);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) hash.update(chunk.subarray(0, read));
  return hash.digest('hex');
}
