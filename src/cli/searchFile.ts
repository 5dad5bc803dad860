import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseDocument } from 'yaml';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { explain } from '../domain/explain.ts';
import { type SearchFile, searchFileSchema } from '../domain/search.ts';

export interface ReadSearchFile {
  readonly file: SearchFile;
  readonly source: string;
  /** What its searches are called, a number added: the file's own name as a slug. */
  readonly family: string;
}

/** @throws PrerequisiteError naming every mistake of the file. */
export function readSearchFile(path: string): ReadSearchFile {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (cause) {
    const why = (cause as { code?: string }).code === 'ENOENT' ? 'there is no such file' : errorMessage(cause);
    throw new PrerequisiteError('search-file', `cannot read ${path}: ${why}`, 'give the path of a search file', {
      cause,
    });
  }
  const document = parseDocument(source);
  const [broken] = document.errors;
  if (broken) {
    const line = broken.linePos?.[0].line;
    throw new PrerequisiteError(
      'search-file',
      `${path} is not YAML: line ${line}: ${broken.message.split('\n')[0]}`,
      'mend that line',
    );
  }
  const parsed = searchFileSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const mistakes = explain(parsed.error, searchFileSchema);
    throw new PrerequisiteError('search-file', `${path}: ${mistakes.join('; ')}`, 'mend the file; nothing was started');
  }
  const slug = basename(path)
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 48);
  return { file: parsed.data, source, family: slug === '' ? 'search' : slug };
}
