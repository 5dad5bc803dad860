import * as z from 'zod';

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

/** The reference of an input file as Markdown, from the JSON Schema that editors use: one row per key. */

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

/** A table of all keys of an input file. */
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
