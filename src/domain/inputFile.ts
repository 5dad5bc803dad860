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
