import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import type * as z from 'zod';
import { toError } from '../domain/errors.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { parseJson } from '../domain/json.ts';
import { LineReader, OutputLog, printable, type Timers } from '../platform/index.ts';
import {
  maxReplyCharacters,
  type OpenMessage,
  type ProposeMessage,
  proposalsMessageSchema,
  readyMessageSchema,
  type SearcherFailure,
  type SearcherReply,
} from './searchers/protocol.ts';

/** How a program is run. The environment is complete: nothing is inherited in addition. */
interface SearcherCommand {
  readonly command: readonly [string, ...string[]];
  /** Its file; it runs in the folder of the file. */
  readonly path: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly replyMs: number;
  readonly timers: Timers;
}

/** Stored bytes of what a program writes to stderr. */
const storedBytes = 16 * 1024;
/** Characters of it that a message quotes. */
const quotedCharacters = 600;
/** A program of a task has a few files; a reply has sixteen of them. */
const lineBounds = { characters: maxReplyCharacters, depth: 12, items: 20_000 };
/** From the end of its input until it is killed. */
const closeMs = 2000;

const failure = (problem: SearcherFailure['problem'], message: string): SearcherFailure => ({
  kind: 'failure',
  problem,
  message,
});

/** A line as one of the expected messages, or what is wrong with it. */
function parsed<T extends { kind: string }>(line: string, schema: z.ZodType<T>): T | SearcherFailure {
  if (line.length > maxReplyCharacters) {
    return failure('malformed', `a line of more than ${maxReplyCharacters} characters`);
  }
  let value: unknown;
  try {
    value = parseJson(line, lineBounds);
  } catch (thrown) {
    const { cause, message } = toError(thrown);
    const shown = printable(line.slice(0, 120));
    const what = cause === undefined ? `a line beyond its bounds, ${message}` : `a line that is not JSON: "${shown}"`;
    return failure('malformed', what);
  }
  const checked = schema.safeParse(value);
  return checked.success ? checked.data : failure('malformed', formatZodError(checked.error, schema).join('; '));
}

/**
 * One run of a program of the user.
 *
 * Role: starts the program, asks, waits, and ends it with all that it started. Non-role: what a reply is worth (thought.ts),
 * starting another one after its end (searchers.ts).
 *
 * SPR-1. A question settles exactly once: with the reply, or with the failure that replaces it. A program that broke the
 *     protocol, was silent or whose question was aborted is killed and answers nothing more.
 * SPR-2. The program sees an allow-list of environment variables (I7) and runs in a process group of its own, which is killed
 *     as a whole.
 * SPR-3. What it writes costs bounded memory: a line of stdout, the first and last bytes of stderr.
 * SPR-4. It ends with its stdin, so that a host that was killed leaves no program behind that reads it.
 */
export class SearcherProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #setting: SearcherCommand;
  readonly #errors = new OutputLog(storedBytes);
  readonly #exited: Promise<void>;
  /** Receives the next line, or the failure that replaces it. */
  #listener: ((line: string | SearcherFailure) => void) | null = null;
  /** Why it answers nothing more. */
  #over: SearcherFailure | null = null;
  #opened = false;
  /** Own attempts whose outcome it has seen. */
  readonly #seen = new Set<string>();

  constructor(setting: SearcherCommand) {
    this.#setting = setting;
    const { command, path, env } = setting;
    const [program, ...args] = command;
    // Output of Python to a pipe is buffered otherwise, and a forgotten flush looks like silence.
    const environment = { ...env, PYTHONUNBUFFERED: '1' };
    const child = spawn(program, args, { env: environment, cwd: dirname(path), stdio: 'pipe', detached: true });
    this.#child = child;
    const reader = new LineReader(maxReplyCharacters, (line) => this.#deliver(line));
    child.stdout.on('data', (chunk: Buffer) => reader.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => this.#errors.push(chunk));
    // A write to a program that has just ended; `close` reports it with a better message.
    child.stdin.on('error', () => undefined);
    this.#exited = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#end(failure('crashed', `it could not be started: ${error.message}`));
        resolve();
      });
      child.once('close', (code, signal) => {
        const words = this.#errors.lastLines(3, quotedCharacters);
        const how = signal ? `killed by ${signal}` : `exit status ${code}`;
        this.#end(failure('crashed', `it ended with ${how}${words === '' ? '' : `: ${words}`}`));
        resolve();
      });
    });
  }

  /** It will answer nothing more. */
  get isOver(): boolean {
    return this.#over !== null;
  }

  /** Asks for the proposals of one attempt. @throws the signal's reason on abort. */
  async propose(
    open: OpenMessage,
    question: Omit<ProposeMessage, 'kind' | 'id' | 'ended'>,
    signal: AbortSignal,
  ): Promise<SearcherReply> {
    if (!this.#opened) {
      const ready = await this.#exchange(open, readyMessageSchema, signal);
      if (ready.kind === 'failure') return ready;
      this.#opened = true;
    }
    const id = question.attempt;
    const ended = question.nodes.flatMap(({ id: node, agent, status }) =>
      agent === open.agent && status !== 'pending' && !this.#seen.has(node) ? [node] : [],
    );
    for (const node of ended) this.#seen.add(node);
    const reply = await this.#exchange({ kind: 'propose', id, ...question, ended }, proposalsMessageSchema, signal);
    if (reply.kind === 'failure') return reply;
    const { id: answered, ...rest } = reply;
    if (answered === id) return rest;
    return this.#stop(failure('malformed', `a reply to question ${answered} instead of ${id}`));
  }

  async #exchange<T extends { kind: string }>(
    message: object,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T | SearcherFailure> {
    signal.throwIfAborted();
    if (this.#over) return this.#over;
    const { timers, replyMs } = this.#setting;
    const abort = () => void this.#stop(failure('crashed', 'it was stopped'));
    signal.addEventListener('abort', abort, { once: true });
    const cancel = timers.after(replyMs, () => {
      this.#stop(failure('silent', `no reply within ${replyMs / 1000} s`));
    });
    try {
      const line = await new Promise<string | SearcherFailure>((resolve) => {
        this.#listener = resolve;
        this.#child.stdin.write(`${JSON.stringify(message)}\n`);
      });
      if (signal.aborted) {
        await this.#exited;
        throw toError(signal.reason);
      }
      const read = typeof line === 'string' ? parsed(line, schema) : line;
      return read.kind === 'failure' ? this.#stop(read as SearcherFailure) : read;
    } finally {
      cancel();
      signal.removeEventListener('abort', abort);
    }
  }

  #deliver(line: string): void {
    const listener = this.#listener;
    this.#listener = null;
    if (listener) listener(line);
    else this.#stop(failure('malformed', `a line without a question: "${printable(line.slice(0, 120))}"`));
  }

  /** The first reason counts: what follows is its consequence. */
  #end(why: SearcherFailure): SearcherFailure {
    this.#over ??= why;
    const listener = this.#listener;
    this.#listener = null;
    listener?.(this.#over);
    return this.#over;
  }

  #stop(why: SearcherFailure): SearcherFailure {
    const reason = this.#end(why);
    this.#kill();
    return reason;
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
    }
  }

  /** Ends the program and waits for its exit; it has two seconds to end by itself. */
  async close(): Promise<void> {
    const cancel = this.#setting.timers.after(closeMs, () => this.#kill());
    this.#end(failure('crashed', 'it was closed'));
    this.#child.stdin.end(`${JSON.stringify({ kind: 'close' })}\n`);
    await this.#exited;
    cancel();
    // What it started may outlive it.
    this.#kill();
  }
}
