import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import {
  type Architecture,
  canonicalText,
  type Primitive,
  parseInSpace,
  type StackSpace,
} from '../../domain/architecture.ts';
import { PrerequisiteError, RetryableError, TerminalError, toError } from '../../domain/errors.ts';
import { isScored, ranked, type ScoredNode, type ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';
import {
  describeChange,
  describeDraft,
  mutate,
  randomArchitecture,
  randomUnseen,
  recombine,
  seenCandidates,
  vary,
} from './mutate.ts';

/**
 * `local/bayes`: Bayesian optimisation over the layers of a stack. The surrogate is in a helper process,
 * `python3 -m aira_workers.bayes`, which is asked over JSON lines.
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

/** A surrogate with fewer scores is no better than chance. */
const fewest = 3;
/** The fit is cubic in the observations: one second at 500 on one core. Beyond that, keep the best and the newest halves. */
const mostObservations = 500;
/** How many of the best nodes, in addition to the decision's parents, are mutated for the pool. */
const bestSources = 5;

/** At most `mostObservations` nodes, in order of attempts. */
function observed(nodes: readonly ScoredNode[]): ScoredNode[] {
  if (nodes.length <= mostObservations) return [...nodes];
  const selected = new Set(nodes.slice(-mostObservations / 2));
  for (const node of ranked(nodes)) {
    if (selected.size === mostObservations) break;
    selected.add(node);
  }
  return nodes.filter((node) => selected.has(node));
}

/**
 * Composer's search engine, "one-shot": a Gaussian process over the layers, and noisy expected improvement (Letham et al. 2019,
 * arXiv 1706.07094; `aira_workers/bayes/surrogate.py`) over a pool of random architectures and mutations of the best nodes and the parents.
 * Repairs are chosen among mutations of the failed candidate. Drafts, and anything before three scores, are random: drafts learn
 * nothing from results, whatever the model.
 *
 * If the helper dies it is restarted once for the same question; a second death is an error. The model never falls back to
 * random search silently.
 */
export function bayesModel(python: PythonOptions): LocalModel {
  const helper = new BayesHelper(python);

  async function ask(question: Question, signal: AbortSignal | undefined): Promise<Suggestion> {
    try {
      return await helper.suggest(question, signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
    }
    try {
      return await helper.suggest(question, signal);
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error;
      throw new TerminalError(
        'bayes-died',
        `${error.message}, twice on the same question: check memory and the Python installation, then resume the search, or set the agent's model to local/mutate`,
        { cause: error },
      );
    }
  }

  return {
    name: 'local/bayes',
    async propose(input) {
      const { operator, parents, view, space, rng } = input;
      const scored = view.nodes.filter(isScored).sort((a, b) => a.ordinal - b.ordinal);
      if (operator === 'draft') return randomProposal(input, '');
      const near = operator === 'debug';
      if (scored.length < fewest)
        return (
          (near ? vary(input) : null) ??
          randomProposal(input, `; ${scored.length} of the ${fewest} scores that the surrogate needs`)
        );

      const sources = [...new Set([...parents, ...(near ? [] : ranked(scored).slice(0, bestSources))])];
      const pair = operator === 'crossover' ? parents : [];
      const pool = candidatePool({ sources, pair, near }, space, seenCandidates(view), rng);
      if (pool.length === 0) return randomProposal(input, '; no unseen candidate near the best or by chance');

      const observations = observed(scored);
      const pending = view.nodes.filter((node) => node.status === 'pending').sort((a, b) => a.ordinal - b.ordinal);
      const question: Question = {
        layers: space.layers,
        primitives: [...new Set(space.primitives)],
        observations: observations.map(({ candidate, fitness }) => ({
          architecture: parseInSpace(candidate, space),
          score: fitness,
        })),
        pending: pending.map((node) => parseInSpace(node.candidate, space)),
        candidates: pool.map(({ architecture }) => architecture),
        seed: rng.below(2 ** 31),
      };
      const suggestion = await ask(question, input.signal);
      const chosen = pool[suggestion.index] as (typeof pool)[number];
      const [first] = parents;
      const relative = first
        ? `; relative to ${first.id}: ${describeChange(parseInSpace(first.candidate, space), chosen.architecture)}`
        : '';
      return {
        candidate: canonicalText(chosen.architecture),
        change:
          `largest noisy expected improvement of ${pool.length} candidates after ${observations.length} scores ` +
          `(${suggestion.engine}, ${describeBelief(suggestion)}): ${chosen.origin}${relative}`,
        expected: suggestion.expected,
      };
    },
    close: () => helper.close(),
  };
}

function describeBelief({ expected, std }: Suggestion): string {
  return `expected ${Number(expected.toPrecision(4))} +- ${Number(std.toPrecision(2))}`;
}

function randomProposal({ view, space, rng }: ProposalInput, why: string): Proposal {
  const architecture = randomUnseen(space, seenCandidates(view), rng);
  return { candidate: canonicalText(architecture), change: `${describeDraft(architecture)}${why}`, expected: null };
}

/** Size of the pool that the surrogate chooses from, and the share that is varied from good nodes. */
const poolSize = 400;
const variedShare = 0.75;

interface PoolEntry {
  readonly architecture: Architecture;
  /** Provenance for the trace: `a mutation of composer-3`. */
  readonly origin: string;
}

interface Sources {
  /** Nodes to mutate. */
  readonly sources: readonly ViewNode[];
  /** Nodes to cross, if there are two. */
  readonly pair: readonly ViewNode[];
  /** No random candidates. */
  readonly near: boolean;
}

function entry({ sources, pair, near }: Sources, space: StackSpace, rng: Rng): PoolEntry {
  if (sources.length === 0 || (!near && rng.float() >= variedShare)) {
    return { architecture: randomArchitecture(space, rng), origin: 'chosen at random' };
  }
  const [first, second] = pair;
  if (first && second && rng.float() < 0.5) {
    const { architecture, kind } = recombine(
      parseInSpace(first.candidate, space),
      parseInSpace(second.candidate, space),
      rng,
    );
    return { architecture, origin: `a ${kind} crossover of ${first.id} and ${second.id}` };
  }
  const source = rng.pick(sources);
  const strength = 1 + rng.below(3);
  return {
    architecture: mutate(parseInSpace(source.candidate, space), space, rng, strength),
    origin: `a mutation of ${source.id}`,
  };
}

/**
 * The candidates that the surrogate chooses from: mutations of `sources`, crossovers of `pair` if it has two nodes, and,
 * unless `near`, random architectures; all different and unseen. The number of tries is bounded, so the pool is smaller in a
 * nearly exhausted space.
 */
export function candidatePool(from: Sources, space: StackSpace, seen: ReadonlySet<string>, rng: Rng): PoolEntry[] {
  const pool = new Map<string, PoolEntry>();
  for (let attempt = 0; attempt < 3 * poolSize && pool.size < poolSize; attempt++) {
    const drawn = entry(from, space, rng);
    const text = canonicalText(drawn.architecture);
    if (!seen.has(text) && !pool.has(text)) pool.set(text, drawn);
  }
  return [...pool.values()];
}

interface Question {
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
type Suggestion = Omit<z.infer<typeof suggestionSchema>, 'kind' | 'id'> & { readonly engine: string };

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

/** Client of one helper process. What to do when it dies is the model's decision. */
class BayesHelper {
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
