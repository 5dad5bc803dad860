import { closeSync, fstatSync, mkdirSync, openSync, readSync, statfsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { PrerequisiteError } from '../domain/errors.ts';
import { whyNot } from './systemErrors.ts';
import type { Timers } from './timers.ts';

const isDirectory = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * Makes a folder with all that it lies in. `mkdirSync({ recursive: true })` never returns where the file system answers that a
 * folder does not exist while it is being made, as /proc does.
 *
 * @param mode of the folders that are made; those that are there stay as they are.
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
      // Another process may have made it in between.
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST' || !isDirectory(each)) throw thrown;
    }
  }
}

/** What a file is for, for the sentence that says why it cannot be used. */
export interface TextFileOptions {
  /** Of the error. */
  readonly code: string;
  /** What to do about it. */
  readonly remedy: string;
  readonly mostBytes: number;
}

/** At most `most` bytes of an open file: a device or a pipe may go on for ever. */
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
 * The text of a file that a person named, without a byte order mark. Its size is looked at before it is read.
 *
 * @throws PrerequisiteError in one sentence: it is missing, a directory, not allowed, too large, or not UTF-8 text.
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
      if (status.size > mostBytes) throw refuse(`has ${status.size} bytes, and at most ${mostBytes} are read`);
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

/**
 * Below so many free bytes no search is begun: SQLite, NATS and logs all fail badly on a full disk. The streams alone
 * reserve 384 MB, and nats-server takes no more than three quarters of what is free.
 */
export const leastFreeBytes = 512 * 1024 * 1024;

/** Free bytes of the file system that holds a folder, as far as this user may fill it. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const lookEveryMs = 2000;

/** Calls back once when fewer bytes than `least` are free where a folder lies. The answer ends the watch. */
export function watchDisk(folder: string, least: number, timers: Timers, onFull: (free: number) => void): () => void {
  const stop = timers.every(lookEveryMs, () => {
    const free = freeBytes(folder);
    if (free >= least) return;
    stop();
    onFull(free);
  });
  return stop;
}
