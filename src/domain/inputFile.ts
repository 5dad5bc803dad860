import { closest, distance } from 'fastest-levenshtein';
import * as z from 'zod';

/**
 * Files that people write: what is said about each key, the published JSON Schema, the reference that is generated from it, and the
 * problems of an input in sentences.
 */

/** What editors and the generated reference (`docs/search-file.md`) say about one key of an input file. */
interface KeyText {
  /** What it sets, in one or two sentences. */
  readonly does: string;
  /** A value that passes the schema. */
  readonly example: unknown;
  /** Of a number. */
  readonly unit?: string;
}

/** Attaches the text of a key to its schema, from where `z.toJSONSchema` takes it. The unit ends the description. */
export function key<S extends z.ZodType>(schema: S, { does, example, unit }: KeyText): S {
  const description = unit === undefined ? does : `${does} Unit: ${unit}.`;
  return schema.meta({ description, example, ...(unit === undefined ? {} : { unit }) });
}

/** The JSON Schema of an input file, as published in `schemas/` for editors. */
export function fileJsonSchema(title: string, schema: z.ZodType): object {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    // zod drops `examples` of keys whose input is transformed, since it takes them for outputs.
    override: ({ jsonSchema }) => {
      if (!('example' in jsonSchema)) return;
      jsonSchema.examples = [jsonSchema.example];
      delete jsonSchema.example;
    },
  });
  return { title, ...json };
}

/** The part of a JSON Schema that the reference reads. */
interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly unit?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** One key: its place in the file, and its part of the schema. */
interface KeyRow {
  readonly path: string;
  readonly required: boolean;
  readonly schema: Schema;
  readonly root: Schema;
}

