/**
 * One child process in its own process group.
 *
 * Role: its start, its lines, its stderr, its end. Non-role: the meaning of the lines, deadlines, successors.
 *
 * PRC-1. `onEnd` is called exactly once, and nothing is called after it. Lines that were written before the end come first.
 * PRC-2. When the end is reported, the group has been killed: nothing that the child started in it survives.
 * PRC-3. The end is reported at most `lingerMs` after the child's exit or after `kill`, even if another process has its pipes
 *        open or the kernel cannot end it.
 * PRC-4. This process is the only writer of the child's stdin. If it dies in any way, the child reads the end of its input,
 *        which is its signal to exit. Obeying it is the child's part.
 * PRC-5. The child's environment is exactly the given one, without variables of this process (I7).
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LineReader, OutputLog, type Timers } from '../../platform/index.ts';
import { longestLine, type WorkerRequest } from '../protocol.ts';

/** The command of a child. */
export interface WorkerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The complete environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** How a child ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it failed to start. */
  readonly error: Error | null;
}

export interface ProcessHandlers {
  onLine(line: string): void;
  onEnd(end: ProcessEnd): void;
}

export class WorkerProcess {
  /** The stored part of its stderr. */
  readonly stderr = new OutputLog();
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #timers: Timers;
  readonly #lingerMs: number;
  readonly #handlers: ProcessHandlers;
  #end: ProcessEnd = { code: null, signal: null, error: null };
  #ended = false;
  #stopLingering: (() => void) | undefined;

  constructor(
    command: WorkerCommand,
    timers: Timers,
    lingerMs: number,
    handlers: ProcessHandlers,
    lineLimit: number = longestLine,
  ) {
    this.#timers = timers;
    this.#lingerMs = lingerMs;
    this.#handlers = handlers;
    this.#child = spawn(command.program, command.args, {
      cwd: command.cwd,
      env: { ...command.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const lines = new LineReader(lineLimit, (line) => {
      if (!this.#ended) handlers.onLine(line);
    });
    this.#child.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    this.#child.stderr.on('data', (chunk: Buffer) => this.stderr.push(chunk));
    // A write to a child that has just died fails; its exit is reported separately.
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

  /** Undefined if the program failed to start. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  send(request: WorkerRequest | { readonly op: 'stop' }): void {
    if (this.#child.stdin.writable) this.#child.stdin.write(`${JSON.stringify(request)}\n`);
  }

  /** Closes the child's input, its signal to exit. */
  endInput(): void {
    this.#child.stdin.end();
  }

  /** Kills the whole group. */
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
      // ESRCH: the group is empty.
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
