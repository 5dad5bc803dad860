import * as z from 'zod';
import {
  apiVersion,
  count,
  longText,
  nodeRow,
  operatorSchema,
  overviewSchema,
  rungNameSchema,
  score,
  spent,
  statusSchema,
  time,
} from './apiSearch.ts';
import type { Block, Section, Span, Text } from './page.ts';

/**
 * Responses about one node, one agent, what the agents of a search read, and sections of finished pages: the types of `page.ts` as
 * schemas, whose figures are texts already, in the words of the report. Conventions are those of `apiSearch.ts`.
 */

const place = z.tuple([z.number(), z.number()]);

const spanSchema: z.ZodType<Span> = z.union([
  z.string(),
  z.strictObject({ text: z.string(), as: z.enum(['code', 'small', 'below', 'strong', 'good', 'bad']) }),
  z.strictObject({ stack: z.string(), runs: z.boolean().exactOptional() }),
  z.strictObject({
    whisker: z.strictObject({
      mean: z.number(),
      reach: z.number().nullable(),
      seeds: z.array(z.number()),
      axis: place,
    }),
  }),
  z.strictObject({ meter: z.number(), label: z.string() }),
  z.strictObject({ funnel: z.array(z.number()), of: z.number(), label: z.string() }),
  z.strictObject({ line: count }),
  z.strictObject({ mark: count }),
  z.strictObject({ to: z.string(), text: z.string() }),
  z.strictObject({ node: z.string(), text: z.string().exactOptional() }),
  z.strictObject({ agent: z.string() }),
]);
const textSchema: z.ZodType<Text> = z.union([spanSchema, z.array(spanSchema)]);

const blocks = z.lazy(() => z.array(blockSchema));

const seriesSchema = z.strictObject({
  name: z.string(),
  style: count,
  marks: z.array(z.strictObject({ x: z.number(), y: z.number(), note: z.string().exactOptional() })),
  as: z.enum(['line', 'stairs', 'marks']),
  faint: z.boolean().exactOptional(),
});

const treeSchema = z.strictObject({
  label: z.string(),
  nodes: z.array(
    z.strictObject({
      title: z.string(),
      at: z.number(),
      lane: z.number(),
      mark: count,
      size: z.number().nullable(),
      pending: z.boolean(),
      best: z.boolean(),
      parents: z.array(count),
    }),
  ),
});

const blockSchema: z.ZodType<Block> = z.discriminatedUnion('block', [
  z.strictObject({ block: z.literal('text'), text: textSchema, as: z.enum(['lead', 'note', 'warn']).exactOptional() }),
  z.strictObject({ block: z.literal('heading'), text: textSchema }),
  z.strictObject({ block: z.literal('claims'), sentences: z.array(z.string()) }),
  z.strictObject({ block: z.literal('list'), items: z.array(textSchema) }),
  z.strictObject({
    block: z.literal('figures'),
    figures: z.array(z.strictObject({ label: z.string(), value: z.string(), note: z.string() })),
  }),
  z.strictObject({
    block: z.literal('facts'),
    facts: z.array(z.tuple([z.string(), z.union([textSchema, blocks])])),
  }),
  z.strictObject({
    block: z.literal('table'),
    columns: z.array(
      z.strictObject({
        head: z.string(),
        kind: z.enum(['number', 'name', 'text']).exactOptional(),
        ends: z.tuple([z.string(), z.string()]).exactOptional(),
      }),
    ),
    rows: z.array(
      z.union([
        z.array(textSchema),
        z.strictObject({ contest: z.array(textSchema) }),
        z.strictObject({ group: z.string() }),
      ]),
    ),
  }),
  z.strictObject({
    block: z.literal('forest'),
    label: z.string(),
    effects: z.array(
      z.strictObject({
        name: z.string(),
        sub: z.string(),
        estimate: z.number().nullable(),
        low: z.number().nullable(),
        high: z.number().nullable(),
        verdict: z.string(),
      }),
    ),
  }),
  z.strictObject({
    block: z.literal('chart'),
    series: z.array(seriesSchema),
    levels: z.array(z.strictObject({ name: z.string(), value: z.number() })).exactOptional(),
    x: z.string(),
    y: z.string(),
    whole: z.boolean().exactOptional(),
    percent: z.boolean().exactOptional(),
    summary: z.string(),
  }),
  z.strictObject({
    block: z.literal('legend'),
    primitives: z.array(z.strictObject({ name: z.string(), meaning: z.string() })),
  }),
  z.strictObject({
    block: z.literal('votes'),
    label: z.string(),
    layers: z.array(
      z.strictObject({
        winner: z.string(),
        votes: z.array(z.strictObject({ name: z.string(), title: z.string(), votes: count })),
        voters: count,
        tied: z.boolean(),
      }),
    ),
  }),
  z.strictObject({ block: z.literal('tree'), tree: treeSchema }),
  z.strictObject({ block: z.literal('diff'), name: z.string(), lines: z.array(z.string()), more: count }),
  z.strictObject({ block: z.literal('pre'), text: z.string(), record: z.boolean().exactOptional() }),
  z.strictObject({ block: z.literal('columns'), columns: z.array(blocks) }),
  z.strictObject({ block: z.literal('fold'), summary: textSchema, blocks }),
  z.strictObject({
    block: z.literal('steps'),
    steps: z.array(
      z.strictObject({
        node: z.string(),
        mark: count,
        operator: z.string(),
        short: z.string(),
        outcome: z.string(),
        effect: textSchema,
        blocks,
      }),
    ),
  }),
]);

