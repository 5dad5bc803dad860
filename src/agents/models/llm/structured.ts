import * as z from 'zod';
import { errorMessage } from '../../../domain/errors.ts';
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

/** The JSON of an answer: the whole text, else what one code fence holds, else from the first brace to the last. */
function jsonIn(text: string): unknown {
  const fenced = /^[^{]*```[a-zA-Z]*\s*\n([\s\S]*?)\n\s*```[^}]*$/.exec(text)?.[1];
  const braced = text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1);
  let first: unknown;
  for (const part of [text, fenced, braced]) {
    if (part === undefined || part.trim() === '') continue;
    try {
      return JSON.parse(part);
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
    .map(({ path, message }) => `${path.join('.') || 'answer'}: ${message}`);
  return { ok: false, problem: `the answer does not meet the schema: ${issues.join('; ')}` };
}
