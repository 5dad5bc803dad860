import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { PrerequisiteError } from '../domain/errors.ts';
import { whyNot } from './systemErrors.ts';

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
