/**
 * One child that has to introduce itself before it is given work, and may be condemned.
 *
 * Role: the handshake, the reading of events, the memory limit. Not its role: what an event means for a candidate, when a
 * training has lasted long enough.
 *
 *   T1  `hello` settles: with the hello, or with why there is none.
 *   T2  The first line is a hello of our protocol version, each later one an event that the owner accepts. A child that
 *       writes anything else is condemned, for nothing that it says later can be trusted.
 *   T3  A condemned child is killed at once, is not listened to any more, and keeps the first verdict.
 */

import { PrerequisiteError, RetryableError } from '../../domain/errors.ts';
import {
  type Deferred,
  deferred,
  type MemoryProbe,
  type OutputLog,
  printable,
  type Timers,
} from '../../platform/index.ts';
import type { Verdict } from '../evaluator.ts';
import {
  anyHelloSchema,
  type Hello,
  helloSchema,
  protocolVersion,
  type WorkerEvent,
  workerEventSchema,
} from '../protocol.ts';
import { type ProcessEnd, type WorkerCommand, WorkerProcess } from './workerProcess.ts';

/** Thrown when a child ends, hangs or talks nonsense before its hello. Worth another try: memory may have been short. */
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
  /** Answers what is wrong with the event, or null. */
  onEvent(event: WorkerEvent): string | null;
  onEnd(end: ProcessEnd): void;
}

/** How often resident memory is looked at. */
const memoryEveryMs = 500;

const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;

export class Trainer {
  readonly process: WorkerProcess;
  readonly #options: TrainerOptions;
  readonly #handlers: TrainerHandlers;
  readonly #hello: Deferred<Hello> = deferred();
  readonly #ended: Deferred<void> = deferred();
  readonly #callOff: (() => void)[];
  #handshakeDone = false;
  #condemned: Verdict | null = null;

  constructor(options: TrainerOptions, handlers: TrainerHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.process = new WorkerProcess(options.command, options.timers, options.graceMs, {
      onLine: (line) => this.#read(line),
      onEnd: (end) => this.#end(end),
    });
    this.#callOff = [
      options.timers.after(options.helloTimeoutMs, () => this.#missHello()),
      options.timers.every(memoryEveryMs, () => this.#watchMemory()),
    ];
  }

  /** @throws WorkerStartError; PrerequisiteError when the program cannot be run or speaks another protocol version. */
  get hello(): Promise<Hello> {
    return this.#hello.promise;
  }

  /** Resolves when the child is gone. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Why it was killed; null while it was not. */
  get condemned(): Verdict | null {
    return this.#condemned;
  }

  /** Kills the child. `startError` is what `hello` rejects with if it is still awaited. */
  terminate(verdict: Verdict, startError: Error = new WorkerStartError(verdict.message)): void {
    if (this.#condemned) return;
    this.#condemned = verdict;
    this.#hello.reject(startError);
    this.process.kill();
  }

  /** Asks the child to exit, and kills it after the grace. */
  dismiss(verdict: Verdict, startError: Error): void {
    this.process.send({ op: 'shutdown' });
    this.process.endInput();
    this.#callOff.push(this.#options.timers.after(this.#options.graceMs, () => this.terminate(verdict, startError)));
  }

  #crash(sentence: string, startError?: Error): void {
    this.terminate({ reason: 'lost', message: withStderrTail(sentence, this.process.stderr) }, startError);
  }

  #missHello(): void {
    if (!this.#handshakeDone)
      this.#crash(`the trainer process did not greet within ${this.#options.helloTimeoutMs / 1000} s`);
  }

  #watchMemory(): void {
    const { memory, memoryLimitBytes } = this.#options;
    const resident = this.process.pid === undefined ? null : memory.residentBytes(this.process.pid);
    if (resident === null || resident <= memoryLimitBytes) return;
    const message = `the trainer process held ${megabytes(resident)} of memory; its limit is ${megabytes(memoryLimitBytes)}`;
    this.terminate({ reason: 'oom', message });
  }

  #read(line: string): void {
    if (this.#condemned) return;
    const problem = this.#handshakeDone ? this.#readEvent(line) : this.#readHello(line);
    if (problem !== null)
      this.#crash(`the trainer process broke the protocol (${problem}): ${printable(line, { width: 200 })}`);
  }

  #readHello(line: string): string | null {
    const message = parseJson(line);
    const greeting = anyHelloSchema.safeParse(message);
    if (greeting.success && greeting.data.v !== protocolVersion) {
      const sentence = `the trainers speak version ${greeting.data.v} of the worker protocol, not ${protocolVersion}`;
      this.#crash(
        sentence,
        new PrerequisiteError('worker-protocol', sentence, 'install one version of Aira completely'),
      );
      return null;
    }
    const hello = helloSchema.safeParse(message);
    if (!hello.success) return 'no hello';
    this.#handshakeDone = true;
    this.#hello.resolve(hello.data);
    return null;
  }

  #readEvent(line: string): string | null {
    const event = workerEventSchema.safeParse(parseJson(line));
    return event.success ? this.#handlers.onEvent(event.data) : 'no event';
  }

  #end(end: ProcessEnd): void {
    for (const callOff of this.#callOff) callOff();
    const text = `the trainer process ${describeEnd(end)}`;
    this.#hello.reject(
      end.error
        ? new PrerequisiteError('worker-program', text, 'run `npm run setup`', { cause: end.error })
        : new WorkerStartError(withStderrTail(`${text} before its hello`, this.process.stderr)),
    );
    this.#handlers.onEnd(end);
    this.#ended.resolve();
  }
}

/** Undefined, which no schema accepts, for text that is no JSON. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

const lastLines = 8;
const lastCharacters = 1500;

/** `text`, and what the child said last where it said anything. */
export function withStderrTail(text: string, stderr: OutputLog): string {
  const words = stderr.lastLines(lastLines, lastCharacters);
  return words === '' ? text : `${text}; its last words: ${words}`;
}

/** How an unexpected end reads: `exited with code 3`. */
export function describeEnd({ code, signal, error }: ProcessEnd): string {
  if (error) return `could not be started: ${error.message}`;
  if (signal) return `was killed by ${signal}`;
  return code === null ? 'could not be ended' : `exited with code ${code}`;
}

/**
 * Why a child died that nobody here has killed.
 *
 * @param outOfMemoryKills by how much the kernel's count of such kills has grown meanwhile; null where it is not known. The
 * count is the machine's, so that with an unexplained SIGKILL at the same time `oom` is plausible and not proven.
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
