/**
 * Processes: children and their output, which process a number means, what memory it uses, and the places where a test makes
 * this one die.
 *
 * Role: runs programs in an environment of allowed variables (I7), reads streams within bounds. Non-role: what a program is for.
 */
import { type ExecFileException, execFile, execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import * as z from 'zod';
import { printable } from './text.ts';

interface ExecOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly cwd?: string;
  /** Output limit per stream; default 1 MiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
  /** Written to its stdin, which is then closed. */
  readonly input?: string;
  /** Called with each chunk of stdout while the program runs. */
  readonly onOutput?: (text: string) => void;
}

/** Result of a program. */
export interface ExecEnd {
  /** Null if it did not exit by itself, or did not start. */
  readonly code: number | null;
  readonly stdout: string;
  /** Its stderr, or why it ended if that is empty. */
  readonly stderr: string;
}

/** Runs a program and collects its output. Never rejects. */
export function exec(program: string, args: readonly string[], options: ExecOptions): Promise<ExecEnd> {
  const { env, timeoutMs, cwd, signal, input, onOutput, maxBytes = 2 ** 20 } = options;
  const execOptions = {
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
      const child = execFile(program, [...args], execOptions, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr: stderr === '' && error ? failure(error, timeoutMs) : stderr });
      });
      if (onOutput) child.stdout?.on('data', onOutput);
      // A program that exits before it has read its input says so by its status.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    } catch (thrown) {
      // Rejected before the start, for instance NUL in a path.
      resolve({ code: null, stdout: '', stderr: String(thrown) });
    }
  });
}

/** Why a program failed without output; Node's own message would repeat the whole command line. */
function failure({ killed, signal, code, message }: ExecFileException, timeoutMs: number): string {
  // A program that did not start, or exceeded the output limit: Node's message is about that alone.
  if (typeof code === 'string') return message;
  if (killed) return `it did not end within ${timeoutMs / 1000} s`;
  if (signal) return `it was killed by ${signal}`;
  return `it exited with ${code}`;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The only variables a child sees: keys stay in the process that calls the model (I7). */
const inherited = [
  'PATH',
  'HOME',
  'LANG',
  'CUDA_VISIBLE_DEVICES',
  'LD_LIBRARY_PATH',
  // Cache folder and compiler of the engine.
  'XDG_CACHE_HOME',
  'CXX',
];

/** Base environment of a child. */
export function childEnvironment(env: Environment): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The executables called `name` on PATH, in order. */
export function allOnPath(name: string, env: Environment): string[] {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => isAbsolute(folder));
  return folders.map((folder) => join(folder, name)).filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Result of a program. */
interface ProgramOutput {
  /** Exited with 0 in time. */
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in a child's environment and collects its output. Never rejects. */
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
 * A child's stderr: its first bytes, which often name the cause, and its last, which show how it ended. The middle is counted
 * and dropped, so a child that writes endlessly costs `limit` bytes.
 */
export class OutputLog {
  readonly #half: number;
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #total = 0;

  /** @param limit bytes stored, half of them at either end. */
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
    // Compact only at twice the size, so that many small writes do not copy the tail each time.
    if (this.#tailBytes > 2 * this.#half) {
      const tail = Buffer.from(Buffer.concat(this.#tail).subarray(-this.#half));
      this.#tail = [tail];
      this.#tailBytes = tail.length;
    }
  }

  /** Everything stored, with a note if bytes were dropped. */
  text(): string {
    const head = Buffer.concat(this.#head).toString('utf8');
    const tail = Buffer.concat(this.#tail).subarray(-this.#half);
    const dropped = this.#total - this.#headBytes - tail.length;
    const gap = dropped > 0 ? `\n[${dropped} bytes dropped]\n` : '';
    return `${head}${gap}${tail.toString('utf8')}`;
  }

  /** The last `count` non-empty lines joined by ` | `, at most `limit` characters, cut at the start. */
  lastLines(count: number, limit: number): string {
    const lines = this.text()
      .split(/\r?\n/)
      .map((line) => printable(line, { width: limit }))
      .filter((line) => line !== '');
    const joined = lines.slice(-count).join(' | ');
    return joined.length > limit ? `…${joined.slice(1 - limit)}` : joined;
  }
}

/** Splits a byte stream into lines. Of a line longer than `limit` characters the rest is dropped, so that a child cannot fill the host's memory. */
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

// Which process a number means, and its memory.

/** Identifies a process, even if its number is reused. */
export const processSchema = z.strictObject({
  pid: z.int().positive(),
  /** Start time, in the system's format. */
  started: z.string(),
});

export type ProcessIdentity = z.infer<typeof processSchema>;

/** The process with this number, or undefined; a zombie does not count. */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = existsSync('/proc/self/stat') ? linuxStart(pid) : portableStart(pid);
  return started === undefined ? undefined : { pid, started };
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.started === process.started;
}

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot; the boot's own id tells ticks of different boots apart. */
function linuxStart(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command's name is in parentheses and may contain spaces; the following fields start with the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot}/${fields[19]}`;
}

function portableStart(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

/** Kernel facts about memory. Null if unavailable, as outside Linux. */
export interface MemoryProbe {
  /** Resident bytes of a process. */
  residentBytes(pid: number): number | null;
  /** Processes killed by the OOM killer since boot, in any control group. */
  outOfMemoryKills(): number | null;
}

export const procMemory: MemoryProbe = {
  residentBytes(pid) {
    const kibibytes = capture(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m);
    return kibibytes === null ? null : kibibytes * 1024;
  },
  outOfMemoryKills: () => capture('/proc/vmstat', /^oom_kill (\d+)$/m),
};

function capture(path: string, pattern: RegExp): number | null {
  try {
    const found = pattern.exec(readFileSync(path, 'utf8'))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    return null;
  }
}

// Failpoints.

/**
 * Named places where a process can be made to die, so that tests reach the windows between two durable steps, which random
 * kills almost never hit. `AIRA_FAILPOINT=name` dies at the first pass, `name:3` at the third. Otherwise a failpoint costs
 * one comparison.
 */
export const failpoints = [
  'submit.before-commit',
  'submit.after-commit',
  'publish.before-send',
  'publish.after-send',
  'worker.before-claim',
  'worker.after-claim',
  'train.before-start',
  'train.after-end',
  'result.after-publish',
  'job.after-ack',
  'archive.before-commit',
  'archive.after-commit',
] as const;

export type Failpoint = (typeof failpoints)[number];

const [armed, nth = '1'] = (process.env.AIRA_FAILPOINT ?? '').split(':');

let passes = 0;

/** Kills this process without clean-up if a test has armed this place. */
export function failpoint(name: Failpoint): void {
  if (name !== armed) return;
  passes += 1;
  if (passes === Number(nth)) process.kill(process.pid, 'SIGKILL');
}
