import * as z from 'zod';
import {
  type Architecture,
  builtInSchema,
  isBuiltIn,
  type Primitive,
  parseArchitecture,
  type StackSpec,
} from './architecture.ts';
import { key } from './inputFile.ts';

/**
 * What agents read, and the tool they read it with. Item texts are untrusted data, never instructions; only a model that is
 * shown a text as data may derive decisions from it.
 *
 * A note may carry hints: a published result as a machine-readable rule for the order and number of layers. A hint mentions
 * primitives only, so free text cannot become one. Published results speak of the built-in primitives; a user's own counts as a mixer.
 */

const fraction = z.number().min(0).max(1);

/** Share of this primitive among the layers, or among the token mixers (attention and Mamba-2). */
const shareHint = z
  .strictObject({
    kind: z.literal('share'),
    primitive: builtInSchema,
    of: z.enum(['layers', 'mixers']),
    low: fraction,
    high: fraction,
  })
  .refine(({ low, high }) => low <= high, 'low must not be above high');

/** Whether the first or last layer is of this primitive. */
const placeHint = z.strictObject({
  kind: z.literal('place'),
  primitive: builtInSchema,
  at: z.enum(['first', 'last']),
  wanted: z.boolean(),
});

/** The layers of this primitive are spread evenly over the depth. */
const spreadHint = z.strictObject({ kind: z.literal('spread'), primitive: builtInSchema });

/** The layers of this primitive are mostly in this third of the depth. */
const regionHint = z.strictObject({
  kind: z.literal('region'),
  primitive: builtInSchema,
  region: z.enum(['lower', 'middle', 'upper']),
});

/** Each token mixer is followed by an MLP, as in the usual block. */
const alternateHint = z.strictObject({ kind: z.literal('alternate') });

/** A whole pattern in run-length form, stretched to the depth of the space. */
const patternHint = z.strictObject({
  kind: z.literal('pattern'),
  layers: z.string().refine((text) => {
    try {
      return parseArchitecture(text).every(isBuiltIn);
    } catch {
      return false;
    }
  }, 'expected a pattern of layers such as 2mA+5M'),
});

export const hintSchema = z.discriminatedUnion('kind', [
  shareHint,
  placeHint,
  spreadHint,
  regionHint,
  alternateHint,
  patternHint,
]);
export type Hint = z.infer<typeof hintSchema>;

export const literatureSources = [
  'corpus', // Aira's own notes
  'archive', // results and lessons of the lab's agents
  'arxiv',
  'semantic-scholar',
  'openalex',
  'github',
] as const;
export const literatureSourceSchema = z.enum(literatureSources);
export type LiteratureSource = z.infer<typeof literatureSourceSchema>;

/** Citation key: `<source>:<id at the source>`. */
export const evidenceIdSchema = z
  .string()
  .max(300)
  .regex(/^(corpus|archive|arxiv|semantic-scholar|openalex|github):\S+$/, 'expected <source>:<id>');
export type EvidenceId = z.infer<typeof evidenceIdSchema>;

/** Origin of an item. */
export const provenanceSchema = z.strictObject({
  source: literatureSourceSchema,
  id: evidenceIdSchema,
  url: z.string().max(2000).nullable(),
  retrievedAt: z.iso.datetime(),
  /** Licence of the text (not of the cited work): SPDX expression or a short phrase. */
  licence: z.string().max(200),
});
export type Provenance = z.infer<typeof provenanceSchema>;

export const itemSchema = z.strictObject({
  ...provenanceSchema.shape,
  kind: z.enum(['paper', 'code', 'lesson']),
  title: z.string().max(1000),
  authors: z.array(z.string().max(200)).max(100),
  year: z.int().min(1900).max(2100).nullable(),
  /** Matching passage, or the start of the abstract. */
  snippet: z.string().max(2000),
  /** Only corpus notes carry hints; other items have none, whatever their text claims. */
  hints: z.array(hintSchema),
  certainty: z.enum(['sure', 'likely', 'unverified']),
});
export type Item = z.infer<typeof itemSchema>;

