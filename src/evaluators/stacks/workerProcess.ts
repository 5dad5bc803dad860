/**
 * One child process in a process group of its own.
 *
 * Role: its start, its lines, what it says on stderr, its end. Not its role: what the lines mean, how long anything may
 * take, whether there is a successor.
 *
 *   P1  `onEnd` is called exactly once, and nothing is called after it. Lines that were written before the end come first.
 *   P2  When the end is reported, the group has been killed: nothing that the child started in it goes on.
 *   P3  The end is reported at most `lingerMs` after the child's exit or after `kill`, even where a stranger holds its
 *       pipes open or the kernel cannot end it.
 *   P4  The only writer of the child's stdin is this process. If this process dies, in whatever way, the child reads the
 *       end of its input, which is its order to exit. Obeying it is the child's part.
 *   P5  The child's environment is the one given, with nothing of this process's own (I7).
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LineReader, OutputLog, type Timers } from '../../platform/index.ts';
import { longestLine, type WorkerRequest } from '../protocol.ts';

/** How to start a child. */
export interface WorkerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** All of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a child ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not even be started. */
  readonly error: Error | null;
}

export interface ProcessHandlers {
  onLine(line: string): void;
  onEnd(end: ProcessEnd): void;
}

export class WorkerProcess {
  /** What it wrote to stderr, as far as it was kept. */
  readonly stderr = new OutputLog();
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #timers: Timers;
  readonly #lingerMs: number;
  readonly #handlers: ProcessHandlers;
  #end: ProcessEnd = { code: null, signal: null, error: null };
  #ended = false;
  #stopLingering: (() => void) | undefined;

  constructor(command: WorkerCommand, timers: Timers, lingerMs: number, handlers: ProcessHandlers) {
    this.#timers = timers;
    this.#lingerMs = lingerMs;
    this.#handlers = handlers;
    this.#child = spawn(command.program, command.args, {
      cwd: command.cwd,
      env: { ...command.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const lines = new LineReader(longestLine, (line) => {
      if (!this.#ended) handlers.onLine(line);
    });
    this.#child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    this.#child.stderr.on('data', (chunk: Buffer) => this.stderr.push(chunk));
    // Writing to a child that has just died fails; that it died is told by its exit.
    this.#child.stdin.on('error', () => {});
    this.#child.on('error', (error) => {
      if (this.#child.pid !== undefined) return;
      this.#end = { code: null, signal: null, error };
      this.#finish();
    });
    this.#child.on('exit', (code, signal) => {
      this.#end = { code, signal, error: null };
      this.#killGroup();
      this.#linger();
    });
    this.#child.on('close', () => this.#finish());
  }

  /** Undefined when the program could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(request: WorkerRequest): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** Ends the child's input, which it takes as the order to exit. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Ends the whole group at once. No process can refuse. */
  kill(): void {
    if (this.#ended) return;
    this.#killGroup();
    this.#linger();
  }

  #killGroup(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // ESRCH: nobody is left in the group.
    }
  }

  #linger(): void {
    this.#stopLingering ??= this.#timers.after(this.#lingerMs, () => this.#finish());
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopLingering?.();
    for (const stream of [this.#child.stdin, this.#child.stdout, this.#child.stderr]) stream.destroy();
    this.#child.unref();
    this.#handlers.onEnd(this.#end);
  }
}
