import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { printable } from './printable.ts';

export interface ExecOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Longest output that is read, of each stream; 1 MiB otherwise. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** Called with each piece of its standard output, while it runs. */
  readonly onOutput?: (text: string) => void;
}

/** The end of a program that ran for what it prints. */
export interface ExecEnd {
  /** Null where it did not exit by itself, or was not started. */
  readonly code: number | null;
  readonly stdout: string;
  /** What it said, or why it ended where it said nothing. */
  readonly stderr: string;
}

/** Why a program failed that said nothing itself; Node's own message would repeat its whole command line. */
function failure({ killed, signal, code, message }: ExecFileException, timeoutMs: number): string {
  // A program that could not be started, or said too much: Node's sentence is about that alone.
  if (typeof code === 'string') return message;
  if (killed) return `it did not end within ${timeoutMs / 1000} s`;
  if (signal) return `it was killed by ${signal}`;
  return `it exited with ${code}`;
}

/** Runs a program without input and gathers what it prints. Never rejects. */
export function exec(program: string, args: readonly string[], options: ExecOptions): Promise<ExecEnd> {
  const { env, timeoutMs, cwd, signal, onOutput, maxBytes = 2 ** 20 } = options;
  const given = {
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
    maxBuffer: maxBytes,
    ...(cwd === undefined ? {} : { cwd }),
    ...(signal === undefined ? {} : { signal }),
  } as const;
  return new Promise((resolve) => {
    try {
      const child = execFile(program, [...args], given, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr: stderr === '' && error ? failure(error, timeoutMs) : stderr });
      });
      if (onOutput) child.stdout?.on('data', onOutput);
      child.stdin?.end();
    } catch (thrown) {
      // Refused before anything ran, for instance a NUL in a path.
      resolve({ code: null, stdout: '', stderr: String(thrown) });
    }
  });
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The only variables of our own that a child may see: keys stay in the process that calls the model (I7). */
const inherited = [
  'PATH', 'HOME', 'LANG', 'CUDA_VISIBLE_DEVICES', 'LD_LIBRARY_PATH',
  // Where the compiled engine is kept, and by which compiler.
  'XDG_CACHE_HOME', 'CXX',
];

/** What a child's environment starts from. */
export function childEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The executables called `name` on PATH, in order. */
export function allOnPath(name: string, env: Environment): string[] {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

/** The end of a program that ran for what it prints. */
export interface ProgramOutput {
  /** Exited with 0, in time. */
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a child's environment and gathers what it prints. Never rejects. */
export async function runProgram(
  program: string,
  args: readonly string[],
  env: Environment,
  timeoutMs: number,
): Promise<ProgramOutput> {
  const { code, stdout, stderr } = await exec(program, args, { env: childEnvironment(env), timeoutMs });
  return { ok: code === 0, stdout, stderr };
}

/**
 * What a child wrote to stderr: its first bytes, which often name the cause, and its last, which tell how it ended. What
 * lies between is counted and dropped, so that a child which never stops writing costs `limit` bytes and no more.
 */
export class OutputLog {
  readonly #half: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;

  /** @param limit bytes kept, half of them at either end. */
  constructor(limit = 256 * 1024) {
    this.#half = Math.floor(limit / 2);
  }

  push(chunk: Buffer): void {
    this.#total += chunk.length;
    const free = this.#half - this.#headBytes;
    const first = chunk.subarray(0, free);
    if (first.length > 0) {
      this.#head.push(first);
      this.#headBytes += first.length;
    }
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    // Compacted only when twice as much has gathered, so that many small writes cost a copy each and not a tail each.
    if (this.#tailBytes > 2 * this.#half) {
      const kept = Buffer.from(Buffer.concat(this.#tail).subarray(-this.#half));
      this.#tail = [kept];
      this.#tailBytes = kept.length;
    }
  }

  /** Everything that was kept, with a note where something is missing. */
  text(): string {
    const head = Buffer.concat(this.#head).toString('utf8');
    const tail = Buffer.concat(this.#tail).subarray(-this.#half);
    const dropped = this.#total - this.#headBytes - tail.length;
    const gap = dropped > 0 ? `\n[${dropped} bytes dropped]\n` : '';
    return `${head}${gap}${tail.toString('utf8')}`;
  }

  /** The last `count` lines that say anything, joined by ` | `, at most `limit` characters, cut at the beginning. */
  lastLines(count: number, limit: number): string {
    const lines = this.text()
      .split(/\r?\n/)
      .map((line) => printable(line, { width: limit }))
      .filter((line) => line !== '');
    const joined = lines.slice(-count).join(' | ');
    return joined.length > limit ? `…${joined.slice(1 - limit)}` : joined;
  }
}

/**
 * Cuts a stream of bytes into lines. A line longer than `limit` characters is handed over as what there is of it, once,
 * and the rest is dropped: a child that never ends a line must not fill the host's memory.
 */
export class LineReader {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #overflowed = false;

  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    if (this.#overflowed) return;
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#emit(line);
    if (this.#rest.length > this.#limit) {
      this.#overflowed = true;
      this.#emit(this.#rest);
      this.#rest = '';
    }
  }

  #emit(line: string): void {
    if (line.trim() !== '') this.#onLine(line);
  }
}
