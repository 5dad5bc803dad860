import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import * as z from 'zod';
import { type Architecture, primitiveSchema, type StackSpec, versionWith } from '../../domain/architecture.ts';
import { PrerequisiteError, RetryableError } from '../../domain/errors.ts';
import { type Job, measurementSchema } from '../../domain/evaluation.ts';
import { type EvaluationKey, evaluationKeySchema } from '../../domain/ids.ts';
import type { Json } from '../../domain/json.ts';
import {
  type Deferred,
  deferred,
  LineReader,
  type MemoryProbe,
  OutputLog,
  printable,
  setupRemedy,
  type Timers,
} from '../../platform/index.ts';
import type { Verdict } from '../evaluator.ts';

/**
 * One trainer process: the lines that pass between host and child, the child in its own process group, and the handshake, memory limit
 * and end of a trainer. What an event means for a candidate, and deadlines, are in `nativeWorker.ts`.
 */

/**
 * Version 1 of the protocol between host and worker process: one JSON object per line, requests on the worker's stdin, events
 * on its stdout. `gpu-workers/aira_workers/worker` is the other side. Both are installed together, so every shape is strict.
 */
const protocolVersion = 1;

/** Maximum length of a line; a result with a full curve stays below 10 kB. */
const longestLine = 1_000_000;

const helloSchema = z.strictObject({
  event: z.literal('hello'),
  v: z.literal(protocolVersion),
  /** Engine and source hash; must equal the job's (I2). */
  evaluator: z.string().regex(/^[a-z0-9-]+-[0-9a-f]{12}$/),
  engine: z.string(),
  /** Maximum number of candidates that one request trains together. */
  populationSize: z.int().positive(),
  /** Digests of the user's own primitives that it can train, by name. */
  primitives: z.record(primitiveSchema, z.string().regex(/^[0-9a-f]{64}$/)),
  device: z.string(),
  deviceName: z.string(),
  torch: z.string(),
  python: z.string(),
  /** Memory of the device in bytes. */
  memoryBytes: z.int().nonnegative(),
  /** Measured float32 matrix multiplication, FLOP/s. */
  calibratedFlops: z.number().nonnegative(),
});
export type Hello = z.infer<typeof helloSchema>;

/** Distinguishes another protocol version from an invalid line. */
const anyHelloSchema = z.looseObject({ event: z.literal('hello'), v: z.int() });

const ofMember = { id: z.string(), key: evaluationKeySchema };

const progressSchema = z.strictObject({
  event: z.literal('progress'),
  ...ofMember,
  step: z.int().nonnegative(),
  steps: z.int().positive(),
  /** The score so far; null before there is one. */
  score: z.number().nullable(),
});

const resultSchema = measurementSchema.omit({ status: true, scale: true }).extend({
  event: z.literal('result'),
  ...ofMember,
  /** Per sub-task; null for a score that this training does not measure. */
  tasks: z.record(z.string(), z.record(z.string(), z.number().nullable())),
});

const failedSchema = z.strictObject({
  event: z.literal('failed'),
  ...ofMember,
  reason: z.enum(['invalid', 'nan', 'oom', 'cancelled', 'crash']),
  message: z.string(),
});

const doneSchema = z.strictObject({ event: z.literal('done'), id: z.string() });
/** An invalid request. */
const errorSchema = z.strictObject({ event: z.literal('error'), message: z.string() });

/** The events after the hello. */
const workerEventSchema = z.discriminatedUnion('event', [
  progressSchema,
  resultSchema,
  failedSchema,
  doneSchema,
  errorSchema,
]);
export type WorkerEvent = z.infer<typeof workerEventSchema>;
export type ProgressEvent = z.infer<typeof progressSchema>;
export type ResultEvent = z.infer<typeof resultSchema>;
export type FailedEvent = z.infer<typeof failedSchema>;

export type WorkerRequest =
  | {
      readonly op: 'evaluate';
      readonly id: string;
      readonly proxy: { readonly [key: string]: Json };
      readonly space: StackSpec;
      readonly population: readonly {
        readonly key: EvaluationKey;
        readonly architecture: Architecture;
        readonly seed: number;
        readonly measure: Job['measure'];
      }[];
    }
  | { readonly op: 'cancel'; readonly id: string }
  | { readonly op: 'shutdown' };

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

interface ProcessHandlers {
  onLine(line: string): void;
  onEnd(end: ProcessEnd): void;
}

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

/** Thrown if a child exits, hangs or violates the protocol before its hello. Worth a retry: memory may have been short. */
export class WorkerStartError extends RetryableError {
  constructor(message: string) {
    super('worker-start', message, 5000);
  }
}

export interface TrainerOptions {
  readonly command: WorkerCommand;
  readonly memoryLimitBytes: number;
  readonly helloTimeoutMs: number;
  readonly graceMs: number;
  readonly timers: Timers;
  readonly memory: MemoryProbe;
}

export interface TrainerHandlers {
  /** Returns the problem with the event, or null. */
  onEvent(event: WorkerEvent): string | null;
  onEnd(end: ProcessEnd): void;
}

/** Interval of memory checks. */
const memoryEveryMs = 500;

const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;

/**
 * One child that must complete a handshake before it gets work, and may be terminated.
 *
 * Role: the handshake, parsing events, the memory limit. Non-role: the meaning of an event for a candidate, deadlines.
 *
 * TRN-1. `hello` settles: with the hello, or with the reason why there is none.
 * TRN-2. The first line is a hello of our protocol version, each later one an event that the owner accepts. A child that
 *        writes anything else is terminated, because nothing that it writes later can be trusted.
 * TRN-3. A terminated child is killed at once, its output is ignored, and its first verdict stays.
 */
