import * as z from 'zod';

/**
 * Responses of the dashboard's HTTP API about one search and its nodes, as schemas. `api.ts` has the types of all responses.
 *
 * Scores are the task's metric (`lowerIsBetter` says its direction), times milliseconds since 1970. A missing or non-finite
 * number is null. Every text comes from agents, programs or files: it is printable (`platform/text.ts`), but never markup.
 * New keys may be added; a key that changes its meaning, its unit or its name, or goes, increments the version.
 */
export const apiVersion = 1;

export const count = z.int().nonnegative();
export const time = z.number().nullable();
export const score = z.number().nullable();
export const interval = z.strictObject({ low: z.number(), high: z.number() });
export const statusSchema = z.enum(['pending', 'evaluated', 'failed', 'rejected', 'duplicate']);
export const operatorSchema = z.enum(['draft', 'improve', 'crossover', 'debug', 'reference', 'aggregate']);
export const rungNameSchema = z.enum(['screen', 'confirm', 'final']);

/** A text cut at a limit: `more` characters are missing, and `raw` is where the whole can be had, below the API's root. */
export const longText = z.strictObject({ text: z.string(), more: count, raw: z.string().nullable() });

/** Proposals by status, each counted once (`domain/node.ts`). References and aggregates are not proposals. */
export const counts = z.strictObject({
  proposed: count,
  evaluated: count,
  failed: count,
  rejected: count,
  duplicate: count,
  pending: count,
  /** Among `evaluated` and `failed`: nothing was trained. */
  cached: count,
});

/** Of language models. */
export const spent = z.strictObject({ calls: count, tokens: count, costUsd: z.number() });

/** The best candidate, on the highest rung with scores. */
const bestSchema = z.strictObject({
  node: z.string(),
  /** Short form of the candidate. */
  short: z.string(),
  rung: rungNameSchema,
  /** Mean over its seeds. */
  score: z.number(),
  seeds: count,
  /** Of the mean, from the noise between seeds of all candidates of the rung; null where no seed was repeated. */
  interval: interval.nullable(),
});

export const searchRow = z.strictObject({
  id: z.string(),
  task: z.string(),
  profile: z.string(),
  workflow: z.enum(['compose', 'design', 'scale']),
  metric: z.string(),
  lowerIsBetter: z.boolean(),
  phase: z.enum(['screening', 'confirming', 'aggregating', 'finalising', 'finished', 'stopped']),
  /** `lost`: neither finished nor stopped, and no process runs it. */
  status: z.enum(['running', 'paused', 'finished', 'stopped', 'lost']),
  startedAt: time,
  /** Null while it runs. */
  endedAt: time,
  /** Running time over all sessions. */
  elapsedMs: z.number(),
  /** Why it ended early (I13); null otherwise. */
  ending: z.strictObject({ reason: z.string(), sentence: z.string() }).nullable(),
  best: bestSchema.nullable(),
  /** All nodes, references and aggregates included. */
  nodes: count,
  spent: z.strictObject({ evaluations: count, deviceSeconds: z.number(), ...spent.shape }),
});

/** `/api/searches` */
export const searchesSchema = z.strictObject({ version: z.literal(apiVersion), searches: z.array(searchRow) });

const ruling = z.strictObject({
  id: z.string(),
  kind: z.enum(['veto', 'pause', 'resume', 'raise-budget']),
  at: z.number(),
  sentence: z.string(),
  /** Node of a veto, agent of a pause; null for the search. */
  subject: z.string().nullable(),
});

/** `/api/searches/:id` */
export const overviewSchema = z.strictObject({
  version: z.literal(apiVersion),
  /** Sequence of the archive at which all of this was read; the events after it change it. */
  sequence: count,
  search: searchRow,
  goal: z.strictObject({
    description: z.string().nullable(),
    space: z.enum(['stack', 'program', 'scale']),
    layers: count.nullable(),
    /** Layer kinds with the words of a legend: M, mA, Mb, and primitives of the user's own. */
    primitives: z.array(
      z.strictObject({
        name: z.string(),
        meaning: z.string(),
        /** `#rrggbb` of a user's own; null for those of the house, whose colours are the page's. */
        colour: z.string().nullable(),
      }),
    ),
    seed: count,
    deviceClass: z.string(),
    evaluator: z.string(),
    taskVersion: z.string(),
    searchFile: longText,
  }),
  references: z.array(
    z.strictObject({
      node: z.string(),
      name: z.string(),
      short: z.string(),
      rung: rungNameSchema,
      score: score,
      seeds: count,
      interval: interval.nullable(),
    }),
  ),
  /** Contenders against references on one rung, on paired seeds. Differences are of the fitness: above zero is better. */
  comparisons: z.array(
    z.strictObject({
      contender: z.string(),
      reference: z.string(),
      rung: rungNameSchema,
      pairs: count,
      difference: z.number().nullable(),
      interval: interval.nullable(),
      /** Coverage of the interval, over all comparisons together. */
      level: z.number(),
      verdict: z.enum(['better', 'worse', 'even']).nullable(),
      /** Why there is no interval. */
      why: z.string().nullable(),
    }),
  ),
  /** What the rows of a rung yield without what the task asks for. */
  floors: z.array(z.strictObject({ name: z.string(), rung: rungNameSchema, score: z.number() })),
  budget: z.array(
    z.strictObject({
      unit: z.enum(['evaluations', 'minutes', 'deviceSeconds', 'costUsd', 'tokens']),
      /** Null: no limit. */
      limit: z.number().nullable(),
      used: z.number(),
      left: z.number().nullable(),
    }),
  ),
  /** Milliseconds until the end at the measured speed; null without a basis, or after the end. */
  forecast: z.strictObject({ remainingMs: z.number().nullable(), basis: z.string() }),
  agents: z.array(
    z.strictObject({
      name: z.string(),
      model: z.string(),
      scaffold: z.string(),
      memory: z.enum(['own', 'ensemble']),
      /** Its budget of accepted proposals. */
      evaluations: count,
      /** `idle`: no process was heard of. */
      state: z.enum(['working', 'waiting', 'paused', 'idle', 'ended']),
      /** Why it waits, is paused or ended. */
      why: z.string().nullable(),
      endCode: z.string().nullable(),
      best: z.strictObject({ node: z.string(), score: z.number() }).nullable(),
      counts,
      spent,
    }),
  ),
  devices: z.strictObject({
    workers: count,
    training: count,
    /** Share of time between first and last training that workers were busy. */
    busy: z.number().nullable(),
  }),
  counts,
  rungs: z.array(
    z.strictObject({
      rung: rungNameSchema,
      pending: count,
      evaluated: count,
      failed: count,
      cached: count,
      meanSeconds: z.number().nullable(),
    }),
  ),
  /** Sentences of the search's claims, with what they rest on. Empty before the final rung. */
  claims: z.array(
    z.strictObject({
      sentence: z.string(),
      estimate: z.number().nullable(),
      interval: interval.nullable(),
      method: z.string(),
    }),
  ),
  endings: z.array(
    z.strictObject({ of: z.string(), subject: z.string(), reason: z.string(), sentence: z.string(), at: z.number() }),
  ),
  phases: z.array(z.strictObject({ phase: z.string(), at: z.number() })),
  /** What people ruled, in order; the last of a subject holds. */
  rulings: z.array(ruling),
});

