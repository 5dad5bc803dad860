import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { SearchId } from '../domain/ids.ts';
import type { Round } from './api.ts';
import { line, longText, longTextOrNull } from './texts.ts';
import { argumentsText } from './trace/exchangeTexts.ts';

/** A line of a recording, as far as a page shows it: versions of Aira differ in the rest. */
const entrySchema = z.looseObject({
  scope: z.looseObject({ agent: z.string(), ordinal: z.int(), purpose: z.string(), round: z.int().default(0) }),
  request: z.unknown(),
  result: z.looseObject({ kind: z.string() }),
});
type Entry = z.infer<typeof entrySchema>;

const messageSchema = z.looseObject({
  role: z.string(),
  text: z.string().optional(),
  results: z.array(z.looseObject({ text: z.string() })).optional(),
});
const requestSchema = z.looseObject({
  model: z.string().optional(),
  system: z.string().optional(),
  tail: z.string().optional(),
  messages: z.array(messageSchema).optional(),
});
const resultSchema = z.looseObject({
  kind: z.string(),
  text: z.string().optional(),
  reason: z.string().optional(),
  reasoning: z.string().optional(),
  finish: z.string().optional(),
  calls: z.array(z.looseObject({ name: z.string(), arguments: z.string() })).optional(),
  carried: z.array(z.record(z.string(), z.unknown())).optional(),
  found: z.unknown().optional(),
});

interface Place {
  readonly from: number;
  readonly bytes: number;
}

const newline = 10;
const chunkBytes = 1 << 20;

/**
 * The recorded questions and answers of one search (`llm/cassette.ts`): where each attempt's lines are in the file.
 *
 * Role: reads what the file has grown by, and the lines of one attempt. Non-role: replaying (llm), costs (the ledger).
 */
export class Recording {
  readonly #path: string;
  readonly #places = new Map<string, Place[]>();
  /** Complete lines up to here are known. */
  #read = 0;

  constructor(home: string, search: SearchId) {
    this.#path = join(home, 'calls', `${search}.jsonl`);
  }

  get exists(): boolean {
    return existsSync(this.#path);
  }

  /** The rounds of an attempt, in recorded order. */
  rounds(agent: string, ordinal: number): Round[] {
    return this.#entries(agent, ordinal).map((entry) => roundOf(entry));
  }

  /** The same as recorded, one JSON line per round. */
  raw(agent: string, ordinal: number): string {
    return this.#entries(agent, ordinal)
      .map((entry) => `${JSON.stringify(entry)}\n`)
      .join('');
  }

  #entries(agent: string, ordinal: number): Entry[] {
    if (!this.exists) return [];
    const file = openSync(this.#path, 'r');
    try {
      this.#index(file);
      return (this.#places.get(`${agent} ${ordinal}`) ?? []).map(({ from, bytes }) => {
        const buffer = Buffer.alloc(bytes);
        readSync(file, buffer, 0, bytes, from);
        return entrySchema.parse(JSON.parse(buffer.toString('utf8')));
      });
    } finally {
      closeSync(file);
    }
  }

  /** Notes the places of lines that were added. An incomplete last line waits for its end; a damaged one is left out. */
  #index(file: number): void {
    const { size } = statSync(this.#path);
    // A restored file may be shorter.
    if (size < this.#read) {
      this.#places.clear();
      this.#read = 0;
    }
    let pending = Buffer.alloc(0);
    for (let at = this.#read; at < size; ) {
      const chunk = Buffer.alloc(Math.min(chunkBytes, size - at));
      const got = readSync(file, chunk, 0, chunk.length, at);
      if (got === 0) break;
      at += got;
      pending = Buffer.concat([pending, chunk.subarray(0, got)]);
      for (let end = pending.indexOf(newline); end >= 0; end = pending.indexOf(newline)) {
        this.#note(pending.subarray(0, end), this.#read);
        this.#read += end + 1;
        pending = pending.subarray(end + 1);
      }
    }
  }

  #note(text: Buffer, from: number): void {
    try {
      const { scope } = entrySchema.parse(JSON.parse(text.toString('utf8')));
      const key = `${scope.agent} ${scope.ordinal}`;
      this.#places.set(key, [...(this.#places.get(key) ?? []), { from, bytes: text.length }]);
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError) && !(thrown instanceof z.ZodError)) throw thrown;
    }
  }
}

/** Reasoning that providers carry in parts of their own. */
function reasoningOf({ reasoning, carried = [] }: z.infer<typeof resultSchema>): string | null {
  const parts = carried.flatMap((part) =>
    ['thinking', 'reasoning', 'summary'].flatMap((name) => (typeof part[name] === 'string' ? [part[name]] : [])),
  );
  const text = [...(reasoning ? [reasoning] : []), ...parts].join('\n\n');
  return text === '' ? null : text;
}

function roundOf({ scope, request, result }: Entry): Round {
  const asked = requestSchema.safeParse(request);
  const got = resultSchema.parse(result);
  const { system, messages = [], tail, model } = asked.success ? asked.data : {};
  const texts = [
    ...(system ? [{ role: 'system', text: system }] : []),
    ...messages.map(({ role, text, results }) => ({
      role,
      text: [...(text ? [text] : []), ...(results ?? []).map((each) => each.text)].join('\n\n'),
    })),
    ...(tail ? [{ role: 'user', text: tail }] : []),
  ];
  const kinds = ['answer', 'budget', 'toolless', 'away', 'read'] as const;
  const kind = kinds.find((each) => each === got.kind) ?? 'away';
  const answer = kind === 'read' ? JSON.stringify(got.found, null, 1) : (got.text ?? got.reason);
  return {
    purpose: line(scope.purpose),
    round: scope.round,
    model: model === undefined ? null : line(model),
    kind,
    messages: texts.map(({ role, text }) => ({ role: line(role), ...longText(text) })),
    reasoning: longTextOrNull(reasoningOf(got)),
    answer: longTextOrNull(answer),
    toolCalls: (got.calls ?? []).map((call) => ({
      name: line(call.name),
      arguments: longText(argumentsText(call.arguments)),
    })),
    finish: got.finish ?? null,
  };
}
