import * as z from 'zod';
import type { CallOutcome, Usage } from '../domain/agent.ts';
import { errorMessage } from '../domain/errors.ts';
import { type Json, type JsonBounds, parseJson } from '../domain/json.ts';
import type { ChatModelName, Effort } from '../domain/model.ts';

/**
 * Questions and answers of language models, independent of the provider.
 *
 * Role: messages, requests, replies; schemas in the form that every provider supports; reading the JSON of an answer, strictly and
 * leniently. Non-role: the wire formats of providers.
 */

/** A tool call, as the model stated it. */
export interface ToolCall {
  /** The provider's id, which the result refers to. */
  readonly id: string;
  readonly name: string;
  /** Should be a JSON object, but may be any text. */
  readonly arguments: string;
}

/** The result of a call; every call of an answer gets one. */
export interface ToolResult {
  readonly id: string;
  readonly text: string;
  /** Whether the call failed; the text then says why. */
  readonly failed: boolean;
}

/** Opaque provider state of an answer, to be returned with the calls that it led to. */
export type ProviderState = { readonly [key: string]: Json };

export type ChatMessage =
  | { readonly role: 'user'; readonly text: string }
  | {
      readonly role: 'assistant';
      readonly text: string;
      readonly calls?: readonly ToolCall[] | undefined;
      readonly carried?: readonly ProviderState[] | undefined;
    }
  | { readonly role: 'tools'; readonly results: readonly ToolResult[] };

/** A JSON Schema that the answer must match, and its name for the provider. */
export interface AnswerSchema {
  readonly name: string;
  readonly json: { readonly [key: string]: unknown };
}

/** A tool that a model may call. */
export interface ToolForm {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its arguments. */
  readonly json: { readonly [key: string]: unknown };
}

/** One question to a language model, independent of the provider. */
export interface ChatRequest {
  readonly model: ChatModelName;
  /** The stable prefix: equal for all of an agent's questions about one operator, so that providers can cache it. */
  readonly system: string;
  readonly messages: readonly ChatMessage[];
  /**
   * What depends on the moment, such as the remaining budget: sent at the very end, behind the last cache mark. Only in
   * requests as sent: it is not part of a question's identity.
   */
  readonly tail?: string | undefined;
  readonly schema: AnswerSchema | null;
  /** The tools that the model may call before it answers; absent if none. */
  readonly tools?: readonly ToolForm[] | undefined;
  /** The conversation contains calls, but no further ones are allowed: the model must answer. */
  readonly toolsClosed?: boolean | undefined;
  /** Maximum output tokens, thinking included. */
  readonly maxTokens: number;
  readonly effort?: Effort | undefined;
  readonly temperature?: number | undefined;
  readonly baseUrl?: string | undefined;
}

export interface ChatReply {
  readonly text: string;
  /** If any, the answer is unfinished: the model waits for their results. */
  readonly calls?: readonly ToolCall[];
  readonly carried?: readonly ProviderState[];
  /** The model's thought as far as its provider shows it: a summary, or the text of an open model. */
  readonly reasoning?: string;
  readonly finish: Extract<CallOutcome, 'complete' | 'truncated' | 'refused' | 'empty'>;
  /** Null if the provider stated none. */
  readonly usage: Usage | null;
  /** Cost as billed, if the provider states it. */
  readonly dollars?: number;
  /** The model that answered, according to the provider. */
  readonly served: string | null;
}

/** What is known of a call before its answer is complete; a call without an answer is charged by it. */
export interface Meter {
  /** The prompt's tokens as the provider stated them. */
  stated: Omit<Usage, 'output'> | null;
  /** Characters of the answer so far, reasoning and arguments included. */
  received: number;
}

/** A language model at a provider. One physical request per call: no retries, no budget. */
export interface ChatModel {
  /**
   * @param meter is updated as the answer arrives, and remains valid after a failure.
   * @throws ChatFault, or the signal's reason once it is aborted.
   */
  complete(request: ChatRequest, signal: AbortSignal, meter: Meter): Promise<ChatReply>;
}

/** A refusal as text: the provider's category first, since it says whether another wording would help. */
export function refusalText(category: string | null | undefined, explanation: string): string {
  return [category ?? '', explanation.trim()].filter((part) => part !== '').join(': ');
}

/** Finish reason of a complete answer: `empty` without text and calls. */
export function finished(text: string, calls: readonly ToolCall[] = []): 'complete' | 'empty' {
  return text.trim() === '' && calls.length === 0 ? 'empty' : 'complete';
}

