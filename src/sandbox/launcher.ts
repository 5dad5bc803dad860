/**
 * One launcher process, from its start to the end of everything below it, its reports, and the files that it exports.
 *
 * Role: streams, deadline, cancellation, the kill; the framing of reports, and the final check of names and sizes before anything
 * is written. Non-role: what the end means for the program (`sandbox.ts`), what the launcher is ordered (`launchSpec.ts`).
 *
 * RUN-1. The first reason to end it is the one that is reported.
 * RUN-2. `untilGone` resolves when no process of the launcher's group is left and no timer of this run is armed.
 * RPT-1. A file is written only below the output directory, under a new name, as a regular file of the announced size.
 * RPT-2. No more bytes and files are written than allowed, whatever the launcher announces.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { AiraError } from '../domain/errors.ts';
import { type Clock, deferred, OutputLog, type Timers } from '../platform/index.ts';
import type { LaunchSpec } from './launchSpec.ts';
import {
  type Defences,
  defaultFiles,
  defaultLogBytes,
  type OutputFile,
  type RejectedEntry,
  type SandboxEnd,
  type SandboxSpec,
} from './spec.ts';

interface LauncherRunDeps {
  readonly launcher: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Milliseconds from the order to end to SIGKILL of the launcher and its group. */
  readonly graceMs: number;
  readonly defences: Defences;
}

type Interruption = Exclude<SandboxEnd, 'exited'>;

export class LauncherRun {
  readonly stdout = new OutputLog();
  readonly stderr = new OutputLog();
  readonly report: ReportReader;
  /** How the launcher says that the program ended; null until it has. */
  ended: Ended | null = null;
  /** Why the host ended it; null where the program ended by itself. */
  interrupted: Interruption | null = null;

  readonly #spec: SandboxSpec;
  readonly #deps: LauncherRunDeps;
  readonly #child: ChildProcess;
  readonly #gone = deferred<void>();
  readonly #cleanups: (() => void)[] = [];
  #failure: Error | null = null;
  #logged = 0;
  #startedAt: number;
  #endedAt: number | null = null;

  constructor(spec: SandboxSpec, deps: LauncherRunDeps) {
    const { launcher, clock, defences } = deps;
    const [program, ...args] = launcher;
    this.#spec = spec;
    this.#deps = deps;
    this.#startedAt = clock.monotonic();
    this.#child = spawn(program, args, {
      cwd: '/',
      env: defences.has('empty-environment') ? {} : process.env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.report = new ReportReader(
      { ...spec.output, maxFiles: spec.output.maxFiles ?? defaultFiles },
      {
        onStarted: () => {
          this.#startedAt = clock.monotonic();
        },
        onEnded: (ended) => {
          this.ended = ended;
          this.#endedAt = clock.monotonic();
        },
      },
    );
    this.#listen();
  }

  /** Wall-clock seconds of the program. */
  get seconds(): number {
    return ((this.#endedAt ?? this.#deps.clock.monotonic()) - this.#startedAt) / 1000;
  }

  /** Orders the launch, and resolves when everything has ended. @throws what is wrong with the launcher. */
  async untilGone(launch: LaunchSpec, signal: AbortSignal | undefined): Promise<void> {
    const { timers, defences } = this.#deps;
    const cancel = () => this.#interrupt('cancelled');
    if (defences.has('deadline')) {
      this.#cleanups.push(timers.after(this.#spec.limits.seconds * 1000, () => this.#interrupt('timeout')));
    }
    signal?.addEventListener('abort', cancel);
    this.#cleanups.push(() => signal?.removeEventListener('abort', cancel));
    if (signal?.aborted) cancel();
    else (this.#child.stdin as Writable).write(`${JSON.stringify(launch)}\n`);
    await this.#gone.promise;
    for (const cleanup of this.#cleanups) cleanup();
    this.report.close();
    for (const stream of this.#child.stdio) stream?.destroy();
    if (this.#failure) throw this.#failure;
  }

  /** Asks the launcher to end the program, and kills both after the grace time. */
  #interrupt(why: Interruption): void {
    if (this.interrupted !== null || this.#failure !== null || this.ended !== null) return;
    this.interrupted = why;
    (this.#child.stdin as Writable).end();
    this.#cleanups.push(this.#deps.timers.after(this.#deps.graceMs, () => this.#kill()));
  }

  #listen(): void {
    const child = this.#child;
    this.#log(child.stdout as Readable, this.stdout);
    this.#log(child.stderr as Readable, this.stderr);
    (child.stdio[3] as Readable).on('data', (chunk: Buffer) => {
      try {
        if (this.#failure === null) this.report.push(chunk);
      } catch (thrown) {
        this.#failure = thrown as Error;
        this.#kill();
      }
    });
    for (const stream of child.stdio) stream?.on('error', () => {});
    child.on('error', (error) => {
      this.#failure ??= error;
      if (child.pid === undefined) this.#gone.resolve();
    });
    // A process that outlives the launcher would keep the streams open: those of its group are killed, others not awaited.
    child.on('exit', () => {
      this.#kill();
      this.#cleanups.push(this.#deps.timers.after(this.#deps.graceMs, () => this.#gone.resolve()));
    });
    child.on('close', () => this.#gone.resolve());
  }

  #log(stream: Readable, log: OutputLog): void {
    const limit = this.#spec.limits.logBytes ?? defaultLogBytes;
    stream.on('data', (chunk: Buffer) => {
      log.push(chunk);
      this.#logged += chunk.length;
      if (this.#logged > limit && this.#deps.defences.has('bounded-log')) this.#interrupt('flooded');
    });
  }

  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  }
}

// Reports.

/** Thrown if the launcher violates its protocol: a bug, or a damaged installation. */
class LauncherProtocolError extends AiraError {
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

type Ended = Extract<Message, { type: 'ended' }>;

const longestMessage = 64 * 1024;

interface ReportHandlers {
  onStarted(uid: number): void;
  onEnded(ended: Ended): void;
}

class ReportReader {
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
