import * as z from 'zod';
import type { CallOutcome, Usage } from '../domain/call.ts';
import type { Json } from '../domain/canonical.ts';
import { errorMessage } from '../domain/errors.ts';
import { type JsonBounds, parseJson } from '../domain/json.ts';
import type { ChatModelName, Effort } from '../domain/model.ts';

/** A call of a tool, as the model stated it. */
export interface ToolCall {
  /** The provider's own, by which the result finds its call. */
  readonly id: string;
  readonly name: string;
  /** Should be a JSON object, and may be any text. */
  readonly arguments: string;
}

/** What a tool answered to a call; every call of an answer gets one. */
export interface ToolResult {
  readonly id: string;
  readonly text: string;
  /** The text says what was wrong with the call. */
  readonly failed: boolean;
}

/** A part of an answer that only its provider can read and wants to have back beside the calls it led to. */
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

/** A JSON Schema that the answer has to meet, under the name by which the provider knows it. */
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

/** One question to a language model, in no provider's words. */
export interface ChatRequest {
  readonly model: ChatModelName;
  /** The stable prefix: equal for all questions of an agent about one operator, so that providers can cache it. */
  readonly system: string;
  readonly messages: readonly ChatMessage[];
  readonly schema: AnswerSchema | null;
  /** What the model may call before it answers; absent where it may call nothing. */
  readonly tools?: readonly ToolForm[] | undefined;
  /** The conversation holds calls, and no more of them are taken: the model has to answer. */
  readonly toolsClosed?: boolean | undefined;
  /** Most output tokens, thinking included. */
  readonly maxTokens: number;
  readonly effort?: Effort | undefined;
  readonly temperature?: number | undefined;
  readonly baseUrl?: string | undefined;
}

export interface ChatReply {
  readonly text: string;
  /** Where there are any, the answer is not finished: the model waits for their results. */
  readonly calls?: readonly ToolCall[];
  readonly carried?: readonly ProviderState[];
  readonly finish: Extract<CallOutcome, 'complete' | 'truncated' | 'refused' | 'empty'>;
  /** Null where the provider stated none. */
  readonly usage: Usage | null;
  /** The model that the provider says has answered. */
  readonly served: string | null;
}

/** Current models think before they answer and spend output tokens on it; the answer itself takes some hundred. */
export const defaultMaxTokens = 16_000;

/** A language model at a provider. One physical request per call: no retries, no budget, no memory. */
export interface ChatModel {
  /** @throws ChatFault, or the signal's reason once it is aborted. */
  complete(request: ChatRequest, signal: AbortSignal): Promise<ChatReply>;
}

/** Finish of an answer that came to its end: with text or a call, or with nothing. */
export function finished(text: string, calls: readonly ToolCall[] = []): 'complete' | 'empty' {
  return text.trim() === '' && calls.length === 0 ? 'empty' : 'complete';
}

/** All texts of a message, for counting. */
export function textsOf(message: ChatMessage): string[] {
  if (message.role === 'tools') return message.results.map(({ text }) => text);
  if (message.role === 'user') return [message.text];
  const { text, calls = [], carried = [] } = message;
  return [text, ...calls.map((call) => call.name + call.arguments), ...carried.map((each) => JSON.stringify(each))];
}

/** The arguments of a call as an object; an empty one where they are none, for providers that take nothing else. */
export function argumentsOf({ arguments: text }: ToolCall): Record<string, unknown> {
  try {
    const value = parseJson(text, { characters: 16 * 1024, depth: 8, items: 256 });
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * The part of JSON Schema that every provider's grammar takes. Bounds and formats are left to zod: strict modes refuse
 * some of them, and local servers refuse others.
 */
const carried = ['type', 'enum', 'const', 'description', 'required', 'additionalProperties'] as const;

function simplified(node: unknown): Record<string, unknown> {
  const source = node as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const key of carried) if (source[key] !== undefined) result[key] = source[key];
  if (source.properties) {
    const entries = Object.entries(source.properties as object);
    result.properties = Object.fromEntries(entries.map(([key, value]) => [key, simplified(value)]));
  }
  if (source.items) result.items = simplified(source.items);
  if (Array.isArray(source.anyOf)) result.anyOf = source.anyOf.map(simplified);
  return result;
}

/** A zod schema in the form in which providers are asked to keep it. Use strict objects, and null instead of optional. */
export function answerSchema(name: string, schema: z.ZodType): AnswerSchema {
  return { name, json: simplified(z.toJSONSchema(schema, { io: 'input' })) };
}

/** Longer than any answer that a form allows; 200,000 tokens of text have fewer characters. */
const answerBounds: JsonBounds = { characters: 1024 * 1024, depth: 32, items: 10_000 };

/** More fences than these are not read as JSON. */
const mostFences = 4;

/** What stands between pairs of lines that begin with ```, the last ones where there are many. */
function fencesOf(text: string): string[] {
  const found: string[] = [];
  let open: number | null = null;
  for (let begin = 0; begin < text.length; ) {
    const feed = text.indexOf('\n', begin);
    const end = feed < 0 ? text.length : feed;
    // Models put the opening fence at the end of a sentence, too; the closing one has a line of its own.
    const line = text.slice(begin, Math.min(end, begin + 400)).trim();
    if (open !== null && line.startsWith('```')) {
      found.push(text.slice(open, begin));
      open = null;
    } else if (open === null && /```[A-Za-z0-9]*$/.test(line)) open = end + 1;
    begin = end + 1;
  }
  return found.slice(-mostFences);
}

const looksLikeJson = (text: string): boolean => /^\s{0,1000}[[{]/.test(text);

/** The JSON of an answer: the whole text, else what one code fence holds, else from the first brace to the last. */
function jsonIn(text: string): unknown {
  if (text.length > answerBounds.characters) return parseJson(text, answerBounds);
  const braced = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1);
  const fenced = fencesOf(text).filter(looksLikeJson);
  // Which of several is meant is not ours to guess.
  if (fenced.length > 1) throw new SyntaxError('it holds more than one fenced block of JSON');
  let first: unknown;
  for (const part of [text, ...fenced, braced].filter(looksLikeJson)) {
    try {
      return parseJson(part, answerBounds);
    } catch (thrown) {
      first ??= thrown;
    }
  }
  throw first ?? new SyntaxError('it holds no JSON object');
}

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Reads an answer by its schema; what the provider promised of the form is never relied upon. */
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
    // Keys that a model made up stand in both.
    .map(({ path, message }) => `${path.join('.').slice(0, 120) || 'answer'}: ${message.slice(0, 200)}`);
  return { ok: false, problem: `the answer does not meet the schema: ${issues.join('; ')}` };
}
