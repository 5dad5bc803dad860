import { readdirSync, readFileSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import * as z from 'zod';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { formatZodError } from '../domain/inputFile.ts';
import { contentHash, type Json } from '../domain/json.ts';
import { evidenceIdSchema, hintSchema, itemSchema } from '../domain/literature.ts';

/**
 * The notes of `corpus/<topic>.yaml`, written for this project, and those of the user: their form, and documents of the index. A fact
 * that the author could not verify says so.
 */

/** Directory of the corpus. `src/literature` and `dist/literature` are equally deep below the package root. */
export const corpusDirectory = resolve(import.meta.dirname, '../../corpus');

/** A note with the fields of its file. */
type CorpusNote = Note & { readonly topic: string; readonly written: string };

export interface Corpus {
  readonly notes: readonly CorpusNote[];
  /** Changes with every note: part of what determines a proposal that was based on reading. */
  readonly version: string;
}

const malformed = (path: string, problem: string, cause?: unknown) =>
  new PrerequisiteError('corpus-malformed', `${path}: ${problem}`, 'fix the note, then retry', { cause });

/** A value of YAML, of which JSON is a part. @throws PrerequisiteError `corpus-malformed` */
function valueIn(text: string, place: string): unknown {
  try {
    const document = parseDocument(text);
    const [error] = document.errors;
    if (error) throw error;
    return document.toJS();
  } catch (thrown) {
    throw malformed(place, errorMessage(thrown).split('\n')[0] ?? 'cannot be read', thrown);
  }
}

function readNotes(path: string): CorpusNote[] {
  const raw = valueIn(readText(path), path);
  const parsed = noteFileSchema.safeParse(raw);
  if (!parsed.success) throw malformed(path, formatZodError(parsed.error, noteFileSchema).join('; '), parsed.error);
  const { topic, written, notes } = parsed.data;
  if (`${topic}.yaml` !== basename(path))
    throw malformed(path, `its topic is "${topic}", so the file must be named ${topic}.yaml`);
  return notes.map((note) => ({ ...note, topic, written }));
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw malformed(path, errorMessage(thrown), thrown);
  }
}

/** A note that stands alone has topic and date among its keys. */
function lonelyNote(raw: unknown, place: string): CorpusNote {
  const { topic, written, ...note } = (typeof raw === 'object' && raw !== null ? raw : {}) as Record<string, unknown>;
  const parsed = noteFileSchema.safeParse({ topic, written, notes: [note] });
  if (parsed.success)
    return { ...(parsed.data.notes[0] as Note), topic: parsed.data.topic, written: parsed.data.written };
  // The place of the note in a file of notes says nothing here.
  const problem = formatZodError(parsed.error, noteFileSchema).join('; ').replaceAll('notes[0].', '');
  throw malformed(place, problem, parsed.error);
}

/** JSON Lines: a note per line. */
function readLines(path: string): CorpusNote[] {
  return readText(path)
    .split('\n')
    .flatMap((line, index) => {
      const place = `${path}, line ${index + 1}`;
      return line.trim() === '' ? [] : [lonelyNote(valueIn(line, place), place)];
    });
}

/** Markdown: the keys of one note between lines of three hyphens, and its summary below. */
function readMarkdown(path: string): CorpusNote[] {
  const parts = /^---\r?\n([\s\S]*?)\r?\n---\r?\n([\s\S]*)$/.exec(readText(path));
  if (!parts) throw malformed(path, 'it does not begin with the keys of a note between two lines "---"');
  const keys = valueIn(parts[1] ?? '', path);
  if (typeof keys !== 'object' || keys === null || 'summary' in keys)
    throw malformed(path, 'the summary is the text below the keys, and not one of them');
  return [lonelyNote({ ...keys, summary: parts[2] }, path)];
}

const readers: Readonly<Record<string, (path: string) => CorpusNote[]>> = {
  '.yaml': readNotes,
  '.jsonl': readLines,
  '.md': readMarkdown,
};

/** A folder of the user's notes, read next to Aira's own. The version covers both, so a search with other notes is another search. */
const ownVariable = 'AIRA_CORPUS';

/**
 * Reads every `*.yaml`, `*.jsonl` and `*.md` of the directory, in order of names, except README.md; then those of the user's
 * folder, if `AIRA_CORPUS` names one.
 *
 * @throws PrerequisiteError `corpus-malformed` with file and problem; also if two notes share an id, an arXiv id or a
 * repository.
 */
