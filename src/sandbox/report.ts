/**
 * Reads what the launcher says on its report pipe, and stores the files that it hands out.
 *
 * Role: the framing, and the last check of names and sizes before anything is written. Non-role: what a report means.
 *
 *   R1  A file is written only below the output directory, under a new name, as a plain file of the announced size.
 *   R2  No more bytes and files are written than allowed, whatever the launcher says.
 */

import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { AiraError } from '../domain/errors.ts';
import type { OutputFile, RejectedEntry } from './spec.ts';

/** Thrown when the launcher does not keep to its own language: a defect, or a damaged installation. */
export class LauncherProtocolError extends AiraError {
  constructor(problem: string) {
    super('launcher-protocol', `the launcher of the sandbox broke its protocol: ${problem}`);
  }
}

/** Plain names joined by slashes: none hidden behind `..`, none absolute. */
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
  /** Why the program could not be started. */
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

  /** Closes a file that was cut off. */
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
    // Readable by others: the next program may run as another user. The directory above keeps strangers out.
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

/** S_ISUID and S_ISGID: its owner becomes the laboratory. */
const setId = 0o6000;

/**
 * Takes everything out of a folder that is no plain file or folder: what untrusted code has left there must not lead whoever
 * reads or chmods it elsewhere.
 *
 * @returns what was taken out.
 */
export function makePlain(folder: string, above = ''): RejectedEntry[] {
  return readdirSync(folder).flatMap((name): RejectedEntry[] => {
    const path = join(folder, name);
    const found = lstatSync(path);
    if (found.isDirectory()) return makePlain(path, `${above}${name}/`);
    if (found.isFile() && found.nlink === 1) {
      if ((found.mode & setId) !== 0) chmodSync(path, found.mode & 0o777);
      return [];
    }
    rmSync(path);
    const kind = found.isFile() ? 'linked' : found.isSymbolicLink() ? 'link' : 'other';
    return [{ path: `${above}${name}`, kind }];
  });
}