export const nodeRow = z.strictObject({
  /** Position in the search, from 0: the index in `/points`. */
  index: count,
  id: z.string(),
  agent: z.string(),
  attempt: count,
  operator: operatorSchema,
  /** Of a reference. */
  name: z.string().nullable(),
  parents: z.array(z.string()),
  status: statusSchema,
  /** Reason code of an attempt without a score. */
  reason: z.string().nullable(),
  short: z.string(),
  change: z.string(),
  /** Mean over the seeds of each rung. */
  scores: z.strictObject({ screen: score, confirm: score, final: score }),
  /** The highest rung with a score. */
  rung: rungNameSchema.nullable(),
  parameters: z.number().nullable(),
  flops: z.number().nullable(),
  /** Training time over all rungs, that of cached results included. */
  durationMs: z.number().nullable(),
  /** Of its attempt's calls of language models. */
  costUsd: z.number(),
  cached: z.boolean(),
  /** It, or an ancestor, was vetoed. */
  vetoed: z.boolean(),
  proposedAt: z.number(),
  evaluatedAt: time,
});

/** `/api/searches/:id/nodes` */
export const nodesSchema = z.strictObject({
  version: z.literal(apiVersion),
  sequence: count,
  rows: z.array(nodeRow),
  /** For `?after=`; null on the last page. */
  next: z.string().nullable(),
  /** Of the filter, over all pages. */
  total: count,
});

export const nodeSorts = ['sequence', 'score', 'params', 'flops', 'cost', 'agent'] as const;

/** The query of `/nodes`; empty values count as absent. */
export const nodesQuerySchema = z.strictObject({
  sort: z.enum(nodeSorts).default('sequence'),
  direction: z.enum(['ascending', 'descending']).default('ascending'),
  after: z.string().max(400).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  agent: z.string().max(100).optional(),
  operator: operatorSchema.optional(),
  status: statusSchema.optional(),
  rung: rungNameSchema.optional(),
  q: z.string().max(200).optional(),
});

/**
 * `/api/searches/:id/points`: columns of equal length, one entry per node. With `?after=sequence`, only nodes that were added
 * or have changed since; `index` then says which.
 */
export const pointsSchema = z.strictObject({
  version: z.literal(apiVersion),
  /** Pass it as `after` to get what changed since. */
  sequence: count,
  /** Nodes of the search. */
  total: count,
  /** Position of each entry; null for all nodes in order. */
  index: z.array(count).nullable(),
  agents: z.array(z.string()),
  statuses: z.array(statusSchema),
  operators: z.array(operatorSchema),
  rungs: z.array(rungNameSchema),
  /** Short forms of architectures; empty for programs. */
  patterns: z.array(z.string()),
  /** Index into `agents`. The id of a node is `<agent>-<attempt>`. */
  agent: z.array(count),
  attempt: z.array(count),
  status: z.array(count),
  operator: z.array(count),
  /** Index of the first and the second parent among all nodes, or -1. */
  parent: z.array(z.int()),
  secondParent: z.array(z.int()),
  /** On the screen rung. */
  score: z.array(score),
  /** On the highest rung with a score: index into `rungs` or -1, and mean. */
  rung: z.array(z.int()),
  rungScore: z.array(score),
  parameters: z.array(score),
  flops: z.array(score),
  costUsd: z.array(z.number()),
  /** Milliseconds since `startedAt`. */
  startedAt: z.number(),
  proposedAt: z.array(z.number()),
  evaluatedAt: z.array(time),
  /** Index into `patterns` or -1. */
  pattern: z.array(z.int()),
});
