import * as z from 'zod';
import { hintSchema } from './hints.ts';

/**
 * What agents read, and the tool with which they read it. The text of an item was written by strangers: it is data to
 * judge, never an instruction, and no part of a decision may be read out of it except by a model that is shown it as data.
 */

export const literatureSources = [
  'corpus', // the notes that come with Aira
  'archive', // what the laboratory's own agents concluded
  'arxiv',
  'semantic-scholar',
  'openalex',
  'github',
] as const;
export const literatureSourceSchema = z.enum(literatureSources);
export type LiteratureSource = z.infer<typeof literatureSourceSchema>;

/** How an item is cited: `<source>:<id at the source>`. */
export const evidenceIdSchema = z
  .string()
  .max(300)
  .regex(/^(corpus|archive|arxiv|semantic-scholar|openalex|github):\S+$/, 'an item is cited as <source>:<id>');
export type EvidenceId = z.infer<typeof evidenceIdSchema>;

/** Where an item came from. Every item carries this, whatever else is known of it. */
export const provenanceSchema = z.strictObject({
  source: literatureSourceSchema,
  id: evidenceIdSchema,
  url: z.string().max(2000).nullable(),
  retrievedAt: z.iso.datetime(),
  /** SPDX expression or a short phrase; what the text, not the work behind it, may be used under. */
  licence: z.string().max(200),
});
export type Provenance = z.infer<typeof provenanceSchema>;

export const itemSchema = z.strictObject({
  ...provenanceSchema.shape,
  kind: z.enum(['paper', 'code', 'lesson']),
  title: z.string().max(1000),
  authors: z.array(z.string().max(200)).max(100),
  year: z.int().min(1900).max(2100).nullable(),
  /** The passage that matched, or the beginning of the abstract. */
  snippet: z.string().max(2000),
  /** Only Aira's own notes carry hints; an item from anywhere else has none, whatever its text says. */
  hints: z.array(hintSchema),
  certainty: z.enum(['sure', 'likely', 'unverified']),
});
export type Item = z.infer<typeof itemSchema>;

export interface LiteratureQuery {
  /** Free text; nothing in it can break the query. */
  readonly text: string;
  /** Words of which each must occur. */
  readonly must?: readonly string[];
  readonly limit?: number;
  /** Only these sources; otherwise all that the retriever has. */
  readonly sources?: readonly LiteratureSource[];
  readonly since?: number;
  readonly topic?: string;
  /** Only items with hints. */
  readonly hinted?: boolean;
}

/** The whole text of one item, normalised and capped. */
export interface ReadText extends Provenance {
  readonly title: string;
  readonly text: string;
  readonly truncated: boolean;
}

/** How an agent came to see something. */
export const readingKinds = ['search-literature', 'search-code', 'search-archive', 'read'] as const;
export const readingKindSchema = z.enum(readingKinds);
export type ReadingKind = z.infer<typeof readingKindSchema>;

/** That an item was shown to an agent: how the funnel from retrieved to improved begins. */
export const retrievalSchema = z.strictObject({
  ...provenanceSchema.shape,
  title: z.string().max(1000),
  how: readingKindSchema,
  /** The query, or the id that was read. */
  query: z.string().max(500),
  /** Place among the answers, counted from 1. */
  rank: z.int().positive(),
});
export type Retrieval = z.infer<typeof retrievalSchema>;

/** What was asked in one go, and what was shown in answer; nothing where nothing was found. */
export const readingSchema = z.strictObject({
  how: readingKindSchema,
  query: z.string().max(500),
  found: z.array(evidenceIdSchema).max(32),
  /** What went wrong, wholly or in part: a call that could not be carried out, services that did not answer. */
  failed: z.string().max(300).optional(),
});
export type Reading = z.infer<typeof readingSchema>;

/** What a thought may read. */
export const readingBudgetSchema = z.strictObject({
  searches: z.int().nonnegative(),
  reads: z.int().nonnegative(),
  /** Items that one search may show. */
  itemsPerSearch: z.int().positive().max(32),
});
export type ReadingBudget = z.infer<typeof readingBudgetSchema>;

