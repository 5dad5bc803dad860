import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type * as z from 'zod';
import { PrerequisiteError } from '../domain/errors.ts';
import { formatZodError, nearest } from '../domain/inputFile.ts';
import { type SearchFile, searchFileSchema } from '../domain/search.ts';
import { packageRoot, parseYaml, readTextFile, YamlError, yamlBounds } from '../platform/index.ts';

/** Folders of shipped files, by what they hold. */
const shippedFolders = { search: 'searches', study: 'studies' } as const;

/**
 * The file that an argument means: a path, or the name of a shipped file (`quickstart`). The one place where a bare word
 * becomes a file, for every command; a file of the current folder comes first.
 *
 * @throws PrerequisiteError `<kind>-file` for a bare word that is neither, with the names that there are.
 */
export function namedFile(given: string, kind: keyof typeof shippedFolders): string {
  if (!/^[a-z0-9][a-z0-9-]*$/.test(given) || existsSync(given)) return given;
  const folder = join(packageRoot, shippedFolders[kind]);
  const shipped = join(folder, `${given}.yaml`);
  if (existsSync(shipped)) return shipped;
  const names = existsSync(folder)
    ? readdirSync(folder).flatMap((name) => (name.endsWith('.yaml') ? [basename(name, '.yaml')] : []))
    : [];
  const suggestion = nearest(given, names);
  throw new PrerequisiteError(
    `${kind}-file`,
    `there is no file ${given}, and no shipped ${kind} of that name${suggestion ? `; did you mean "${suggestion}"?` : ''}`,
    `give the path of a ${kind} file, or one of ${names.sort().join(', ')}`,
  );
}

/** A task of a search file: a path next to the file if there is one, else as given. */
export function taskNear(task: string, file: string): string {
  const near = resolve(dirname(file), task);
  return task.includes('/') && existsSync(near) ? near : task;
}

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