export const sectionSchema: z.ZodType<Section> = z.strictObject({
  id: z.string(),
  title: z.string(),
  blocks: z.array(blockSchema),
});

/** What of a report can be asked for while its search runs: patterns of the ensemble, and claims with their evidence. */
export const sectionGroups = ['claims', 'patterns'] as const;

/** `/api/searches/:id/sections/:group` */
export const sectionsSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  sections: z.array(sectionSchema),
});

/** A candidate as pages show it. */
const candidateSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('stack'),
    layers: z.array(z.string()),
    short: z.string(),
    /** Canonical text. */
    text: longText,
  }),
  z.strictObject({
    kind: z.literal('program'),
    files: z.array(z.strictObject({ name: z.string(), ...longText.shape })),
  }),
  /** A run at scale, or a text that is no candidate. */
  z.strictObject({ kind: z.literal('text'), text: longText }),
]);

const mention = z.strictObject({
  node: z.string(),
  agent: z.string(),
  operator: operatorSchema,
  status: statusSchema,
  score: score,
});

const readingSchema = z.strictObject({
  how: z.string(),
  query: z.string(),
  found: z.array(
    z.strictObject({ id: z.string(), title: z.string().nullable(), url: z.string().nullable(), cited: z.boolean() }),
  ),
  failed: z.string().nullable(),
});

const callSchema = z.strictObject({
  purpose: z.string(),
  model: z.string(),
  served: z.string().nullable(),
  /** Null while it runs. */
  outcome: z.string().nullable(),
  message: z.string().nullable(),
  inputTokens: count.nullable(),
  cachedTokens: count.nullable(),
  writtenTokens: count.nullable(),
  outputTokens: count.nullable(),
  costUsd: z.number().nullable(),
  /** For want of a count, the reservation. */
  estimated: z.boolean(),
  latencyMs: z.number().nullable(),
  at: z.number(),
});

/** One recorded question and its answer. */
const roundSchema = z.strictObject({
  purpose: z.string(),
  round: count,
  model: z.string().nullable(),
  /** `answer`, or why there is none: `budget`, `toolless`, `away`; `read` is what a tool returned. */
  kind: z.enum(['answer', 'budget', 'toolless', 'away', 'read']),
  messages: z.array(z.strictObject({ role: z.string(), ...longText.shape })),
  reasoning: longText.nullable(),
  answer: longText.nullable(),
  toolCalls: z.array(z.strictObject({ name: z.string(), arguments: longText })),
  finish: z.string().nullable(),
});

