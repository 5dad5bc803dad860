import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import type { Architecture, Primitive } from '../../domain/architecture.ts';
import { PrerequisiteError, RetryableError, TerminalError, toError } from '../../domain/errors.ts';

/**
 * Client of one helper process, `python3 -m aira_workers.bayes`, over JSON lines.
 *
 * Role: starts the helper, asks and answers. Non-role: deciding what to do when the helper dies.
 *
 * BAY-1. The process starts with the first question, and a question after its death starts another one.
 * BAY-2. Questions are answered one at a time, in order.
 * BAY-3. Each question settles exactly once: with the answer, or with an error if the helper dies, breaks the protocol, or
 *        the question is aborted.
 * BAY-4. The helper has no state between questions, so it may be killed at any time; `close` returns after its exit.
 */

/** How to run the helper. The environment is complete: nothing is inherited in addition. */
export interface PythonOptions {
  readonly python: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The package directory, which contains `gpu-workers/`. */
  readonly packageRoot: string;
}

export interface Question {
  readonly layers: number;
  readonly primitives: readonly Primitive[];
  readonly observations: readonly { readonly architecture: Architecture; readonly score: number }[];
  readonly pending: readonly Architecture[];
  readonly candidates: readonly Architecture[];
  /** In [0, 2^32). */
  readonly seed: number;
}

const protocol = 1;
const helloSchema = z.strictObject({ kind: z.literal('hello'), protocol: z.literal(protocol), engine: z.string() });
const suggestionSchema = z.strictObject({
  kind: z.literal('suggestion'),
  id: z.int(),
  index: z.int().nonnegative(),
  expected: z.number(),
  std: z.number(),
  acquisition: z.number(),
});
const replySchema = z.discriminatedUnion('kind', [
  helloSchema,
  suggestionSchema,
  z.strictObject({ kind: z.literal('refused'), id: z.int().nullable(), message: z.string() }),
]);
type Reply = z.infer<typeof replySchema>;
/** The answer and the engine that computed it. */
export type Suggestion = Omit<z.infer<typeof suggestionSchema>, 'kind' | 'id'> & { readonly engine: string };

/** Characters of the helper's stderr that an error message quotes. */
const quoted = 600;

interface HelperProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly exited: Promise<void>;
  engine: string | null;
  /** Killed on purpose. */
  closing: boolean;
  stderrTail: string;
  /** Receives the next reply, or the error that replaces it. */
  listener: ((reply: Reply | Error) => void) | null;
}

export class BayesHelper {
  readonly #setting: PythonOptions;
  #running: HelperProcess | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #lastId = 0;
  /** Number of calls to `close`: questions asked before the last one are not answered. */
  #closed = 0;

  constructor(setting: PythonOptions) {
    this.#setting = setting;
  }

  /**
   * The candidate that is worth the next evaluation.
   *
   * @throws RetryableError if the helper died; PrerequisiteError if it cannot start; TerminalError if it refuses the
   * question, violates the protocol or was closed; the signal's reason if the question is aborted.
   */
  suggest(question: Question, signal?: AbortSignal): Promise<Suggestion> {
    const age = this.#closed;
    const answer = this.#queue.then(() => {
      if (age !== this.#closed) throw closedError();
      return this.#ask(question, signal);
    });
    this.#queue = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    this.#closed += 1;
    await this.#kill();
  }

  async #kill(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    running.closing = true;
    running.child.kill('SIGKILL');
    await running.exited;
  }

  async #ask(question: Question, signal?: AbortSignal): Promise<Suggestion> {
    signal?.throwIfAborted();
    const withdraw = () => void this.#kill();
    signal?.addEventListener('abort', withdraw, { once: true });
    try {
      const running = this.#running ?? this.#start();
      const engine = running.engine ?? (await this.#handshake(running));
      this.#lastId += 1;
      const id = this.#lastId;
      const reply = await exchange(running, `${JSON.stringify({ kind: 'suggest', id, ...question })}\n`);
      if (reply.kind === 'refused') {
        throw new TerminalError('bayes-refused', `the Bayesian helper refused its question: ${reply.message}`);
      }
      if (reply.kind !== 'suggestion' || reply.id !== id || reply.index >= question.candidates.length) {
        await this.#kill();
        throw new TerminalError('bayes-protocol', `the Bayesian helper gave an invalid answer to question ${id}`);
      }
      const { index, expected, std, acquisition } = reply;
      return { index, expected, std, acquisition, engine };
    } catch (error) {
      if (signal?.aborted) {
        await this.#running?.exited;
        throw toError(signal.reason);
      }
      throw error;
    } finally {
      signal?.removeEventListener('abort', withdraw);
    }
  }

  #start(): HelperProcess {
    const { python, env, packageRoot } = this.#setting;
    const path = [join(packageRoot, 'gpu-workers'), env.PYTHONPATH].filter(Boolean).join(delimiter);
    const child = spawn(python, ['-m', 'aira_workers.bayes'], { env: { ...env, PYTHONPATH: path }, stdio: 'pipe' });
    let resolveExit = () => {};
    const exited = new Promise<void>((resolve) => {
      resolveExit = resolve;
    });
    const running: HelperProcess = { child, exited, engine: null, closing: false, stderrTail: '', listener: null };
    this.#running = running;

    const deliver = (reply: Reply | Error) => {
      const { listener } = running;
      running.listener = null;
      listener?.(reply);
    };
    let ended = false;
    const end = (why: string) => {
      if (ended) return;
      ended = true;
      if (this.#running === running) this.#running = null;
      deliver(this.#death(running, why));
      resolveExit();
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, killedBy) => end(killedBy ? `killed by ${killedBy}` : `exit status ${code}`));
    // A write to a helper that has just died; `close` reports it with a better message.
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      running.stderrTail = (running.stderrTail + text).slice(-quoted);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reply = parseReply(line);
      if (reply === null) child.kill('SIGKILL');
      deliver(
        reply ?? new TerminalError('bayes-protocol', `invalid line from the Bayesian helper: "${line.slice(0, 80)}"`),
      );
    });
    return running;
  }

  async #handshake(running: HelperProcess): Promise<string> {
    const hello = await exchange(running, '');
    if (hello.kind !== 'hello') throw new TerminalError('bayes-protocol', 'no hello from the Bayesian helper');
    running.engine = hello.engine;
    return hello.engine;
  }

  /** Death after the handshake is transient; death before it means that a prerequisite is missing. */
  #death(running: HelperProcess, why: string): Error {
    if (running.closing) return closedError();
    // The last line of a traceback names the error.
    const words = running.stderrTail.trim().split('\n').at(-1);
    const detail = words ? `${why}: ${words}` : why;
    if (running.engine !== null) return new RetryableError('bayes-died', `the Bayesian helper died (${detail})`, 0);
    return new PrerequisiteError(
      'bayes-start',
      `the Bayesian helper failed to start with ${this.#setting.python} (${detail})`,
      "install scikit-learn for that Python (`pip install scikit-learn`, on Debian `apt install python3-sklearn`), or set the agent's model to local/mutate",
    );
  }
}

function closedError(): TerminalError {
  return new TerminalError('bayes-closed', 'the Bayesian helper was closed before it answered');
}

/** Sends a line, unless it is empty, and waits for the next reply. */
function exchange(running: HelperProcess, line: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    running.listener = (reply) => (reply instanceof Error ? reject(reply) : resolve(reply));
    if (line !== '') running.child.stdin.write(line);
  });
}

function parseReply(line: string): Reply | null {
  try {
    return replySchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