export interface LiteratureQuery {
  /** Free text; needs no escaping. */
  readonly text: string;
  /** Each word must occur. */
  readonly must?: readonly string[];
  readonly limit?: number;
  /** Default: all sources of the retriever. */
  readonly sources?: readonly LiteratureSource[];
  readonly since?: number;
  readonly topic?: string;
  /** Only items with hints. */
  readonly hinted?: boolean;
}

/** Full text of one item, normalised and truncated. */
export interface ReadText extends Provenance {
  readonly title: string;
  readonly text: string;
  readonly truncated: boolean;
}

/** How an agent came across something. */
export const readingKinds = ['search-literature', 'search-code', 'search-archive', 'read'] as const;
export const readingKindSchema = z.enum(readingKinds);
export type ReadingKind = z.infer<typeof readingKindSchema>;

/** An item that was shown to an agent: the start of the funnel from retrieved to improved. */
export const retrievalSchema = z.strictObject({
  ...provenanceSchema.shape,
  title: z.string().max(1000),
  how: readingKindSchema,
  /** The query, or the id that was read. */
  query: z.string().max(500),
  /** Rank in the results, from 1. */
  rank: z.int().positive(),
});
export type Retrieval = z.infer<typeof retrievalSchema>;

/** One query and the items shown for it. */
export const readingSchema = z.strictObject({
  how: readingKindSchema,
  query: z.string().max(500),
  found: z.array(evidenceIdSchema).max(32),
  /** Full or partial failure: an invalid call, or services that did not answer. */
  failed: z.string().max(300).optional(),
});
export type Reading = z.infer<typeof readingSchema>;

/** Reading limits of one thought. */
export const readingBudgetSchema = z.strictObject({
  searches: z.int().nonnegative(),
  reads: z.int().nonnegative(),
  /** Items per search. */
  itemsPerSearch: z.int().positive().max(32),
});
export type ReadingBudget = z.infer<typeof readingBudgetSchema>;