export class Trainer {
  readonly process: WorkerProcess;
  readonly #options: TrainerOptions;
  readonly #handlers: TrainerHandlers;
  readonly #hello: Deferred<Hello> = deferred();
  readonly #ended: Deferred<void> = deferred();
  readonly #cancellers: (() => void)[];
  #handshakeDone = false;
  #terminated: Verdict | null = null;

  constructor(options: TrainerOptions, handlers: TrainerHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.process = new WorkerProcess(options.command, options.timers, options.graceMs, {
      onLine: (line) => this.#read(line),
      onEnd: (end) => this.#end(end),
    });
    this.#cancellers = [
      options.timers.after(options.helloTimeoutMs, () => this.#onHelloTimeout()),
      options.timers.every(memoryEveryMs, () => this.#watchMemory()),
    ];
  }

  /** @throws WorkerStartError; PrerequisiteError if the program cannot run or has another protocol version. */
  get hello(): Promise<Hello> {
    return this.#hello.promise;
  }

  /** Resolves when the child has exited. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Why it was killed, or null. */
  get terminated(): Verdict | null {
    return this.#terminated;
  }

  /** Kills the child. A pending `hello` rejects with `startError`. */
  terminate(verdict: Verdict, startError: Error = new WorkerStartError(verdict.message)): void {
    if (this.#terminated) return;
    this.#terminated = verdict;
    this.#hello.reject(startError);
    this.process.kill();
  }

  /** Asks the child to exit, and kills it after the grace period. */
  shutdown(verdict: Verdict, startError: Error): void {
    this.process.send({ op: 'shutdown' });
    this.process.endInput();
    this.#cancellers.push(this.#options.timers.after(this.#options.graceMs, () => this.terminate(verdict, startError)));
  }

  #crash(sentence: string, startError?: Error): void {
    this.terminate({ reason: 'lost', message: withStderrTail(sentence, this.process.stderr) }, startError);
  }

  #onHelloTimeout(): void {
    if (!this.#handshakeDone)
      this.#crash(`the trainer's handshake timed out after ${this.#options.helloTimeoutMs / 1000} s`);
  }

  #watchMemory(): void {
    const { memory, memoryLimitBytes } = this.#options;
    const resident = this.process.pid === undefined ? null : memory.residentBytes(this.process.pid);
    if (resident === null || resident <= memoryLimitBytes) return;
    const message = `the trainer process used ${megabytes(resident)} of memory; its limit is ${megabytes(memoryLimitBytes)}`;
    this.terminate({ reason: 'oom', message });
  }

  #read(line: string): void {
    if (this.#terminated) return;
    const problem = this.#handshakeDone ? this.#readEvent(line) : this.#readHello(line);
    if (problem !== null)
      this.#crash(`the trainer process violated the protocol (${problem}): ${printable(line, { width: 200 })}`);
  }

  #readHello(line: string): string | null {
    const message = parseJson(line);
    const versioned = anyHelloSchema.safeParse(message);
    if (versioned.success && versioned.data.v !== protocolVersion) {
      const sentence = `the trainers use version ${versioned.data.v} of the worker protocol, expected ${protocolVersion}`;
      this.#crash(
        sentence,
        new PrerequisiteError('worker-protocol', sentence, 'reinstall Aira, so that all parts have one version'),
      );
      return null;
    }
    const hello = helloSchema.safeParse(message);
    if (!hello.success) return 'not a hello';
    this.#handshakeDone = true;
    // From here on a version names every primitive that this trainer has.
    const evaluator = versionWith(hello.data.evaluator, hello.data.primitives);
    this.#hello.resolve({ ...hello.data, evaluator });
    return null;
  }

  #readEvent(line: string): string | null {
    const event = workerEventSchema.safeParse(parseJson(line));
    return event.success ? this.#handlers.onEvent(event.data) : 'not an event';
  }

  #end(end: ProcessEnd): void {
    for (const cancel of this.#cancellers) cancel();
    const text = `the trainer process ${describeEnd(end)}`;
    this.#hello.reject(
      end.error
        ? new PrerequisiteError('worker-program', text, setupRemedy, { cause: end.error })
        : new WorkerStartError(withStderrTail(`${text} before its hello`, this.process.stderr)),
    );
    this.#handlers.onEnd(end);
    this.#ended.resolve();
  }
}

/** Undefined, which no schema accepts, for text that is not JSON. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const lastLines = 8;
const lastCharacters = 1500;

/** `text` with the tail of the child's stderr, if any. */
export function withStderrTail(text: string, stderr: OutputLog): string {
  const tail = stderr.lastLines(lastLines, lastCharacters);
  return tail === '' ? text : `${text}; stderr: ${tail}`;
}

/** An unexpected end in words: `exited with code 3`. */
export function describeEnd({ code, signal, error }: ProcessEnd): string {
  if (error) return `failed to start: ${error.message}`;
  if (signal) return `was killed by ${signal}`;
  return code === null ? 'could not be killed' : `exited with code ${code}`;
}

/**
 * Why a child died that this process did not kill.
 *
 * @param outOfMemoryKills increase of the kernel's count of OOM kills meanwhile; null if unknown. The count is machine-wide, so
 * that together with an unexplained SIGKILL `oom` is plausible but not proven.
 */
export function diagnose(end: ProcessEnd, stderr: OutputLog, outOfMemoryKills: number | null): Verdict {
  if (end.signal === 'SIGKILL' && (outOfMemoryKills ?? 0) > 0) {
    return {
      reason: 'oom',
      message: withStderrTail('the machine ran out of memory and the kernel killed the trainer process', stderr),
    };
  }
  return { reason: 'lost', message: withStderrTail(`the trainer process ${describeEnd(end)}`, stderr) };
}
