/**
 * Reads the launcher's report pipe, and stores the files that it exports.
 *
 * Role: the framing, and the final check of names and sizes before anything is written. Non-role: the meaning of a report.
 *
 * RPT-1. A file is written only below the output directory, under a new name, as a regular file of the announced size.
 * RPT-2. No more bytes and files are written than allowed, whatever the launcher announces.
 */

import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../domain/errors.ts';
import type { OutputFile, RejectedEntry } from './spec.ts';

/** Thrown if the launcher violates its protocol: a bug, or a damaged installation. */
export class LauncherProtocolError extends AiraError {
  constructor(problem: string) {
    super('launcher-protocol', `the sandbox launcher violated its protocol: ${problem}`);
  }
}

/** Plain names joined by slashes: no `..`, not absolute. */
const path = z
  .string()
  .max(1024)
  .regex(/^(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/);
const kinds = ['link', 'fifo', 'socket', 'device', 'linked', 'large', 'deep', 'name', 'other'] as const;

const messageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('started'), uid: z.int() }),
  z.strictObject({
    type: z.literal('ended'),
    code: z.int().nullable(),
    signal: z.int().nullable(),
    cpuSeconds: z.number().nonnegative(),
    peakBytes: z.int().nonnegative(),
    watched: z.boolean(),
    full: z.boolean(),
    ran: z.boolean(),
  }),
  z.strictObject({ type: z.literal('file'), path, bytes: z.int().nonnegative() }),
  z.strictObject({ type: z.literal('strange'), path: z.string(), kind: z.enum(kinds) }),
  z.strictObject({ type: z.literal('unstartable'), message: z.string() }),
  z.strictObject({ type: z.literal('done') }),
]);
type Message = z.infer<typeof messageSchema>;
export type Ended = Extract<Message, { type: 'ended' }>;

const longestMessage = 64 * 1024;

export interface ReportHandlers {
  onStarted(uid: number): void;
  onEnded(ended: Ended): void;
}

export class ReportReader {
  readonly files: OutputFile[] = [];
  readonly strange: RejectedEntry[] = [];
  /** Why the program failed to start. */
  startFailed: string | null = null;
  done = false;
  readonly #directory: string;
  readonly #handlers: ReportHandlers;
  #bytesLeft: number;
  #filesLeft: number;
  #buffered: Buffer = Buffer.alloc(0);
  #file: { descriptor: number; left: number } | null = null;

  constructor(output: { directory: string; maxBytes: number; maxFiles: number }, handlers: ReportHandlers) {
    this.#directory = output.directory;
    this.#bytesLeft = output.maxBytes;
    this.#filesLeft = output.maxFiles;
    this.#handlers = handlers;
  }

  /** @throws LauncherProtocolError. */
  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#file) {
        const part = rest.subarray(0, this.#file.left);
        rest = rest.subarray(part.length);
        this.#store(part);
        continue;
      }
      const end = rest.indexOf(10);
      const part = end < 0 ? rest : rest.subarray(0, end);
      this.#buffered = Buffer.concat([this.#buffered, part]);
      if (this.#buffered.length > longestMessage) throw new LauncherProtocolError('a message without an end');
      if (end < 0) return;
      rest = rest.subarray(end + 1);
      const line = this.#buffered.toString('utf8');
      this.#buffered = Buffer.alloc(0);
      this.#take(line);
    }
  }

  /** Closes a truncated file. */
  close(): void {
    if (this.#file) closeSync(this.#file.descriptor);
    this.#file = null;
  }

  #take(line: string): void {
    const message = parse(line);
    switch (message.type) {
      case 'started':
        this.#handlers.onStarted(message.uid);
        return;
      case 'ended':
        this.#handlers.onEnded(message);
        return;
      case 'file':
        this.#open(message.path, message.bytes);
        return;
      case 'strange':
        this.strange.push({ path: message.path, kind: message.kind });
        return;
      case 'unstartable':
        this.startFailed = message.message;
        return;
      case 'done':
        this.done = true;
    }
  }

  #open(name: string, bytes: number): void {
    this.#bytesLeft -= bytes;
    this.#filesLeft -= 1;
    if (this.#bytesLeft < 0 || this.#filesLeft < 0) throw new LauncherProtocolError('more files than are allowed');
    const target = join(this.#directory, name);
    // Readable by others: the next program may run as another user. The directory above keeps other users out.
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    const descriptor = openSync(target, 'wx', 0o644);
    this.files.push({ path: name, bytes });
    this.#file = { descriptor, left: bytes };
    if (bytes === 0) this.close();
  }

  #store(part: Buffer): void {
    const file = this.#file;
    if (!file) return;
    for (let at = 0; at < part.length; ) at += writeSync(file.descriptor, part, at);
    file.left -= part.length;
    if (file.left === 0) this.close();
  }
}

function parse(line: string): Message {
  try {
    return messageSchema.parse(JSON.parse(line));
  } catch {
    throw new LauncherProtocolError(`not a message: ${line.slice(0, 200)}`);
  }
}

/** S_ISUID and S_ISGID: the file's owner becomes this process's user. */
const setId = 0o6000;

/**
 * Deletes everything in a folder that is neither a regular file nor a folder: entries left by untrusted code must not redirect
 * anyone who reads or chmods them.
 *
 * @returns the deleted entries.
 */
export function makePlain(folder: string, above = ''): RejectedEntry[] {
  return readdirSync(folder).flatMap((name): RejectedEntry[] => {
    const path = join(folder, name);
    const stat = lstatSync(path);
    if (stat.isDirectory()) return makePlain(path, `${above}${name}/`);
    if (stat.isFile() && stat.nlink === 1) {
      if ((stat.mode & setId) !== 0) chmodSync(path, stat.mode & 0o777);
      return [];
    }
    rmSync(path);
    const kind = stat.isFile() ? 'linked' : stat.isSymbolicLink() ? 'link' : 'other';
    return [{ path: `${above}${name}`, kind }];
  });
}
