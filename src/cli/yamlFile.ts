import { basename } from 'node:path';
import type * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { formatZodError } from '../domain/explain.ts';
import { type SearchFile, searchFileSchema } from '../domain/search.ts';
import { parseYaml, readTextFile, YamlError, yamlBounds } from '../platform/index.ts';

/** A file that a person wrote, as it was given and as it was meant. */
export interface ReadFile<T> {
  readonly file: T;
  readonly source: string;
  /** What its runs are called, a number added: the file's own name as a slug. */
  readonly family: string;
}

/**
 * Reads a YAML file strictly.
 *
 * @param kind what such a file is called, `search` or `study`; errors have the code `<kind>-file`.
 * @throws PrerequisiteError naming the first mistakes of the file.
 */
export function readYamlFile<S extends z.ZodType>(path: string, schema: S, kind: string): ReadFile<z.output<S>> {
  const code = `${kind}-file`;
  const source = readTextFile(path, { code, remedy: `give the path of a ${kind} file`, mostBytes: yamlBounds.bytes });
  let given: unknown;
  try {
    given = parseYaml(source);
  } catch (thrown) {
    if (!(thrown instanceof YamlError)) throw thrown;
    throw new PrerequisiteError(code, `${path} is not YAML: ${thrown.message}`, 'fix the file; nothing was started');
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const message = `${path} is not a ${kind} file: it holds no settings such as "task: compose-mad-3p"`;
    throw new PrerequisiteError(code, message, `give the path of a ${kind} file`);
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const mistakes = formatZodError(parsed.error, schema);
    throw new PrerequisiteError(code, `${path}: ${mistakes.join('; ')}`, 'fix the file; nothing was started');
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

/** @throws PrerequisiteError naming every mistake of the file. */
export function readSearchFile(path: string): ReadSearchFile {
  return readYamlFile(path, searchFileSchema, 'search');
}