export function loadCorpus(
  directory: string = corpusDirectory,
  own: string | undefined = process.env[ownVariable],
): Corpus {
  const notes = [directory, ...(own ? [own] : [])].flatMap(notesIn);
  const seen = new Map<string, string>();
  for (const note of notes) {
    const keys = [`id ${note.id}`];
    if (note.kind === 'paper' && note.arxiv) keys.push(`arXiv ${note.arxiv}`);
    if (note.kind === 'code') keys.push(`repository ${note.repository.toLowerCase()}`);
    for (const key of keys) {
      const other = seen.get(key);
      if (other) throw malformed(`${note.topic}.yaml`, `${key} is already in ${other}.yaml`);
      seen.set(key, note.topic);
    }
  }
  return { notes, version: contentHash(notes as unknown as Json).slice(0, 12) };
}

function notesIn(directory: string): CorpusNote[] {
  try {
    const names = readdirSync(directory).filter((name) => name !== 'README.md');
    return names.sort().flatMap((name) => readers[extname(name)]?.(join(directory, name)) ?? []);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw malformed(directory, errorMessage(thrown), thrown);
  }
}

/** A note as a document of the index. */
export function noteDocument(note: CorpusNote): IndexedDocument {
  return {
    id: evidenceIdSchema.parse(`corpus:${note.id}`),
    source: 'corpus',
    url: noteUrl(note),
    retrievedAt: `${note.written}T00:00:00Z`,
    // The note itself is part of Aira; for code, the licence of the repository matters.
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

const words = (text: string): number => text.split(/\s+/).filter(Boolean).length;

const certaintySchema = z.enum(['sure', 'likely']);

const findingSchema = z.union([
  z.string().min(10).max(600),
  z.strictObject({ text: z.string().min(10).max(600), certainty: certaintySchema }),
]);

const common = {
  /** Lower-case words and digits, joined by hyphens; unique in the corpus. Agents cite it. */
  id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/),
  title: z.string().min(3).max(300),
  authors: z.array(z.string().min(2).max(120)).min(1).max(30),
  year: z.int().min(1950).max(2100),
  certainty: certaintySchema.default('sure'),
  summary: z
    .string()
    .refine((text) => words(text) >= 60 && words(text) <= 150, 'a summary has 60 to 150 words')
    .transform((text) => text.trim()),
  findings: z.array(findingSchema).max(8).default([]),
  applies: z.string().min(10).max(600),
  hints: z.array(hintSchema).max(8).default([]),
};

const paperSchema = z.strictObject({
  kind: z.literal('paper'),
  ...common,
  arxiv: z
    .string()
    .regex(
      /^(\d{2}(0[1-9]|1[0-2])\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?\/\d{7})$/,
      'an arXiv id without version, such as 1706.03762',
    )
    .optional(),
  doi: z
    .string()
    .regex(/^10\.\d{4,9}\/\S+$/, 'a DOI, such as 10.1162/neco.1997.9.8.1735')
    .optional(),
  /** Where to read it if it has neither id. */
  url: z.url({ protocol: /^https$/ }).optional(),
});

const codeSchema = z.strictObject({
  kind: z.literal('code'),
  ...common,
  /** `owner/name` on GitHub. */
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  /** SPDX id of the code's licence, or `NOASSERTION` if unknown. */
  licence: z.string().regex(/^[A-Za-z0-9.+-]+$/),
});

const noteSchema = z.discriminatedUnion('kind', [paperSchema, codeSchema]);
type Note = z.infer<typeof noteSchema>;

const noteFileSchema = z.strictObject({
  topic: z.string().regex(/^[a-z]+(-[a-z]+)*$/),
  /** Date of the last check of the notes. */
  written: z.iso.date(),
  notes: z.array(noteSchema).min(1),
});

/** URL of the work itself; null if the note has none. */
function noteUrl(note: Note): string | null {
  if (note.kind === 'code') return `https://github.com/${note.repository}`;
  if (note.arxiv) return `https://arxiv.org/abs/${note.arxiv}`;
  if (note.doi) return `https://doi.org/${note.doi}`;
  return note.url ?? null;
}

/** Findings as lines; uncertain ones are marked. */
function findingLines(note: Note): string[] {
  return note.findings.map((finding) => {
    if (typeof finding === 'string') return finding;
    return finding.certainty === 'sure' ? finding.text : `${finding.text} (not certain)`;
  });
}

/** A document of the index: an item with its whole text. */
export const indexedDocumentSchema = itemSchema.omit({ snippet: true }).extend({
  topic: z.string().nullable(),
  abstract: z.string(),
  body: z.string(),
});
export type IndexedDocument = z.infer<typeof indexedDocumentSchema>;

/** Title, abstract and body. */
export function wholeText({ title, abstract, body }: IndexedDocument): string {
  return [title, abstract, body].filter((part) => part !== '').join('\n\n');
}