/**
 * The message at whose end the reusable part of a conversation ends, for providers that cache up to marks: while tools are
 * open the next round repeats everything so far; the closing round reads what the round before it wrote. Null if no other
 * request will have this conversation as its beginning: a mark costs a quarter of what it covers.
 */
export function cacheMark({ messages, tools, toolsClosed }: ChatRequest): number | null {
  if (!tools) return null;
  if (!toolsClosed) return messages.length - 1;
  return messages.length > 2 ? messages.length - 3 : null;
}

/** All texts of a message, for counting. */
export function textsOf(message: ChatMessage): string[] {
  if (message.role === 'tools') return message.results.map(({ text }) => text);
  if (message.role === 'user') return [message.text];
  const { text, calls = [], carried = [] } = message;
  return [text, ...calls.map((call) => call.name + call.arguments), ...carried.map((each) => JSON.stringify(each))];
}

/** The arguments of a call as an object, empty if they are not one, for providers that accept nothing else. */
export function argumentsOf({ arguments: text }: ToolCall): Record<string, unknown> {
  try {
    // A call may carry a whole program.
    const value = parseJson(text, { characters: 512 * 1024, depth: 8, items: 512 });
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** The arguments of a call as JSON text, for servers that parse them. */
export const argumentsText = (call: ToolCall): string => JSON.stringify(argumentsOf(call));

/**
 * The JSON Schema keywords that every provider's grammar supports. Bounds and formats are checked by zod: strict modes reject
 * some of them, local servers others.
 */
const supported = ['type', 'enum', 'const', 'description', 'required', 'additionalProperties'] as const;

function simplified(node: unknown): Record<string, unknown> {
  const source = node as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const key of supported) if (source[key] !== undefined) result[key] = source[key];
  if (source.properties) {
    const entries = Object.entries(source.properties as object);
    result.properties = Object.fromEntries(entries.map(([key, value]) => [key, simplified(value)]));
  }
  if (source.items) result.items = simplified(source.items);
  if (Array.isArray(source.anyOf)) result.anyOf = source.anyOf.map(simplified);
  return result;
}

/** A zod schema as JSON Schema for providers. Use strict objects, and null instead of optional. */
export function answerSchema(name: string, schema: z.ZodType): AnswerSchema {
  return { name, json: simplified(z.toJSONSchema(schema, { io: 'input' })) };
}

/** Longer than any answer that a schema allows; 200,000 tokens of text have fewer characters. */
const answerBounds: JsonBounds = { characters: 1024 * 1024, depth: 32, items: 10_000 };

/** Only the last fences are parsed. */
const mostFences = 4;

/** The contents of the last fenced blocks. */
function fencesOf(text: string): string[] {
  const blocks: string[] = [];
  let open: number | null = null;
  for (let begin = 0; begin < text.length; ) {
    const feed = text.indexOf('\n', begin);
    const end = feed < 0 ? text.length : feed;
    // Models may open a fence at the end of a sentence; the closing fence has its own line.
    const line = text.slice(begin, Math.min(end, begin + 400)).trim();
    if (open !== null && line.startsWith('```')) {
      blocks.push(text.slice(open, begin));
      open = null;
    } else if (open === null && /```[A-Za-z0-9]*$/.test(line)) open = end + 1;
    begin = end + 1;
  }
  return blocks.slice(-mostFences);
}

const looksLikeJson = (text: string): boolean => /^\s{0,1000}[[{]/.test(text);

/** The JSON of an answer: the whole text, else the only code fence with JSON, else from the first brace to the last. */
function jsonIn(text: string): unknown {
  if (text.length > answerBounds.characters) return parseJson(text, answerBounds);
  const braced = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1);
  const fenced = fencesOf(text).filter(looksLikeJson);
  // Several candidates are ambiguous.
  if (fenced.length > 1) throw new SyntaxError('more than one fenced block of JSON');
  let first: unknown;
  for (const part of [text, ...fenced, braced].filter(looksLikeJson)) {
    try {
      return parseJson(part, answerBounds);
    } catch (thrown) {
      first ??= thrown;
    }
  }
  throw first ?? new SyntaxError('no JSON object found');
}

/** Every JSON document in an answer: the whole text, its fences, and what stands between its first and last brace. */
function jsonParts(text: string): unknown[] {
  if (text.length > answerBounds.characters) return [parseJson(text, answerBounds)];
  const braced = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1);
  const documents = new Map<string, unknown>();
  for (const part of [text, ...fencesOf(text), braced].filter(looksLikeJson)) {
    try {
      const value = parseJson(part, answerBounds);
      documents.set(JSON.stringify(value), value);
    } catch {
      // Not this one.
    }
  }
  return [...documents.values()];
}

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Parses an answer by its schema, whatever the provider guarantees about its form. */
export function readAnswer<T>(text: string, schema: z.ZodType<T>): Read<T> {
  let value: unknown;
  try {
    value = jsonIn(text);
  } catch (thrown) {
    return { ok: false, problem: `the answer is not JSON: ${errorMessage(thrown)}` };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const issues = parsed.error.issues
    .slice(0, 5)
    // Keys that a model invented appear in both parts.
    .map(({ path, message }) => `${path.join('.').slice(0, 120) || 'answer'}: ${message.slice(0, 200)}`);
  return { ok: false, problem: `the answer does not match the schema: ${issues.join('; ')}` };
}

/** Rounds of repair: an object inside an object shows its own issues only once it has the right form. */
const mostRounds = 4;

/** The value at a path, and the object or list that holds it. */
function at(
  value: unknown,
  path: readonly PropertyKey[],
): { holder: Record<PropertyKey, unknown>; key: PropertyKey } | null {
  let holder = value;
  for (const key of path.slice(0, -1)) holder = (holder as Record<PropertyKey, unknown> | null)?.[key];
  const key = path.at(-1);
  return holder !== null && typeof holder === 'object' && key !== undefined
    ? { holder: holder as Record<PropertyKey, unknown>, key }
    : null;
}

/** Values that may stand for the given one, by what the schema expects. The first that the schema accepts is taken. */
function substitutes(given: unknown): unknown[] {
  if (given === undefined) return [null, []];
  if (typeof given === 'string') {
    const text = given.trim();
    const number = text === '' ? Number.NaN : Number(text.replace(/^\+/, ''));
    return [
      ...(Number.isFinite(number) ? [number] : []),
      ...(/^(null|none|n\/a|)$/i.test(text) ? [null, []] : []),
      [given],
    ];
  }
  if (typeof given === 'number') return [String(given)];
  return given === null ? [[]] : [];
}

/** Whether the schema has no objection at this path. */
const accepts = (schema: z.ZodType, value: unknown, path: readonly PropertyKey[]): boolean =>
  schema.safeParse(value).error?.issues.every((issue) => issue.path.join('\0') !== path.join('\0')) ?? true;

/**
 * Repairs the form of an answer, never its content: unknown keys are dropped, a missing nullable key is null, a missing list is
 * empty, a number as text is a number, and one item is a list of one.
 */
function repaired(value: unknown, schema: z.ZodType): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(value));
  for (let round = 0; round < mostRounds; round++) {
    const issues = schema.safeParse(copy).error?.issues ?? [];
    let changed = false;
    for (const issue of issues) {
      if (issue.code === 'unrecognized_keys') {
        const place = issue.path.length === 0 ? (copy as Record<string, unknown>) : undefined;
        const inner = at(copy, issue.path);
        const holder = place ?? (inner?.holder[inner.key] as Record<string, unknown>);
        for (const key of issue.keys) delete holder[key];
        changed = true;
      } else if (issue.code === 'invalid_type' || issue.code === 'invalid_union') {
        const place = at(copy, issue.path);
        if (!place) continue;
        const before = place.holder[place.key];
        const fits = substitutes(before).some((value) => {
          place.holder[place.key] = value;
          return accepts(schema, copy, issue.path);
        });
        if (fits) changed = true;
        else if (before === undefined) delete place.holder[place.key];
        else place.holder[place.key] = before;
      }
    }
    if (!changed) break;
  }
  return copy;
}

/**
 * Parses an answer by its schema like `readAnswer`, and forgives errors of form that do not change its meaning. Servers that
 * enforce no schema let models omit keys, add their own, and explain themselves around several fences.
 */
export function readLeniently<T>(text: string, schema: z.ZodType<T>): Read<T> {
  const strict = readAnswer(text, schema);
  if (strict.ok) return strict;
  let parts: unknown[];
  try {
    parts = jsonParts(text);
  } catch (thrown) {
    return { ok: false, problem: `the answer is not JSON: ${errorMessage(thrown)}` };
  }
  const fitting = new Map<string, T>();
  for (const part of parts) {
    if (part === null || typeof part !== 'object' || Array.isArray(part)) continue;
    const parsed = schema.safeParse(repaired(part, schema));
    if (parsed.success) fitting.set(JSON.stringify(parsed.data), parsed.data);
  }
  const [only] = fitting.values();
  // Several different answers are ambiguous.
  return fitting.size === 1 ? { ok: true, value: only as T } : strict;
}
