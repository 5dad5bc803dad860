import { basename } from 'node:path';
import type * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { formatZodError } from '../domain/explain.ts';
import { type SearchFile, searchFileSchema } from '../domain/search.ts';
import { parseYaml, readTextFile, YamlError, yamlBounds } from '../platform/index.ts';

/** A file that a person wrote: parsed, and as text. */
export interface ReadFile<T> {
  readonly file: T;
  readonly source: string;
  /** File name as a slug; runs are named after it, with a number. */
  readonly family: string;
}

/**
 * Reads a YAML file strictly.
 *
 * @param kind `search` or `study`; errors have the code `<kind>-file`.
 * @throws PrerequisiteError with the first mistakes in the file.
 */
export function readYamlFile<S extends z.ZodType>(path: string, schema: S, kind: string): ReadFile<z.output<S>> {
  const code = `${kind}-file`;
  const source = readTextFile(path, { code, remedy: `give the path of a ${kind} file`, mostBytes: yamlBounds.bytes });
  let parsedYaml: unknown;
  try {
    parsedYaml = parseYaml(source);
  } catch (thrown) {
    if (!(thrown instanceof YamlError)) throw thrown;
    throw new PrerequisiteError(code, `${path} is not YAML: ${thrown.message}`, 'fix the file');
  }
  if (typeof parsedYaml !== 'object' || parsedYaml === null || Array.isArray(parsedYaml)) {
    const message = `${path} is not a ${kind} file: it has no settings such as "task: compose-mad-3p"`;
    throw new PrerequisiteError(code, message, `give the path of a ${kind} file`);
  }
  const parsed = schema.safeParse(parsedYaml);
  if (!parsed.success) {
    const mistakes = formatZodError(parsed.error, schema);
    throw new PrerequisiteError(code, `${path}: ${mistakes.join('; ')}`, 'fix the file');
  }
  const slug = basename(path)
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 48);
  return { file: parsed.data, source, family: slug === '' ? kind : slug };
}

export type ReadSearchFile = ReadFile<SearchFile>;

/** @throws PrerequisiteError with the mistakes in the file. */
export function readSearchFile(path: string): ReadSearchFile {
  return readYamlFile(path, searchFileSchema, 'search');
}
