import * as z from 'zod';

/** A call that the brain makes. */
export interface Called {
  readonly name: string;
  readonly arguments: string;
}

export interface Turn {
  readonly role: 'user' | 'assistant' | 'tools';
  readonly text: string;
  readonly calls?: readonly (Called & { readonly id: string })[];
  readonly results?: readonly { readonly id: string; readonly text: string; readonly failed: boolean }[];
}

/** What a request says, whichever of the three formats it came in. Strict where the real servers are strict. */
export interface Asked {
  readonly format: 'responses' | 'messages' | 'chat';
  readonly model: string;
  readonly system: string;
  /** Calls of one answer and their results stand together: `assistant` with `calls`, then `tools` with one text for each. */
  readonly messages: readonly Turn[];
  /** Names of the tools on offer, and whether they may be called. */
  readonly tools: readonly string[];
  readonly toolsOpen: boolean;
  readonly schemaName: string | null;
  readonly maxTokens: number;
  readonly effort: string | null;
  /** Whether a summary of the reasoning is requested. */
  readonly summary: boolean;
  readonly temperature: number | null;
  readonly cacheMarked: boolean;
  /** The text up to each cache mark, shortest first. */
  readonly prefixes: readonly string[];
}

/** What the server answers with. */
export interface Said {
  readonly text: string;
  readonly calls: readonly Called[];
  readonly finish: 'complete' | 'truncated' | 'refused';
  readonly usage: { input: number; cached: number; written: number; output: number };
}

export const message = z.strictObject({ role: z.enum(['user', 'assistant']), content: z.string() });
export const jsonSchema = z.looseObject({ type: z.literal('object'), additionalProperties: z.literal(false) });

/** Ids and signatures by which the server knows its own parts again. */
export const callId = (number: number) => `call_${number}`;
export const sealed = 'c2VhbGVk';

type Call = NonNullable<Turn['calls']>[number];
type Result = NonNullable<Turn['results']>[number];
export const say = (role: 'user' | 'assistant', text: string): Turn => ({ role, text });
export const called = (calls: Call[], text = ''): Turn => ({ role: 'assistant', text, calls });
export const answered = (...results: Result[]): Turn => ({
  role: 'tools',
  text: results.map((each) => each.text).join('\n'),
  results,
});

/** Parts of one answer, or of one answer to it, as one turn. @throws when no real server would take their order. */
export function turns(parts: readonly Turn[]): Turn[] {
  const joined: Turn[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (last?.role === 'assistant' && part.role === 'assistant' && (last.calls || part.calls)) {
      joined[joined.length - 1] = called([...(last.calls ?? []), ...(part.calls ?? [])], last.text + part.text);
    } else if (last?.role === 'tools' && part.role === 'tools') {
      const results = answered(...(last.results ?? []), ...(part.results ?? []));
      joined[joined.length - 1] = { ...results, text: `${last.text}\n${part.text}` };
    } else joined.push(part);
  }
  for (const [index, { role, calls = [] }] of joined.entries()) {
    if ((role === 'assistant') !== (index % 2 === 1)) throw new Error('roles must take turns, the user first');
    const results = joined[index + 1]?.results?.map(({ id }) => id) ?? [];
    if (calls.map(({ id }) => id).join() !== results.join()) throw new Error('every call must have its one result');
  }
  return joined;
}

/** What a server says of its reasoning where it is asked. */
export const thought = 'What is known?';

export const plain = {
  summary: false,
  effort: null,
  temperature: null,
  cacheMarked: false,
  prefixes: [],
  tools: [],
  toolsOpen: false,
};

/** The texts up to each mark among pieces in order. */
export function prefixesOf(pieces: readonly { readonly text: string; readonly marked: boolean }[]): string[] {
  let text = '';
  return pieces.flatMap((piece) => {
    text += `${piece.text}\n`;
    return piece.marked ? [text] : [];
  });
}

export const halves = (text: string) => [
  text.slice(0, Math.ceil(text.length / 2)),
  text.slice(Math.ceil(text.length / 2)),
];
export const event = (name: string, data: object) =>
  `event: ${name}\ndata: ${JSON.stringify({ type: name, ...data })}\n\n`;