/** The reading of one thought: budgeted, and recorded item by item. */
export interface Retriever {
  /** Papers. @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  searchLiterature(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** Code bases. @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  searchCode(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** The laboratory's own results and lessons. @throws TerminalError `reading-budget` when nothing is left to read. */
  searchArchive(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** Null when nobody knows the id. @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  read(id: EvidenceId, signal?: AbortSignal): Promise<ReadText | null>;
  /** Everything shown so far, in order. */
  readonly retrieved: readonly Retrieval[];
  /** Everything asked so far, in order. */
  readonly readings: readonly Reading[];
  /** What may still be read. */
  readonly left: ReadingBudget;
}

/** A result of the laboratory's own, as it can be found: what was tried, how it went, and what that taught. */
export interface OwnResult {
  /** The node's id, by which it is cited as `archive:<id>`. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly author: string;
}

/** Who reads, as far as it decides what can be found. */
export interface ReadingOccasion {
  /** Only these sources; without it, all that are at hand. */
  readonly sources?: readonly LiteratureSource[];
  /** Without it, the usual one. */
  readonly budget?: ReadingBudget;
  /** What the reader may know of the laboratory's own results, and no more (I5). */
  readonly results?: readonly OwnResult[];
}

/** Opens the reading of one thought, or goes on with it with what is left of its budget. */
export type OpenRetriever = (occasion?: ReadingOccasion) => Retriever;

/** Sources that need a network. */
export const onlineSources = ['arxiv', 'semantic-scholar', 'openalex', 'github'] as const;
export const isOnline = (source: LiteratureSource): boolean =>
  (onlineSources as readonly LiteratureSource[]).includes(source);

/** The source of an item, which its id begins with. */
export function sourceOf(id: EvidenceId): LiteratureSource {
  return literatureSourceSchema.parse(id.slice(0, id.indexOf(':')));
}

/** How an agent with a language model reads: everything that decides it, as the archive records it. */
export const literatureSpecSchema = z.strictObject({
  sources: z.array(literatureSourceSchema).min(1),
  /** Of one thought. */
  searches: z.int().nonnegative(),
  reads: z.int().nonnegative(),
  /** Items that one search may show. */
  items: z.int().positive(),
  /** With `tools` the model asks for what it wants; `before` shows it what the laboratory looks up, without asking it. */
  how: z.enum(['tools', 'before']),
});
export type LiteratureSpec = z.infer<typeof literatureSpecSchema>;

const optionsSchema = z
  .strictObject({
    /** Where to look: without it Aira's notes and the search's own results, and all services where `online` is said. */
    sources: z.array(literatureSourceSchema).min(1).optional(),
    /** May services be asked? What is found is recorded, so that a replay needs no network. */
    online: z.boolean().default(false),
    searches: z.int().min(1).max(16).default(4),
    reads: z.int().min(0).max(16).optional(),
    items: z.int().min(1).max(10).default(5),
    how: z.enum(['tools', 'before']).default('tools'),
  })
  .check((context) => {
    const { sources = [], online, how, reads } = context.value;
    const object = (path: string, message: string) =>
      context.issues.push({ code: 'custom', input: context.value, path: [path], message });
    const service = sources.find(isOnline);
    if (service !== undefined && !online) object('sources', `${service} is a service: say online: true as well`);
    if (online && sources.length > 0 && service === undefined) object('online', 'none of the sources is a service');
    if (how === 'before' && reads !== undefined) object('reads', 'with how: before nothing is read in full');
  });

const usual = { searches: 4, reads: 2, items: 5 } as const;

function sourcesOf(stated: readonly LiteratureSource[] | undefined, online: boolean): LiteratureSource[] {
  if (stated) return [...new Set(stated)];
  return literatureSources.filter((source) => online || !isOnline(source));
}

/** `literature: true` is short for the usual budget on Aira's notes and the search's own results. */
export const literatureEntrySchema = z
  .union([z.boolean(), optionsSchema])
  .transform((stated): LiteratureSpec | null => {
    if (stated === false) return null;
    if (stated === true) return { sources: sourcesOf(undefined, false), ...usual, how: 'tools' };
    const { sources, online, searches, reads, items, how } = stated;
    const inFull = how === 'before' ? 0 : (reads ?? usual.reads);
    return { sources: sourcesOf(sources, online), searches, reads: inFull, items, how };
  });
