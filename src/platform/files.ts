/**
 * Files and folders of users: created and read within bounds, free space, and what is wrong with one, in words.
 */
import { closeSync, fstatSync, mkdirSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PrerequisiteError } from '../domain/errors.ts';
import { cut } from './text.ts';
import type { Timers } from './timers.ts';

/**
 * Creates a folder and its parents. `mkdirSync({ recursive: true })` never returns if the file system reports a folder as
 * missing while creating it, as /proc does.
 *
 * @param mode of new folders; existing ones are unchanged.
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at); at = dirname(at)) {
    missing.push(at);
    if (dirname(at) === at) break;
  }
  for (const each of missing.reverse()) {
    try {
      mkdirSync(each, { mode });
    } catch (thrown) {
      // Another process may have created it meanwhile.
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(each)) throw thrown;
    }
  }
}

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** The purpose of a file, for error messages. */
export interface TextFileOptions {
  /** Error code. */
  readonly code: string;
  /** What to do about the error. */
  readonly remedy: string;
  readonly mostBytes: number;
}

/**
 * Text of a user's file, without a byte order mark. Checks the size before reading.
 *
 * @throws PrerequisiteError: missing, a directory, not permitted, too large, or not UTF-8 text.
 */
export function readTextFile(path: string, { code, remedy, mostBytes }: TextFileOptions): string {
  const refuse = (why: string, cause?: unknown) =>
    new PrerequisiteError(code, `${path}: cannot be read: it ${why}`, remedy, { cause });
  let bytes: Buffer;
  try {
    const file = openSync(path, 'r');
    try {
      const status = fstatSync(file);
      if (status.isDirectory()) throw refuse('is a directory');
      if (status.size > mostBytes) throw refuse(`has ${status.size} bytes; the limit is ${mostBytes}`);
      bytes = readSome(file, mostBytes + 1);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw refuse(whyNot(thrown), thrown);
  }
  if (bytes.length > mostBytes) throw refuse(`has more than ${mostBytes} bytes`);
  if (bytes.includes(0)) throw refuse('is not a text file');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refuse('is not UTF-8 text', cause);
  }
}

/** At most `most` bytes of an open file: a device or a pipe may be endless. */
function readSome(file: number, most: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < most) {
    const part = Buffer.alloc(Math.min(64 * 1024, most - length));
    const count = readSync(file, part);
    if (count === 0) break;
    parts.push(part.subarray(0, count));
    length += count;
  }
  return Buffer.concat(parts);
}

/** Minimum free bytes to start a search: SQLite, NATS and logs fail badly on a full disk. The streams alone reserve 384 MB, and nats-server uses at most three quarters of the free space. */
export const leastFreeBytes = 512 * 1024 * 1024;

/** Free bytes of a folder's file system, as available to this user. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const lookEveryMs = 2000;

/** Calls back once when less than `least` bytes are free. The returned function stops the watch. */
export function watchDisk(folder: string, least: number, timers: Timers, onFull: (free: number) => void): () => void {
  const stop = timers.every(lookEveryMs, () => {
    const free = freeBytes(folder);
    if (free >= least) return;
    stop();
    onFull(free);
  });
  return stop;
}

// Errors of the operating system.

/** A longer path would hide the problem. */
const longestPath = 400;

/** Errors of the operating system and SQLite, with their remedies. */
const meanings: Readonly<Record<string, readonly [what: string, remedy: string]>> = {
  ENOENT: ['does not exist', 'check the path'],
  ENOTDIR: ['lies below something that is not a directory', 'check the path'],
  EISDIR: ['is a directory', 'give the path of a file'],
  EEXIST: ['exists already', 'choose another path'],
  EACCES: ['may not be read or written by you (permission denied)', 'change its permissions, or choose another path'],
  EPERM: ['may not be changed by you (operation not permitted)', 'change its permissions, or choose another path'],
  EROFS: ['is on a file system that is read-only', 'choose another path'],
  ENAMETOOLONG: ['has a name that is too long', 'choose a shorter path'],
  ELOOP: ['is a loop of links', 'check the path'],
  EINVAL: ['is not accepted by the file system', 'choose another path'],
  ENOSPC: ['cannot be written: the disk is full', 'free some space, then try again'],
  EDQUOT: ['cannot be written: your disk quota is exhausted', 'free some space, then try again'],
  EMFILE: ['cannot be opened: too many files are open', 'raise the limit (ulimit -n), then try again'],
  ENFILE: ['cannot be opened: too many files are open on this machine', 'try again later'],
  SQLITE_CANTOPEN: ['cannot be opened', 'check its permissions'],
  SQLITE_READONLY: ['may not be written by you', 'change its permissions, or choose another --home'],
  SQLITE_PERM: ['may not be read by you', 'change its permissions, or choose another --home'],
  SQLITE_FULL: ['cannot be written: the disk is full', 'free some space, then try again'],
  SQLITE_IOERR: ['cannot be read or written: the disk reports an error', 'check the disk, then try again'],
  SQLITE_CORRUPT: ['is damaged', 'restore it from a backup, or choose another --home'],
  SQLITE_NOTADB: ['is not a database', 'choose another --home, or move the file away'],
  SQLITE_BUSY: ['is in use by another process', 'wait for it to end, then try again'],
};

// SQLite's extended codes start with the base code: SQLITE_READONLY_DIRECTORY.
const meaningOf = (code: string): readonly [string, string] | undefined =>
  meanings[code] ?? meanings[code.split('_').slice(0, 2).join('_')];

/** Code and path of an operating system error; null for other errors. */
function failureOf(thrown: unknown): { code: string; path: string | undefined } | null {
  if (!(thrown instanceof Error)) return null;
  const { code, path } = thrown as { code?: unknown; path?: unknown };
  if (typeof code !== 'string') return null;
  return { code, path: typeof path === 'string' ? path : undefined };
}

/** Why the file at `path` cannot be used, as a predicate: `is a directory`. */
export function whyNot(thrown: unknown): string {
  const failure = failureOf(thrown);
  const [what] = (failure && meaningOf(failure.code)) ?? ['cannot be read'];
  return what;
}

/** A failure that the user can fix, with a remedy; null for any other. */
export function asPrerequisite(thrown: unknown): PrerequisiteError | null {
  const failure = failureOf(thrown);
  const meaning = failure && meaningOf(failure.code);
  if (!failure || !meaning) return null;
  const [what, remedy] = meaning;
  const thing =
    (failure.path && cut(failure.path, longestPath)) ?? (failure.code.startsWith('SQLITE') ? 'the archive' : 'a file');
  return new PrerequisiteError(failure.code.toLowerCase(), `${thing} ${what}`, remedy, { cause: thrown });
}
