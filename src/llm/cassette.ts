import { closeSync, existsSync, fsyncSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { callOutcomeSchema, purposeSchema, usageSchema } from '../domain/agent.ts';
import { errorMessage, PrerequisiteError, TerminalError } from '../domain/errors.ts';
import { agentNameSchema } from '../domain/ids.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { makeFolder } from '../platform/index.ts';

/** Identifies a question of a search. Two agents that ask the same question get separate answers. */
const scopeSchema = z.strictObject({
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
  /** The tool calls of the answer, and the state that its provider expects back with their results. */
  calls: z.array(z.strictObject({ id: z.string(), name: z.string(), arguments: z.string() })).optional(),
  carried: z.array(z.record(z.string(), z.json())).optional(),
  /** Summary of the thought, if the provider gave one; for readers, no question depends on it. */
  reasoning: z.string().optional(),
  served: z.string().nullable(),
  /** The settlement of the call, for a resume that finds the answer recorded and the call open. */
  call: z.string(),
  usage: usageSchema,
  dollars: z.number().nonnegative(),
  estimated: z.boolean(),
  latencyMs: z.number().nonnegative(),
});
/** The budget refused the question: a replay ends there as well. */
const refused = z.strictObject({ kind: z.literal('budget'), reason: z.string() });

/** The server supports no tools; asking again would fail again. */
const toolless = z.strictObject({ kind: z.literal('toolless'), reason: z.string() });
/** The findings that were shown to the model for its tool calls. */
const read = z.strictObject({ kind: z.literal('read'), found: z.json() });
/** The model was unavailable or rejected the request, and the thought continued without it; a replay does the same. */
const away = z.strictObject({ kind: z.literal('away'), reason: z.string() });

const entrySchema = z.strictObject({
  /** 1: recorded with other prompts and read more strictly; see CAS-4. */
  v: z.union([z.literal(1), z.literal(2)]),
  /** SHA-256 over scope and request. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  scope: scopeSchema,
  /** As sent, for readers; lookups use the key. */
  request: z.json(),
  result: z.discriminatedUnion('kind', [answered, refused, toolless, read, away]),
});
export type Entry = z.infer<typeof entrySchema>;
export type Answered = z.infer<typeof answered>;

/** Where a question is asked: attempt, purpose, round, and the model; lookups are apart. */
function placeOf({ agent, ordinal, purpose, round }: Scope, request: z.core.util.JSONType): string {
  const { model = '' } = (request ?? {}) as { model?: unknown };
  return JSON.stringify([agent, ordinal, purpose, round, model]);
}

/** Complete lines only: the process died while writing an incomplete last line, and its answer was not used. */
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
      throw new PrerequisiteError(
        'recording',
        message,
        'restore the file from a backup, or delete it to buy the answers again',
        { cause },
      );
    }
  }
  return { entries, bytes };
}

/** The entries of a recording in order; none without a file. @throws PrerequisiteError if it is damaged. */
export const readRecording = (path: string): Entry[] => [...load(path).entries.values()];

/**
 * The recorded answers of a search: JSON lines, one per finished call and per lookup.
 *
 * Role: returns the recorded answer of a question, so that a resume buys nothing twice and a replay needs no network (I5).
 * Non-role: budgets and retries. Failed tries are not recorded, because a repetition may succeed, unless a thought continued
 * without the answer.
 *
 * CAS-1. An entry is on disk before its answer is used.
 * CAS-2. The first answer to a question stays its answer.
 * CAS-3. Lookups depend on the key only: not on time, order or the name of the search.
 * CAS-4. Answers of version 1, whose prompts were other ones, are found by scope and model in the order of their recording, so
 *        that older searches still replay and resume. Each stays with the question that it first answered.
 */
export class Cassette {
  readonly #entries: Map<string, Entry>;
  /** Answers of version 1 by place, in order of recording. */
  readonly #older = new Map<string, Entry[]>();
  readonly #path: string;
  readonly #redact: (text: string) => string;
  #file: number | null = null;
  readonly #strict: boolean;

  private constructor(path: string, entries: Map<string, Entry>, strict: boolean, redact: (text: string) => string) {
    this.#path = path;
    this.#entries = entries;
    this.#strict = strict;
    this.#redact = redact;
    for (const entry of entries.values()) {
      if (entry.v !== 1) continue;
      const place = placeOf(entry.scope, entry.request);
      this.#older.set(place, [...(this.#older.get(place) ?? []), entry]);
    }
  }

  /** Opens or creates a recording. @throws PrerequisiteError if it cannot be read or written. */
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

  /** Opens a finished recording for reading. @throws PrerequisiteError if it is missing or damaged. */
  static replay(path: string): Cassette {
    if (!existsSync(path)) throw new PrerequisiteError('recording', `no recording at ${path}`, 'check the path');
    return new Cassette(path, load(path).entries, true, (text) => text);
  }

  /**
   * The entry of a key; null if the question must be asked.
   *
   * @throws TerminalError `replay-miss` in a replay, which may ask nothing.
   */
  find(key: string, scope: Scope, request: z.core.util.JSONType): Entry | null {
    const entry = this.#entries.get(key) ?? this.#olderEntry(key, scope, request);
    if (!entry && this.#strict) {
      const what = `${scope.purpose} of attempt ${scope.ordinal} of ${scope.agent}`;
      throw new TerminalError(
        'replay-miss',
        `the recording ${this.#path} has no answer for ${what}: the search differs from the recorded one`,
      );
    }
    return entry;
  }

  /** The first answer of version 1 at this place that no other question has taken. */
  #olderEntry(key: string, scope: Scope, request: z.core.util.JSONType): Entry | null {
    const place = this.#older.get(placeOf(scope, request));
    const entry = place?.find((each) => this.#entries.get(each.key) === each);
    if (!entry) return null;
    this.#entries.delete(entry.key);
    this.#entries.set(key, entry);
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
