import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseDocument } from 'yaml';
import type * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { explain } from '../domain/explain.ts';

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
 * @throws PrerequisiteError naming every mistake of the file.
 */
export function readYamlFile<S extends z.ZodType>(path: string, schema: S, kind: string): ReadFile<z.output<S>> {
  const code = `${kind}-file`;
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as { code?: string }).code === 'ENOENT' ? 'there is no such file' : errorMessage(cause);
    throw new PrerequisiteError(code, `cannot read ${path}: ${why}`, `give the path of a ${kind} file`, { cause });
  }
  // Merge keys, since studies and searches share settings between agents.
  const document = parseDocument(source, { merge: true });
  const [broken] = document.errors;
  if (broken) {
    const line = broken.linePos?.[0].line;
    const message = `${path} is not YAML: line ${line}: ${broken.message.split('\n')[0]}`;
    throw new PrerequisiteError(code, message, 'mend that line');
  }
  const parsed = schema.safeParse(document.toJS());
  if (!parsed.success) {
    const mistakes = explain(parsed.error, schema);
    throw new PrerequisiteError(code, `${path}: ${mistakes.join('; ')}`, 'mend the file; nothing was started');
  }
  const slug = basename(path)
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 48);
  return { file: parsed.data, source, family: slug === '' ? kind : slug };
}