function resolved(schema: Schema, root: Schema): Schema {
  const name = schema.$ref?.match(/^#\/\$defs\/(.+)$/)?.[1];
  const target = name === undefined ? undefined : root.$defs?.[name];
  return target === undefined ? schema : { ...resolved(target, root), ...schema };
}

/** A schema and its alternatives, resolved. */
function branches(schema: Schema, root: Schema): Schema[] {
  const own = resolved(schema, root);
  const nested = [...(own.anyOf ?? []), ...(own.oneOf ?? [])].flatMap((each) => branches(each, root));
  return nested.length > 0 ? nested : [own];
}

/** The rows of all keys below a schema, in the order of the file. */
export function keyRows(schema: Schema, root: Schema = schema, prefix = ''): KeyRow[] {
  return branches(schema, root).flatMap((branch) => {
    if (branch.items) return keyRows(branch.items, root, `${prefix}[]`);
    const kind = branch.properties?.kind?.const;
    const place = kind === undefined ? prefix : `${prefix} (${String(kind)})`;
    return Object.entries(branch.properties ?? {}).flatMap(([name, property]) => {
      const path = place === '' ? name : `${place}.${name}`;
      const own = resolved(property, root);
      const row = { path, required: branch.required?.includes(name) === true, schema: own, root };
      return [row, ...keyRows(own, root, path)];
    });
  });
}

const code = (value: unknown): string => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

/** Larger bounds are those of the number format. */
const largest = Number.MAX_SAFE_INTEGER;

function range({ minimum, maximum, exclusiveMinimum }: Schema): string {
  const least = exclusiveMinimum === undefined ? minimum : exclusiveMinimum;
  const lower =
    least === undefined || least === -largest ? '' : exclusiveMinimum === undefined ? `${least}` : `above ${least}`;
  if (maximum === undefined || maximum === largest)
    return lower === '' ? '' : `, ${lower}${least === minimum ? ' or more' : ''}`;
  return `, ${lower} to ${maximum}`;
}

/** What may stand there. */
function values({ schema, root }: KeyRow): string {
  const each = branches(schema, root).map((branch) => {
    if (branch.const !== undefined) return code(branch.const);
    if (branch.enum) return branch.enum.map(code).join(', ');
    if (branch.type === 'integer') return `whole number${range(branch)}`;
    if (branch.type === 'number') return `number${range(branch)}`;
    if (branch.type === 'boolean') return '`true`, `false`';
    if (branch.type === 'array') return 'list';
    return branch.type === 'object' ? 'keys below' : 'text';
  });
  return [...new Set(each)].join('; ');
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');

/** The reference of an input file as Markdown, from the JSON Schema that editors use: one row per key. */
export function fileReference(schema: object): string {
  const rows = keyRows(schema as Schema).map((row) => {
    const { description = '', examples = [], default: usual } = row.schema;
    const standard = row.required ? 'required' : usual === undefined ? '' : code(usual);
    return [`\`${row.path}\``, description, values(row), standard, examples.length > 0 ? code(examples[0]) : '']
      .map(cell)
      .join(' | ');
  });
  return ['key | what it sets | values | default | example', '--- | --- | --- | --- | ---', ...rows]
    .map((row) => `| ${row} |\n`)
    .join('');
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** Calls `visit` with each JSON Schema that a zod issue path can lead to. */
function follow(schema: unknown, path: readonly PropertyKey[], root: unknown, visit: (at: JsonSchema) => void): void {
  if (typeof schema !== 'object' || schema === null) return;
  const at = schema as JsonSchema;
  if (typeof at.$ref === 'string') {
    const target = at.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((node, part) => (node as JsonSchema | undefined)?.[part], root);
    follow(target, path, root, visit);
  }
  for (const branch of [at.anyOf, at.oneOf, at.allOf]) {
    if (Array.isArray(branch)) for (const option of branch) follow(option, path, root, visit);
  }
  const [head, ...rest] = path;
  if (head === undefined) visit(at);
  else if (typeof head === 'number') follow(at.items, rest, root, visit);
  else {
    const properties = at.properties as JsonSchema | undefined;
    const own = properties !== undefined && Object.hasOwn(properties, head) ? properties[String(head)] : undefined;
    follow(own ?? at.additionalProperties, rest, root, visit);
  }
}

/** What the published schema says at the paths of an input. */
class SchemaIndex {
  readonly #schema: z.ZodType;
  #json: unknown;

  constructor(schema: z.ZodType) {
    this.#schema = schema;
  }

  at(path: readonly PropertyKey[]): JsonSchema[] {
    this.#json ??= z.toJSONSchema(this.#schema, { io: 'input', unrepresentable: 'any' });
    const matches: JsonSchema[] = [];
    follow(this.#json, path, this.#json, (each) => matches.push(each));
    return matches;
  }

  keys(path: readonly PropertyKey[]): Set<string> {
    return new Set(this.at(path).flatMap(({ properties }) => Object.keys((properties as object | undefined) ?? {})));
  }

  isWhole(path: readonly PropertyKey[]): boolean {
    return this.at(path).some(({ type }) => type === 'integer');
  }
}

/** Bounds on quoted input, which may be arbitrary. */
const maxKeyChars = 40;
const maxSentenceChars = 400;
const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** The name in `known` closest to a mistyped one; undefined if none is close. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const candidates = [...known];
  if (candidates.length === 0) return undefined;
  // A name this long is not a typo, and the distance of long texts is slow.
  if (name.length > 100) return undefined;
  const best = closest(name, candidates);
  return distance(name, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

const typeNames: Readonly<Record<string, string>> = {
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
const typeName = (name: string): string => typeNames[name] ?? name;

/** Plain words for zod's issues of size and type; null if zod's own message is better. */
function inWords(issue: z.core.$ZodIssue, index: SchemaIndex): string | null {
  switch (issue.code) {
    case 'invalid_type': {
      const received = /received (\w+)$/.exec(issue.message)?.[1];
      if (received === undefined) return null;
      return received === 'undefined' ? 'is missing' : `must be ${typeName(issue.expected)}, not ${typeName(received)}`;
    }
    case 'too_small': {
      const { origin, minimum, inclusive, exact } = issue;
      if (exact) return null;
      if (origin === 'string') return minimum === 1 ? 'must not be empty' : `needs at least ${minimum} characters`;
      if (origin === 'array') return `needs at least ${minimum} ${minimum === 1 ? 'item' : 'items'}`;
      if (!['number', 'int', 'bigint'].includes(origin)) return null;
      if (inclusive) return `must be at least ${minimum}`;
      return index.isWhole(issue.path) ? `must be at least ${Number(minimum) + 1}` : `must be more than ${minimum}`;
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

function describe(issue: z.core.$ZodIssue, index: SchemaIndex): string[] {
  const path = cut(
    z.core.toDotPath(issue.path.map((part) => (typeof part === 'string' ? cut(part, maxKeyChars) : part))),
    200,
  );
  const where = issue.path.length > 0 ? `${path}: ` : '';
  if (issue.code === 'unrecognized_keys') {
    const known = index.keys(issue.path);
    return issue.keys.slice(0, maxProblems + 1).map((key) => {
      const suggestion = nearest(key, known);
      const shortKey = cut(key, maxKeyChars);
      return `${where}unknown key "${shortKey}"${suggestion ? `; did you mean "${suggestion}"?` : `; known keys are ${[...known].join(', ')}`}`;
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Report the union member that failed deepest: it is most likely the intended one.
    const depth = (option: readonly z.core.$ZodIssue[]) => Math.max(0, ...option.map((each) => each.path.length));
    const intended = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    if (depth(intended) > 0 || intended.some((each) => each.code === 'unrecognized_keys')) {
      return intended.flatMap((each) => describe({ ...each, path: [...issue.path, ...each.path] }, index));
    }
  }
  const words = inWords(issue, index);
  // `budget is missing`, but `budget.evaluations: must be at least 1`.
  const missing = words ?? issue.message;
  if (missing.startsWith('is missing')) return [`${issue.path.length > 0 ? path : 'everything'} ${missing}`];
  return [`${where}${cut(missing, maxSentenceChars)}`];
}

/** Beyond this the file is probably of another kind, and a longer list does not help. */
const maxProblems = 3;

/**
 * The problems of an input, one short sentence each, with a suggestion for unknown keys: at most three, then the number of
 * further ones. The input is not quoted, except for the beginning of keys.
 */
export function formatZodError(error: z.ZodError, schema: z.ZodType): string[] {
  const index = new SchemaIndex(schema);
  const sentences: string[] = [];
  let count = 0;
  for (const issue of error.issues) {
    const before = sentences.length;
    if (before < maxProblems) sentences.push(...describe(issue, index));
    count += issue.code === 'unrecognized_keys' ? issue.keys.length : Math.max(1, sentences.length - before);
  }
  const visible = sentences.slice(0, maxProblems);
  const more = Math.max(count, sentences.length) - visible.length;
  return more > 0 ? [...visible, `and ${more} more ${more === 1 ? 'problem' : 'problems'}`] : visible;
}
