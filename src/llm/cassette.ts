import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { callOutcomeSchema, purposeSchema, usageSchema } from '../domain/call.ts';
import { errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { formatZodError } from '../domain/explain.ts';
import { agentNameSchema } from '../domain/ids.ts';
import { makeFolder } from '../platform/index.ts';

/** Which question of a search this is. Two agents that ask the same get answers of their own. */
export const scopeSchema = z.strictObject({
  agent: agentNameSchema,
  ordinal: z.int().positive(),
  purpose: purposeSchema,
  /** 0 the first question, 1 its repair. */
  round: z.int().nonnegative(),
});
export type Scope = z.infer<typeof scopeSchema>;

const answered = z.strictObject({
  kind: z.literal('answer'),
  text: z.string(),
  finish: callOutcomeSchema.extract(['complete', 'truncated', 'refused', 'empty']),
  /** What the model wants to know before it answers, and what its provider wants back with that. */
  calls: z.array(z.strictObject({ id: z.string(), name: z.string(), arguments: z.string() })).optional(),
  carried: z.array(z.record(z.string(), z.json())).optional(),
  served: z.string().nullable(),
  /** The settlement of the call, for a resume that finds the answer recorded and the call open. */
  call: z.string(),
  usage: usageSchema,
  dollars: z.number().nonnegative(),
  estimated: z.boolean(),
  latencyMs: z.number().nonnegative(),
});
/** The budget refused the question: a replay has to end there as well. */
const refused = z.strictObject({ kind: z.literal('budget'), reason: z.string() });

/** The server takes no tools: asked again it would say so again. */
const toolless = z.strictObject({ kind: z.literal('toolless'), reason: z.string() });
/** What was found and shown to the model when it asked for it. */
const read = z.strictObject({ kind: z.literal('read'), found: z.json() });
/** The model was away or turned the question down, and the thought went on without it: so does a replay. */
const away = z.strictObject({ kind: z.literal('away'), reason: z.string() });

const entrySchema = z.strictObject({
  v: z.literal(1),
  /** SHA-256 over scope and request. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  scope: scopeSchema,
  /** As it was sent, for people; the key stands for it. */
  request: z.json(),
  result: z.discriminatedUnion('kind', [answered, refused, toolless, read, away]),
});
export type Entry = z.infer<typeof entrySchema>;
export type Answered = z.infer<typeof answered>;

/** Complete lines only: a line without its end was being written when the process died, and nobody has seen its answer. */
function load(path: string): { entries: Map<string, Entry>; bytes: number } {
  const content = existsSync(path) ? readFileSync(path) : Buffer.alloc(0);
  const bytes = content.lastIndexOf(10) + 1;
  const entries = new Map<string, Entry>();
  const lines = content.subarray(0, bytes).toString('utf8').split('\n').slice(0, -1);
  for (const [index, line] of lines.entries()) {
    try {
      const entry = entrySchema.parse(JSON.parse(line));
      if (!entries.has(entry.key)) entries.set(entry.key, entry);
    } catch (cause) {
      const why =
        cause instanceof z.ZodError ? formatZodError(cause, entrySchema).join('; ') : errorMessage(cause).slice(0, 200);
      const message = `line ${index + 1} of the recording ${path} cannot be read: ${why}`;
      throw new PrerequisiteError('recording', message, 'restore the file, or do without it', { cause });
    }
  }
  return { entries, bytes };
}

/**
 * The recorded answers of a search: JSON lines, one per finished call, and what was read in between.
 *
 * Role: gives the answer to a question that was answered before, so that a resume buys nothing twice and a replay needs no
 * network (I5). Non-role: budgets, retries; failed tries are not recorded, since a repetition may do better, unless a
 * thought went on without the answer.
 *
 * R1. An entry is on disk before its answer is given to anybody.
 * R2. The first answer to a question stays its answer.
 * R3. Nothing but the key decides: no clock, no order, no search name.
 */
export class Cassette {
  readonly #entries: Map<string, Entry>;
  readonly #path: string;
  readonly #redact: (text: string) => string;
  #file: number | null = null;
  readonly #strict: boolean;

  private constructor(path: string, entries: Map<string, Entry>, strict: boolean, redact: (text: string) => string) {
    this.#path = path;
    this.#entries = entries;
    this.#strict = strict;
    this.#redact = redact;
  }

  /** Takes up a recording, or begins one. @throws PrerequisiteError when it cannot be read or written. */
  static record(path: string, redact: (text: string) => string): Cassette {
    const { entries, bytes } = load(path);
    const cassette = new Cassette(path, entries, false, redact);
    try {
      makeFolder(dirname(path), 0o700);
      cassette.#file = openSync(path, 'a', 0o600);
      truncateSync(path, bytes);
    } catch (cause) {
      throw new PrerequisiteError(
        'recording',
        `cannot write ${path}: ${errorMessage(cause)}`,
        'choose another --home',
        { cause },
      );
    }
    return cassette;
  }

  /** Opens a finished recording for reading. @throws PrerequisiteError when it is missing or damaged. */
  static replay(path: string): Cassette {
    if (!existsSync(path))
      throw new PrerequisiteError('recording', `there is no recording ${path}`, 'give the path of one');
    return new Cassette(path, load(path).entries, true, (text) => text);
  }

  /**
   * What was recorded under a key, or null where the question is to be asked.
   *
   * @throws TerminalError `replay-miss` in a replay, where nothing may be asked.
   */
  find(key: string, scope: Scope): Entry | null {
    const entry = this.#entries.get(key) ?? null;
    if (!entry && this.#strict) {
      const what = `${scope.purpose} of attempt ${scope.ordinal} of ${scope.agent}`;
      throw new TerminalError(
        'replay-miss',
        `the recording ${this.#path} holds no answer to the ${what}: the search differs`,
      );
    }
    return entry;
  }

  add(entry: Entry): void {
    if (this.#file === null || this.#entries.has(entry.key)) return;
    writeSync(this.#file, `${this.#redact(JSON.stringify(entry))}\n`);
    fsyncSync(this.#file);
    this.#entries.set(entry.key, entry);
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