/** The retriever of one thought: budgeted, and recorded item by item. */
export interface Retriever {
  /** Papers. @throws TerminalError `reading-budget` if the budget is used. */
  searchLiterature(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** Code bases. @throws TerminalError `reading-budget` if the budget is used. */
  searchCode(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** The lab's own results and lessons. @throws TerminalError `reading-budget` if the budget is used. */
  searchArchive(query: LiteratureQuery, signal?: AbortSignal): Promise<Item[]>;
  /** Null for an unknown id. @throws TerminalError `reading-budget` if the budget is used. */
  read(id: EvidenceId, signal?: AbortSignal): Promise<ReadText | null>;
  /** All items shown so far, in order. */
  readonly retrieved: readonly Retrieval[];
  /** All queries so far, in order. */
  readonly readings: readonly Reading[];
  /** Remaining budget. */
  readonly left: ReadingBudget;
}

/** One of the lab's own results, as retrievable text: what was tried, the outcome, and the lesson. */
export interface OwnResult {
  /** Node id, cited as `archive:<id>`. */
  readonly id: string;
  readonly title: string;
  readonly text: string;
  readonly author: string;
}

/** What a thought may retrieve. */
export interface RetrieverOptions {
  /** Default: all available sources. */
  readonly sources?: readonly LiteratureSource[];
  /** Default: the standard budget. */
  readonly budget?: ReadingBudget;
  /** The results of the lab that the reader may know (I5). */
  readonly results?: readonly OwnResult[];
}

/** Opens the retriever of a thought, or resumes it with its remaining budget. */
export type OpenRetriever = (options?: RetrieverOptions) => Retriever;

/** Sources that need a network. */
export const onlineSources = ['arxiv', 'semantic-scholar', 'openalex', 'github'] as const;
export const isOnline = (source: LiteratureSource): boolean =>
  (onlineSources as readonly LiteratureSource[]).includes(source);

/** The source of an item, from its id. */
export function sourceOf(id: EvidenceId): LiteratureSource {
  return literatureSourceSchema.parse(id.slice(0, id.indexOf(':')));
}

/** Reading options of an agent with a language model, as recorded in the archive. */
export const literatureSpecSchema = z.strictObject({
  sources: z.array(literatureSourceSchema).min(1),
  /** Per thought. */
  searches: z.int().nonnegative(),
  reads: z.int().nonnegative(),
  /** Items per search. */
  items: z.int().positive(),
  /** `tools`: the model queries by tool calls; `before`: Aira retrieves and includes items in the prompt. */
  how: z.enum(['tools', 'before']),
});
export type LiteratureSpec = z.infer<typeof literatureSpecSchema>;

const optionsSchema = z
  .strictObject({
    sources: key(z.array(literatureSourceSchema).min(1).optional(), {
      does: 'Where it looks. Default: the corpus and the results of the search, and all services if online.',
      example: ['corpus'],
    }),
    online: key(z.boolean().default(false), {
      does: 'Whether services may be queried. Results are recorded, so a replay needs no network.',
      example: true,
    }),
    searches: key(z.int().min(1).max(16).default(4), {
      does: 'Queries before a proposal.',
      example: 4,
      unit: 'queries per proposal',
    }),
    reads: key(z.int().min(0).max(16).optional(), {
      does: 'Full texts before a proposal; default 2.',
      example: 2,
      unit: 'texts per proposal',
    }),
    items: key(z.int().min(1).max(10).default(5), { does: 'Results per query.', example: 5, unit: 'items' }),
    how: key(z.enum(['tools', 'before']).default('tools'), {
      does: 'tools: the model queries while it thinks. before: Aira queries and puts the results into the prompt.',
      example: 'tools',
    }),
  })
  .check((context) => {
    const { sources = [], online, how, reads } = context.value;
    const reject = (path: string, message: string) =>
      context.issues.push({ code: 'custom', input: context.value, path: [path], message });
    const service = sources.find(isOnline);
    if (service !== undefined && !online) reject('sources', `${service} is an online service: add online: true`);
    if (online && sources.length > 0 && service === undefined)
      reject('online', 'none of the sources is an online service');
    if (how === 'before' && reads !== undefined) reject('reads', 'how: before includes no full texts');
  });

const defaults = { searches: 4, reads: 2, items: 5 } as const;

function sourcesOf(entry: readonly LiteratureSource[] | undefined, online: boolean): LiteratureSource[] {
  if (entry) return [...new Set(entry)];
  return literatureSources.filter((source) => online || !isOnline(source));
}

/** `literature: true` means the default budget on the corpus and the search's own results. */
export const literatureEntrySchema = z.union([z.boolean(), optionsSchema]).transform((entry): LiteratureSpec | null => {
  if (entry === false) return null;
  if (entry === true) return { sources: sourcesOf(undefined, false), ...defaults, how: 'tools' };
  const { sources, online, searches, reads, items, how } = entry;
  const inFull = how === 'before' ? 0 : (reads ?? defaults.reads);
  return { sources: sourcesOf(sources, online), searches, reads: inFull, items, how };
});

const isMixer = (layer: Primitive): boolean => layer !== 'M';

/** Whether the space has the primitives that the hint needs. */
export function appliesTo(hint: Hint, space: StackSpec): boolean {
  const offered = (primitive: Primitive) => space.primitives.includes(primitive);
  switch (hint.kind) {
    case 'pattern':
      return parseArchitecture(hint.layers).every(offered);
    case 'alternate':
      return offered('M') && space.primitives.some(isMixer);
    case 'share': {
      // A share is no choice if the whole has no other primitive.
      const whole = hint.of === 'layers' ? space.primitives : space.primitives.filter(isMixer);
      return offered(hint.primitive) && whole.some((primitive) => primitive !== hint.primitive);
    }
    default:
      return offered(hint.primitive) && space.primitives.length > 1;
  }
}

/** The pattern at this depth: layer i of n takes the pattern's layer at the same relative height. */
export function stretched(pattern: Architecture, depth: number): Architecture {
  return Array.from({ length: depth }, (_, layer) => {
    const at = Math.floor(((layer + 0.5) * pattern.length) / depth);
    return pattern[at] as Primitive;
  });
}

function shareFit(architecture: Architecture, hint: z.infer<typeof shareHint>): number {
  const whole = hint.of === 'layers' ? architecture : architecture.filter(isMixer);
  if (whole.length === 0) return 0;
  // A share is met at the nearest whole number of layers.
  const count = whole.filter((layer) => layer === hint.primitive).length;
  const low = Math.round(hint.low * whole.length);
  const high = Math.round(hint.high * whole.length);
  const miss = Math.max(0, low - count, count - high);
  // Never 0: a hill climber needs a gradient at any distance.
  return 1 / (1 + miss / Math.ceil(whole.length / 8));
}

/** 1 if the gaps between the primitive's layers are equal, 0 if all are adjacent. */
function spreadFit(architecture: Architecture, primitive: Primitive): number {
  const positions = architecture.flatMap((layer, index) => (layer === primitive ? [index] : []));
  if (positions.length === 0) return 0;
  if (positions.length === architecture.length) return 1;
  // Mean distance from the even arrangement relative to the depth; half a layer counts as zero.
  const pitch = architecture.length / positions.length;
  const off = (place: number, nth: number) => Math.max(0, Math.abs(place + 0.5 - (nth + 0.5) * pitch) - 0.5);
  const miss = positions.reduce((sum, place, nth) => sum + off(place, nth), 0);
  return Math.max(0, 1 - miss / positions.length / (architecture.length / 4));
}

function regionFit(architecture: Architecture, hint: z.infer<typeof regionHint>): number {
  const positions = architecture.flatMap((layer, index) => (layer === hint.primitive ? [index] : []));
  if (positions.length === 0) return 0;
  const third = { lower: 0, middle: 1, upper: 2 }[hint.region];
  const inside = positions.filter((place) => Math.floor((3 * place) / architecture.length) === third).length;
  return inside / positions.length;
}

function alternateFit(architecture: Architecture): number {
  const mixers = architecture.flatMap((layer, index) => (isMixer(layer) ? [index] : []));
  if (mixers.length === 0) return 0;
  // The last layer has no successor.
  const followed = mixers.filter((place) => place < architecture.length - 1);
  if (followed.length === 0) return 1;
  return followed.filter((place) => architecture[place + 1] === 'M').length / followed.length;
}

/** How well an architecture follows a hint: 1 fully, 0 not at all. */
export function hintFit(architecture: Architecture, hint: Hint): number {
  switch (hint.kind) {
    case 'share':
      return shareFit(architecture, hint);
    case 'place':
      return (architecture.at(hint.at === 'first' ? 0 : -1) === hint.primitive) === hint.wanted ? 1 : 0;
    case 'spread':
      return spreadFit(architecture, hint.primitive);
    case 'region':
      return regionFit(architecture, hint);
    case 'alternate':
      return alternateFit(architecture);
    case 'pattern': {
      const target = stretched(parseArchitecture(hint.layers), architecture.length);
      return target.filter((layer, index) => layer === architecture[index]).length / target.length;
    }
  }
}

/** A hint for the trace: `mA makes up 12 % of the mixers`. */
export function describeHint(hint: Hint): string {
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  switch (hint.kind) {
    case 'share': {
      const range = hint.low === hint.high ? percent(hint.low) : `${percent(hint.low)} to ${percent(hint.high)}`;
      return `${hint.primitive} makes up ${range} of the ${hint.of}`;
    }
    case 'place':
      return `${hint.primitive} is ${hint.wanted ? '' : 'not '}the ${hint.at} layer`;
    case 'spread':
      return `${hint.primitive} is spread evenly`;
    case 'region':
      return `${hint.primitive} is in the ${hint.region} third`;
    case 'alternate':
      return 'an MLP follows each mixer';
    case 'pattern':
      return `the pattern ${hint.layers}`;
  }
}
