import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { contentHash, type Json } from '../domain/canonical.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { explain } from '../domain/explain.ts';
import { evidenceIdSchema } from '../domain/literature.ts';
import type { IndexedDocument } from './document.ts';
import { findingLines, type Note, noteFileSchema, noteUrl } from './note.ts';

/** Where Aira's own notes lie. `src/literature` and `dist/literature` are equally deep below the package. */
export const corpusDirectory = resolve(import.meta.dirname, '../../corpus');

/** A note with what its file says of all its notes. */
export type CorpusNote = Note & { readonly topic: string; readonly written: string };

export interface Corpus {
  readonly notes: readonly CorpusNote[];
  /** Changes whenever a note does: part of what decides a proposal that was made by reading. */
  readonly version: string;
}

const broken = (path: string, problem: string, cause?: unknown) =>
  new PrerequisiteError('corpus-malformed', `${path}: ${problem}`, 'correct the note, then try again', { cause });

function readNotes(path: string): CorpusNote[] {
  let raw: unknown;
  try {
    const document = parseDocument(readFileSync(path, 'utf8'));
    const [error] = document.errors;
    if (error) throw error;
    raw = document.toJS();
  } catch (thrown) {
    throw broken(path, errorMessage(thrown).split('\n')[0] ?? 'cannot be read', thrown);
  }
  const parsed = noteFileSchema.safeParse(raw);
  if (!parsed.success) throw broken(path, explain(parsed.error, noteFileSchema).join('; '), parsed.error);
  const { topic, written, notes } = parsed.data;
  if (`${topic}.yaml` !== basename(path)) throw broken(path, `its topic is "${topic}", so it belongs in ${topic}.yaml`);
  return notes.map((note) => ({ ...note, topic, written }));
}

/**
 * Reads every `*.yaml` of the directory, in order of their names.
 *
 * @throws PrerequisiteError `corpus-malformed` naming the file and what is wrong there; also where two notes share an id
 * or an arXiv id.
 */
export function loadCorpus(directory: string = corpusDirectory): Corpus {
  let names: string[];
  try {
    names = readdirSync(directory)
      .filter((name) => name.endsWith('.yaml'))
      .sort();
  } catch (thrown) {
    throw broken(directory, errorMessage(thrown), thrown);
  }
  const notes = names.flatMap((name) => readNotes(join(directory, name)));
  const seen = new Map<string, string>();
  for (const note of notes) {
    const keys = [`id ${note.id}`];
    if (note.kind === 'paper' && note.arxiv) keys.push(`arXiv ${note.arxiv}`);
    if (note.kind === 'code') keys.push(`repository ${note.repository.toLowerCase()}`);
    for (const key of keys) {
      const other = seen.get(key);
      if (other) throw broken(join(directory, `${note.topic}.yaml`), `${key} is in ${other}.yaml already`);
      seen.set(key, note.topic);
    }
  }
  return { notes, version: contentHash(notes as unknown as Json).slice(0, 12) };
}

/** A note as the index holds it. */
export function noteDocument(note: CorpusNote): IndexedDocument {
  return {
    id: evidenceIdSchema.parse(`corpus:${note.id}`),
    source: 'corpus',
    url: noteUrl(note),
    retrievedAt: `${note.written}T00:00:00Z`,
    // The note is Aira's; for code, what its author allows is what matters.
    licence: note.kind === 'code' ? note.licence : 'notes of the Aira project',
    kind: note.kind,
    topic: note.topic,
    title: note.title,
    authors: note.authors,
    year: note.year,
    abstract: note.summary,
    body: [...findingLines(note), `Applies: ${note.applies}`, note.authors.join(', ')].join('\n'),
    hints: note.hints,
    certainty: note.certainty,
  };
}