/** `/api/searches/:id/nodes/:node` */
export const nodeSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  search: z.string(),
  metric: z.string(),
  lowerIsBetter: z.boolean(),
  node: nodeRow,
  candidate: candidateSchema,
  parents: z.array(mention),
  children: z.array(mention),
  /** Full texts to compare with: the first parent, and the baseline or first reference. */
  bases: z.array(z.strictObject({ of: z.enum(['parent', 'baseline']), node: z.string(), candidate: candidateSchema })),
  rationale: z.strictObject({
    choice: longText,
    change: longText,
    hypothesis: longText.nullable(),
    expected: score,
    model: z.string().nullable(),
    evidence: z.array(z.string()),
  }),
  lesson: longText.nullable(),
  /** An accepted architecture at the sizes of the report: parameters, FLOPs, cache. */
  fullSize: sectionSchema.nullable(),
  /** Why it was refused. */
  message: longText.nullable(),
  rungs: z.array(
    z.strictObject({
      rung: rungNameSchema,
      mean: score,
      /** Standard deviation over its seeds; null below two. */
      sd: z.number().nullable(),
      evaluations: z.array(
        z.strictObject({
          key: z.string(),
          seed: z.int(),
          status: z.enum(['pending', 'ok', 'failed']),
          score: score,
          reason: z.string().nullable(),
          /** The whole error, up to a limit. */
          message: longText.nullable(),
          taskScores: z.record(z.string(), z.record(z.string(), score)),
          floors: z.record(z.string(), z.number()),
          /** Pairs of step and score. */
          curve: z.array(z.tuple([z.number(), z.number()])),
          parameters: z.number().nullable(),
          flops: z.number().nullable(),
          peakMemoryBytes: z.number().nullable(),
          durationMs: z.number().nullable(),
          worker: z.string().nullable(),
          device: z.string().nullable(),
          cached: z.boolean(),
          unsafe: z.boolean(),
          /** Trainings that were started for it. */
          starts: count,
          requestedAt: z.number(),
          finishedAt: time,
        }),
      ),
    }),
  ),
  attempt: z.strictObject({
    /** Null for nodes of the lab. */
    ordinal: count.nullable(),
    /** The thought that gave this candidate and others; the calls are charged to its first node. Null for the only one. */
    thought: z.strictObject({ node: z.string(), place: count, of: count }).nullable(),
    /** Calls and rounds of its thought. */
    calls: z.array(callSchema),
    rounds: z.array(roundSchema),
    /** Why there are no rounds although there are calls. */
    roundsMissing: z.string().nullable(),
    readings: z.array(readingSchema),
    /** Checks, experiments and scripts before the proposal, one line each. */
    tried: z.array(z.string()),
  }),
});

/** `/api/searches/:id/agents/:agent` */
export const agentSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  search: z.string(),
  metric: z.string(),
  lowerIsBetter: z.boolean(),
  agent: overviewSchema.shape.agents.element,
  /** Its settings as recorded, as JSON text. */
  spec: longText,
  /** Its newest 1,000 attempts, oldest first; `/nodes?agent=` has all. */
  timeline: z.array(
    z.strictObject({
      ...mention.shape,
      index: count,
      attempt: count,
      parents: z.array(z.string()),
      short: z.string(),
      change: z.string(),
      proposedAt: z.number(),
      evaluatedAt: time,
      /** Fitness minus that of the first parent on the screen rung; above zero is better. */
      effect: z.number().nullable(),
      /** As in `exploration`; null for an attempt that it lacks. */
      novelty: z.number().nullable(),
      costUsd: z.number(),
    }),
  ),
  /**
   * Share of layers or lines by which an attempt differs from the nearest earlier one. Refused ones are absent; of very many
   * attempts every k-th is there, of programs the newest.
   */
  exploration: z.array(z.strictObject({ attempt: count, share: z.number() })),
  operators: z.array(
    z.strictObject({
      operator: operatorSchema,
      used: count,
      scored: count,
      /** With a parent's score to compare with, and of these better. */
      compared: count,
      improved: count,
      meanEffect: z.number().nullable(),
    }),
  ),
  /** Whose work it took up, and who took up its own: the last 500, of `exchanged`. */
  exchanges: z.array(
    z.strictObject({
      node: z.string(),
      from: z.string(),
      fromAgent: z.string(),
      how: z.enum(['parent', 'cited', 'same candidate']),
      direction: z.enum(['taken', 'given']),
    }),
  ),
  exchanged: count,
  spending: z.array(z.strictObject({ model: z.string(), purpose: z.string(), failed: count, ...spent.shape })),
});

/** `/api/searches/:id/literature` */
export const literatureSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  agents: z.array(
    z.strictObject({
      agent: z.string(),
      attempts: count,
      failed: count,
      failure: z.string().nullable(),
      /** Counted in attempts; each count is a part of the one before it. */
      sources: z.array(
        z.strictObject({
          source: z.string(),
          works: count,
          retrieved: count,
          cited: count,
          changed: count,
          compared: count,
          improved: count,
        }),
      ),
      withoutCitation: z.strictObject({ compared: count, improved: count }),
    }),
  ),
  works: z.array(
    z.strictObject({
      id: z.string(),
      title: z.string().nullable(),
      url: z.string().nullable(),
      shown: count,
      cited: count,
      improved: count,
      /** Nodes that cite it, with their scores after. */
      nodes: z.array(mention),
    }),
  ),
});
