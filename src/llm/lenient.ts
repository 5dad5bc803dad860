import type * as z from 'zod';
import { errorMessage } from '../domain/errors.ts';
import { jsonParts, type Read, readAnswer } from './chat.ts';

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
