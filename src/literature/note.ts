import * as z from 'zod';
import { hintSchema } from '../domain/hints.ts';

/**
 * The notes that come with Aira: `corpus/<topic>.yaml`. Written for this project; a fact that the writer could not be sure
 * of says so.
 */

const words = (text: string): number => text.split(/\s+/).filter(Boolean).length;

const certaintySchema = z.enum(['sure', 'likely']);

const findingSchema = z.union([
  z.string().min(10).max(600),
  z.strictObject({ text: z.string().min(10).max(600), certainty: certaintySchema }),
]);

const common = {
  /** Lower-case words and digits, joined by hyphens; unique in the corpus, and what agents cite. */
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
  /** Where it can be read when it has neither id. */
  url: z.url({ protocol: /^https$/ }).optional(),
});

const codeSchema = z.strictObject({
  kind: z.literal('code'),
  ...common,
  /** `owner/name` on GitHub. */
  repository: z.string().regex(/^[\w.-]+\/[\w.-]+$/),
  /** SPDX id of the code, or `NOASSERTION` where it is not certain. */
  licence: z.string().regex(/^[A-Za-z0-9.+-]+$/),
});

export const noteSchema = z.discriminatedUnion('kind', [paperSchema, codeSchema]);
export type Note = z.infer<typeof noteSchema>;

export const noteFileSchema = z.strictObject({
  topic: z.string().regex(/^[a-z]+(-[a-z]+)*$/),
  /** When its notes were last checked. */
  written: z.iso.date(),
  notes: z.array(noteSchema).min(1),
});

/** Where the work itself can be read; null where the note names no place. */
export function noteUrl(note: Note): string | null {
  if (note.kind === 'code') return `https://github.com/${note.repository}`;
  if (note.arxiv) return `https://arxiv.org/abs/${note.arxiv}`;
  if (note.doi) return `https://doi.org/${note.doi}`;
  return note.url ?? null;
}

/** Findings as lines, those that are not certain marked. */
export function findingLines(note: Note): string[] {
  return note.findings.map((finding) => {
    if (typeof finding === 'string') return finding;
    return finding.certainty === 'sure' ? finding.text : `${finding.text} (not certain)`;
  });
}
