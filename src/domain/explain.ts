import { closest, distance } from 'fastest-levenshtein';
import * as z from 'zod';

type JsonSchema = Readonly<Record<string, unknown>>;

/** Calls `found` with each JSON Schema that a zod issue path may lead to. */
function follow(schema: unknown, path: readonly PropertyKey[], root: unknown, found: (at: JsonSchema) => void): void {
  if (typeof schema !== 'object' || schema === null) return;
  const at = schema as JsonSchema;
  if (typeof at.$ref === 'string') {
    const target = at.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((node, part) => (node as JsonSchema | undefined)?.[part], root);
    follow(target, path, root, found);
  }
  for (const branch of [at.anyOf, at.oneOf, at.allOf]) {
    if (Array.isArray(branch)) for (const option of branch) follow(option, path, root, found);
  }
  const [head, ...rest] = path;
  if (head === undefined) found(at);
  else if (typeof head === 'number') follow(at.items, rest, root, found);
  else {
    const properties = at.properties as JsonSchema | undefined;
    const own = properties !== undefined && Object.hasOwn(properties, head) ? properties[String(head)] : undefined;
    follow(own ?? at.additionalProperties, rest, root, found);
  }
}

/** What the published schema says of a place in the input. */
class Places {
  readonly #schema: z.ZodType;
  #json: unknown;

  constructor(schema: z.ZodType) {
    this.#schema = schema;
  }

  at(path: readonly PropertyKey[]): JsonSchema[] {
    this.#json ??= z.toJSONSchema(this.#schema, { io: 'input', unrepresentable: 'any' });
    const found: JsonSchema[] = [];
    follow(this.#json, path, this.#json, (each) => found.push(each));
    return found;
  }

  keys(path: readonly PropertyKey[]): Set<string> {
    return new Set(this.at(path).flatMap(({ properties }) => Object.keys((properties as object | undefined) ?? {})));
  }

  isWhole(path: readonly PropertyKey[]): boolean {
    return this.at(path).some(({ type }) => type === 'integer');
  }
}

/** Longest key, and longest sentence, that is repeated: they were written by whoever wrote the input. */
const longestKey = 40;
const longestSentence = 400;
const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** The known name nearest to a mistyped one, when it is near enough to have been meant. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const candidates = [...known];
  if (candidates.length === 0) return undefined;
  // Nothing so long is a mistyped name, and the distance of long texts takes long.
  if (name.length > 100) return undefined;
  const best = closest(name, candidates);
  return distance(name, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

const things: Readonly<Record<string, string>> = {
  object: 'a mapping',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  null: 'empty',
  NaN: 'not a number',
  record: 'a mapping',
};
const thing = (name: string): string => things[name] ?? name;

/** Everyday words for what zod says of sizes and kinds; null where its own message does. */
function inWords(issue: z.core.$ZodIssue, places: Places): string | null {
  switch (issue.code) {
    case 'invalid_type': {
      const received = /received (\w+)$/.exec(issue.message)?.[1];
      if (received === undefined) return null;
      return received === 'undefined' ? 'is missing' : `must be ${thing(issue.expected)}, not ${thing(received)}`;
    }
    case 'too_small': {
      const { origin, minimum, inclusive, exact } = issue;
      if (exact) return null;
      if (origin === 'string') return minimum === 1 ? 'may not be empty' : `needs at least ${minimum} characters`;
      if (origin === 'array') return `needs at least ${minimum} ${minimum === 1 ? 'item' : 'items'}`;
      if (!['number', 'int', 'bigint'].includes(origin)) return null;
      if (inclusive) return `must be at least ${minimum}`;
      return places.isWhole(issue.path) ? `must be at least ${Number(minimum) + 1}` : `must be more than ${minimum}`;
    }
    case 'too_big': {
      const { origin, maximum, inclusive, exact } = issue;
      if (exact) return null;
      if (origin === 'string') return `may have at most ${maximum} characters`;
      if (origin === 'array') return `may have at most ${maximum} items`;
      if (!['number', 'int', 'bigint'].includes(origin)) return null;
      return inclusive ? `must be at most ${maximum}` : `must be less than ${maximum}`;
    }
    case 'invalid_value':
      if (!issue.message.startsWith('Invalid ')) return null;
      return `must be one of ${issue.values.map(String).join(', ')}`;
    default:
      return null;
  }
}

function describe(issue: z.core.$ZodIssue, places: Places): string[] {
  const path = cut(
    z.core.toDotPath(issue.path.map((part) => (typeof part === 'string' ? cut(part, longestKey) : part))),
    200,
  );
  const where = issue.path.length > 0 ? `${path}: ` : '';
  if (issue.code === 'unrecognized_keys') {
    const known = places.keys(issue.path);
    return issue.keys.slice(0, mostProblems + 1).map((key) => {
      const meant = nearest(key, known);
      const shown = cut(key, longestKey);
      return `${where}unknown key "${shown}"${meant ? `; did you mean "${meant}"?` : `; known keys are ${[...known].join(', ')}`}`;
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Of several readings the one that failed latest was the one that was meant.
    const depth = (option: readonly z.core.$ZodIssue[]) => Math.max(0, ...option.map((each) => each.path.length));
    const meant = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    if (depth(meant) > 0 || meant.some((each) => each.code === 'unrecognized_keys')) {
      return meant.flatMap((each) => describe({ ...each, path: [...issue.path, ...each.path] }, places));
    }
  }
  const words = inWords(issue, places);
  // `budget is missing`, but `budget.evaluations: must be at least 1`.
  const missing = words ?? issue.message;
  if (missing.startsWith('is missing')) return [`${issue.path.length > 0 ? path : 'everything'} ${missing}`];
  return [`${where}${cut(missing, longestSentence)}`];
}

/** More problems at once help nobody: where there are so many, it was another file that was meant. */
const mostProblems = 3;

/**
 * What is wrong with an input, one short sentence per mistake, with the nearest known key for each unknown one: three of them,
 * and how many there are beside. The input is not repeated, but for the beginning of keys.
 */
export function formatZodError(error: z.ZodError, schema: z.ZodType): string[] {
  const places = new Places(schema);
  const sentences: string[] = [];
  let count = 0;
  for (const issue of error.issues) {
    const before = sentences.length;
    if (before < mostProblems) sentences.push(...describe(issue, places));
    count += issue.code === 'unrecognized_keys' ? issue.keys.length : Math.max(1, sentences.length - before);
  }
  const shown = sentences.slice(0, mostProblems);
  const more = Math.max(count, sentences.length) - shown.length;
  return more > 0 ? [...shown, `and ${more} more ${more === 1 ? 'problem' : 'problems'}`] : shown;
}
