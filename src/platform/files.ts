import { closeSync, fstatSync, mkdirSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PrerequisiteError } from '../domain/errors.ts';
import { whyNot } from './systemErrors.ts';
import type { Timers } from './timers.ts';

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

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

/** The purpose of a file, for error messages. */
export interface TextFileOptions {
  /** Error code. */
  readonly code: string;
  /** What to do about the error. */
  readonly remedy: string;
  readonly mostBytes: number;
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
