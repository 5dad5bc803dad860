import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import type { Architecture, Primitive } from '../../domain/architecture.ts';
import { PrerequisiteError, RetryableError, TerminalError, toError } from '../../domain/errors.ts';

/**
 * The conversation with one helper process, `python3 -m aira_workers.bayes`, over JSON lines.
 *
 * Not its role: to decide what to do when the helper dies. Invariants:
 * 1. The process starts with the first question, and a question after its death starts another one.
 * 2. Questions are answered one at a time, in the order in which they were asked.
 * 3. Each question settles exactly once: with the answer, or with an error when the helper dies, breaks the protocol,
 *    or the question is withdrawn.
 * 4. The helper keeps nothing between questions, so it may be killed at any time; `close` returns when it is gone.
 */

/** How to run the helper. The environment is complete: nothing is inherited beside it. */
export interface PythonOptions {
  readonly python: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aira's own directory: the one that holds `gpu-workers/`. */
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
/** The answer, and which engine gave it. */
export type Suggestion = Omit<z.infer<typeof suggestionSchema>, 'kind' | 'id'> & { readonly engine: string };

/** Characters of the helper's stderr that an error message quotes. */
const quoted = 600;

interface HelperProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly gone: Promise<void>;
  engine: string | null;
  /** Killed on purpose. */
  closing: boolean;
  stderrTail: string;
  /** Takes what the helper says, or why it never will. */
  listener: ((heard: Reply | Error) => void) | null;
}

export class BayesHelper {
  readonly #setting: PythonOptions;
  #running: HelperProcess | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #asked = 0;
  /** How often it was closed: what was asked before the last time is not answered. */
  #closed = 0;

  constructor(setting: PythonOptions) {
    this.#setting = setting;
  }

  /**
   * Which candidate is worth the next evaluation?
   *
   * @throws RetryableError when the helper died; PrerequisiteError when it cannot start at all; TerminalError when it
   * refuses the question, answers out of protocol or was closed; the signal's reason when the question is withdrawn.
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
    await running.gone;
  }

  async #ask(question: Question, signal?: AbortSignal): Promise<Suggestion> {
    signal?.throwIfAborted();
    const withdraw = () => void this.#kill();
    signal?.addEventListener('abort', withdraw, { once: true });
    try {
      const running = this.#running ?? this.#start();
      const engine = running.engine ?? (await this.#greet(running));
      this.#asked += 1;
      const id = this.#asked;
      const reply = await hear(running, `${JSON.stringify({ kind: 'suggest', id, ...question })}\n`);
      if (reply.kind === 'refused') {
        throw new TerminalError('bayes-refused', `the Bayesian helper refused its question: ${reply.message}`);
      }
      if (reply.kind !== 'suggestion' || reply.id !== id || reply.index >= question.candidates.length) {
        await this.#kill();
        throw new TerminalError('bayes-protocol', `the Bayesian helper answered question ${id} with something else`);
      }
      const { index, expected, std, acquisition } = reply;
      return { index, expected, std, acquisition, engine };
    } catch (error) {
      if (signal?.aborted) {
        await this.#running?.gone;
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
    let buried = () => {};
    const gone = new Promise<void>((resolve) => {
      buried = resolve;
    });
    const running: HelperProcess = { child, gone, engine: null, closing: false, stderrTail: '', listener: null };
    this.#running = running;

    const tell = (heard: Reply | Error) => {
      const { listener } = running;
      running.listener = null;
      listener?.(heard);
    };
    let ended = false;
    const end = (why: string) => {
      if (ended) return;
      ended = true;
      if (this.#running === running) this.#running = null;
      tell(this.#death(running, why));
      buried();
    };
    child.on('error', (error) => end(error.message));
    child.on('close', (code, killedBy) => end(killedBy ? `killed by ${killedBy}` : `exit status ${code}`));
    // Writing to a helper that has just died; `close` says so in better words.
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      running.stderrTail = (running.stderrTail + text).slice(-quoted);
    });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const reply = parseReply(line);
      if (reply === null) child.kill('SIGKILL');
      tell(reply ?? new TerminalError('bayes-protocol', `the Bayesian helper said "${line.slice(0, 80)}"`));
    });
    return running;
  }

  async #greet(running: HelperProcess): Promise<string> {
    const hello = await hear(running, '');
    if (hello.kind !== 'hello') throw new TerminalError('bayes-protocol', 'the Bayesian helper did not say hello');
    running.engine = hello.engine;
    return hello.engine;
  }

  /** A helper that spoke before it died may do better next time; one that never did lacks something. */
  #death(running: HelperProcess, why: string): Error {
    if (running.closing) return closedError();
    // Of a traceback the last line says what happened.
    const words = running.stderrTail.trim().split('\n').at(-1);
    const detail = words ? `${why}: ${words}` : why;
    if (running.engine !== null) return new RetryableError('bayes-died', `the Bayesian helper died (${detail})`, 0);
    return new PrerequisiteError(
      'bayes-start',
      `the Bayesian helper does not start with ${this.#setting.python} (${detail})`,
      'install scikit-learn for that Python (`pip install scikit-learn`, on Debian `apt install python3-sklearn`), or give the agent the model local/mutate',
    );
  }
}

function closedError(): TerminalError {
  return new TerminalError('bayes-closed', 'the Bayesian helper was closed before it answered');
}

/** Sends a line, unless it is empty, and waits for the next thing that the helper says. */
function hear(running: HelperProcess, line: string): Promise<Reply> {
  return new Promise((resolve, reject) => {
    running.listener = (heard) => (heard instanceof Error ? reject(heard) : resolve(heard));
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
