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

/** That an item was shown to an agent: how the funnel from retrieved to improved begins. */
export interface Retrieval extends Provenance {
  readonly how: 'search-literature' | 'search-code' | 'read';
  /** The query, or the id that was read. */
  readonly query: string;
  /** Place among the answers, counted from 1. */
  readonly rank: number;
}

/** The reading of one thought: budgeted, and recorded item by item. */
export interface Retriever {
  /** @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  searchLiterature(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  searchCode(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** Null when nobody knows the id. @throws TerminalError `reading-budget` when this thought has read as much as it may. */
  read(id: EvidenceId, signal?: AbortSignal): Promise<ReadText | null>;
  /** Everything shown so far, in order. */
  readonly retrieved: readonly Retrieval[];
}

/** Opens the reading of one thought. */
export type OpenRetriever = () => Retriever;
