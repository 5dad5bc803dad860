import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { dirname } from 'node:path';
import * as z from 'zod';
import { ownPrimitiveSchema } from '../domain/architecture.ts';
import { spaceSchema } from '../domain/candidate.ts';
import { toError } from '../domain/errors.ts';
import { agentNameSchema, nodeIdSchema, searchIdSchema } from '../domain/ids.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { parseJson } from '../domain/json.ts';
import { memorySchema } from '../domain/nearDuplicates.ts';
import { lessonSchema, operatorSchema, viewNodeSchema } from '../domain/node.ts';
import { briefSchema, fileNameSchema } from '../domain/program.ts';
import { LineReader, OutputLog, printable, type Timers } from '../platform/index.ts';

/**
 * One run of a program of the user: the searcher protocol, and the process that speaks it. The protocol is one JSON object per line, to
 * the program on stdin and from it on stdout; published as `schemas/searcher.schema.json` and explained in docs/searchers.md.
 *
 * Role: starts the program, asks, waits, and ends it with all that it started. Non-role: what a reply is worth, starting another one
 * after its end (searchers.ts).
 *
 * SPR-1. A question settles exactly once: with the reply, or with the failure that replaces it. A program that broke the
 *     protocol, was silent or whose question was aborted is killed and answers nothing more.
 * SPR-2. The program sees an allow-list of environment variables (I7) and runs in a process group of its own, which is killed
 *     as a whole.
 * SPR-3. What it writes costs bounded memory: a line of stdout, the first and last bytes of stderr.
 * SPR-4. It ends with its stdin, so that a host that was killed leaves no program behind that reads it.
 */

/** Increment when a program written for the protocol before could not follow this one. */
export const searcherProtocol = 1;

/** Longest line of a program in characters: sixteen programs of a task with large files. */
const maxReplyCharacters = 8 * 1024 * 1024;

/** Seconds for one reply unless the search file says otherwise. */
export const defaultReplySeconds = 60;

/** Alternatives of one reply; the first that is new is submitted. */
const maxProposals = 16;

const words = z.string().min(1).max(2000);

/** First line: what is searched, and with which budget. */
const openMessageSchema = z.strictObject({
  kind: z.literal('open'),
  protocol: z.literal(searcherProtocol),
  search: searchIdSchema.optional().describe('absent where a study simulates searches on a table'),
  agent: agentNameSchema,
  task: z.string(),
  metric: z.string().describe('what scores measure; `fitness` is more is better, whatever the metric'),
  lowerIsBetter: z.boolean(),
  space: spaceSchema.describe('what a candidate is: an order of layers, or a program of files'),
  primitives: z.array(ownPrimitiveSchema).optional().describe('manifest entries of the user’s own layers'),
  brief: briefSchema.optional().describe('contract, baseline and example programs, for program spaces'),
  description: z.string().optional().describe('the task as published, for stack spaces'),
  evaluations: z.int().nonnegative().describe('candidates that this agent may have evaluated in the search'),
  pending: z.int().positive().describe('an attempt knows outcomes of attempts this many back'),
  memory: memorySchema.describe('own: its own attempts; ensemble: those of all agents'),
});
export type OpenMessage = z.infer<typeof openMessageSchema>;

/** A question: the view of one attempt. It needs no earlier one to be answered, so a program may be stateless. */
const proposeMessageSchema = z.strictObject({
  kind: z.literal('propose'),
  id: z.int().positive().describe('to be repeated in the reply'),
  attempt: z.int().positive().describe('the attempt to decide, from 1'),
  remaining: z.int().nonnegative().describe('evaluations left in the budget of the agent, this one included'),
  left: z
    .strictObject({ minutes: z.number().optional(), dollars: z.number().optional() })
    .describe('what is left of limits of the whole search; differs from run to run'),
  seed: z.int().nonnegative().describe('a number below 2^31 for the random choices of this attempt'),
  ended: z
    .array(nodeIdSchema)
    .describe('own attempts whose outcome this process has not seen before; they are in `nodes`'),
  nodes: z.array(viewNodeSchema).describe('every attempt that this decision may know, with its outcome; in order'),
});
export type ProposeMessage = z.infer<typeof proposeMessageSchema>;

/** Last line; stdin is closed behind it. */
const closeMessageSchema = z.strictObject({ kind: z.literal('close') });

/** First line of the program. */
const readyMessageSchema = z.strictObject({
  kind: z.literal('ready'),
  protocol: z.literal(searcherProtocol),
  name: z.string().min(1).max(200).describe('for messages about the program'),
});

/** One candidate and the reasons for it. */
const searcherProposalSchema = z.strictObject({
  operator: operatorSchema.describe(
    'draft: no parent; improve: one with a score; crossover: two with scores; debug: one that failed or was rejected',
  ),
  parents: z.array(nodeIdSchema).max(2).default([]),
  candidate: z
    .union([z.string().min(1).max(400_000), z.record(fileNameSchema, z.string())])
    .describe('layers separated by blanks, or an object of file names and texts'),
  change: words.describe('what is different from the parents, or how the draft arose'),
  choice: words.optional().describe('why this operator and these parents'),
  hypothesis: words.optional().describe('why it should work'),
  expected: z.number().nullable().default(null).describe('the expected fitness'),
  evidence: z.array(z.string().max(200)).max(32).default([]).describe('ids of nodes that the proposal rests on'),
});
export type SearcherProposal = z.infer<typeof searcherProposalSchema>;

/** A reply: alternatives in order of preference. The first that is a new candidate is submitted, the others are dropped. */
const proposalsMessageSchema = z.strictObject({
  kind: z.literal('proposals'),
  id: z.int().positive().describe('of the question'),
  proposals: z.array(searcherProposalSchema).min(1).max(maxProposals),
  lessons: z
    .array(lessonSchema)
    .max(64)
    .default([])
    .describe('what outcomes of own attempts taught, for the trace and for agents that share its memory'),
});
type ProposalsMessage = z.infer<typeof proposalsMessageSchema>;

const toProgram = z.discriminatedUnion('kind', [openMessageSchema, proposeMessageSchema, closeMessageSchema]);
const fromProgram = z.discriminatedUnion('kind', [readyMessageSchema, proposalsMessageSchema]);

/** The JSON Schema of both directions. */
export function searcherJsonSchema(): object {
  const both = z.strictObject({
    toProgram: toProgram.describe('a line on the program’s stdin'),
    fromProgram: fromProgram.describe('a line on the program’s stdout'),
  });
  const json = z.toJSONSchema(both, { io: 'input', unrepresentable: 'any' });
  return { title: `The searcher protocol of Aira, version ${searcherProtocol}`, ...json };
}

/** Why a program gave no usable reply. `crashed`: it ended; `silent`: it took too long; `malformed`: not a line of the protocol. */
export interface SearcherFailure {
  readonly kind: 'failure';
  readonly problem: 'crashed' | 'silent' | 'malformed';
  readonly message: string;
}

/** What an attempt got from its program. Plain JSON, because it is recorded. */
export type SearcherReply = Omit<ProposalsMessage, 'id'> | SearcherFailure;

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

/** One run of a program of the user. */
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
