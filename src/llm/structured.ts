import * as z from 'zod';
import { errorMessage } from '../domain/errors.ts';
import { type JsonBounds, parseJson } from '../domain/json.ts';
import type { AnswerSchema } from './chat.ts';

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
