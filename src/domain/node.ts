import * as z from 'zod';
import { failureReasonSchema } from './evaluation.ts';
import { agentNameSchema, nodeIdSchema } from './ids.ts';
import { evidenceIdSchema, provenanceSchema, readingSchema } from './literature.ts';
import { soleModelSchema } from './model.ts';

/**
 * What an agent did to obtain a candidate. `improve` varies one scored parent, `crossover` joins two, `debug` mends a
 * candidate that gave no score.
 */
export const operators = ['draft', 'improve', 'crossover', 'debug'] as const;
export const operatorSchema = z.enum(operators);
export type Operator = z.infer<typeof operatorSchema>;

/** Nodes that the laboratory itself adds beside those of the agents. */
export const originSchema = z.enum([...operators, 'reference', 'aggregate']);
export type Origin = z.infer<typeof originSchema>;

/** Why a candidate is what it is: what the trace tells, and what later agents may read. */
export const rationaleSchema = z.strictObject({
  /** Why this operator and these parents. */
  choice: z.string().max(2000),
  /** What changed relative to the parents, or how the draft arose. */
  change: z.string().max(2000),
  /** What the proposer expects of it, where it has an expectation: a fitness. */
  expected: z.number().nullable(),
  /** Why it should work. */
  hypothesis: z.string().max(2000).optional(),
  /** What was shown to the agent while it thought. Older nodes have read nothing. */
  retrieved: z.array(evidenceIdSchema).max(64).default([]),
  /** What it asked for to see that, in order. */
  readings: z.array(readingSchema).max(40).optional(),
  /** Of what was shown, the works that no note of Aira's describes: what they are and where they were found. */
  works: z
    .array(provenanceSchema.omit({ source: true }).extend({ title: z.string().max(1000) }))
    .max(64)
    .optional(),
  /** What the proposal relies on: ids of nodes and of what was shown. */
  evidence: z.array(z.string().max(200)).max(32).default([]),
  /** Which model proposed it, where the agent chooses among several, and what its answers cost. */
  model: soleModelSchema.optional(),
  dollars: z.number().nonnegative().optional(),
});
export type Rationale = z.infer<typeof rationaleSchema>;

/** Where a node stands. A `duplicate` repeats a candidate of the same agent and is never evaluated again. */
export const nodeStatusSchema = z.enum(['pending', 'evaluated', 'failed', 'rejected', 'duplicate']);
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

/**
 * Proposals of agents by status: the one meaning that these words have in reports, summaries, displays and JSON. Each
 * proposal has exactly one status, decided by its screening, so `proposed` is the sum of the five that follow it. References
 * and the aggregate are not proposals.
 */
export const proposalCountsSchema = z.strictObject({
  proposed: z.int(),
  /** It has a screening score. */
  evaluated: z.int(),
  /** It was trained, or tried, and has no score. */
  failed: z.int(),
  /** The answer was not a candidate of the task. */
  rejected: z.int(),
  /** It repeats, or nearly repeats, what its agent knew. */
  duplicate: z.int(),
  pending: z.int(),
  /** Cache hits among `evaluated` and `failed`: the screening result was known, and nothing was trained. */
  cached: z.int(),
});
export type ProposalCounts = z.infer<typeof proposalCountsSchema>;

const noProposals: ProposalCounts = {
  proposed: 0,
  evaluated: 0,
  failed: 0,
  rejected: 0,
  duplicate: 0,
  pending: 0,
  cached: 0,
};

export function countProposals(
  nodes: readonly { readonly status: NodeStatus; readonly saved: boolean }[],
): ProposalCounts {
  const counts = { ...noProposals, proposed: nodes.length };
  for (const { status, saved } of nodes) {
    counts[status] += 1;
    if (saved && (status === 'evaluated' || status === 'failed')) counts.cached += 1;
  }
  return counts;
}

export function sumProposals(each: readonly ProposalCounts[]): ProposalCounts {
  const counts = { ...noProposals };
  for (const one of each) for (const key of Object.keys(counts) as (keyof ProposalCounts)[]) counts[key] += one[key];
  return counts;
}

/** A node as agents and scaffolds may see it: never a test figure (I4). */
export const viewNodeSchema = z.strictObject({
  id: nodeIdSchema,
  agent: agentNameSchema,
  /** Made by another agent than the one that looks. */
  foreign: z.literal(true).optional(),
  /** The attempt of its agent that made it, counted from 1. */
  ordinal: z.int().positive(),
  operator: operatorSchema,
  parents: z.array(nodeIdSchema),
  /** Canonical text of the candidate. */
  candidate: z.string(),
  status: nodeStatusSchema,
  reason: failureReasonSchema.or(z.literal('duplicate')).or(z.literal('budget')).nullable(),
  /** Validation score of the screening rung, higher is better; null until evaluated. */
  fitness: z.number().nullable(),
  /** What it changed, from its rationale. */
  change: z.string().max(2000).optional(),
  /** Why it was refused or failed, in words; unknown while pending. */
  message: z.string().max(2000).optional(),
  /** What its result taught, once the agent has thought about it. */
  lesson: z.string().max(2000).optional(),
  /** Which model proposed it and what that cost, where the agent chooses among several. */
  model: soleModelSchema.optional(),
  dollars: z.number().nonnegative().optional(),
});
export type ViewNode = z.infer<typeof viewNodeSchema>;

/** What an agent has learned from the result of one of its nodes. */
export const lessonSchema = z.strictObject({ node: nodeIdSchema, text: z.string().min(1).max(2000) });
export type Lesson = z.infer<typeof lessonSchema>;

/**
 * The tree as one decision sees it. Results that arrived earlier than the decision may know of are shown as pending, so
 * that a decision depends on the seed alone and not on which worker was faster (I5).
 */
export const viewSchema = z.strictObject({
  /** The attempt to be decided, counted from 1. */
  ordinal: z.int().positive(),
  /** Attempts left in the agent's budget, this one included. */
  remaining: z.int().nonnegative(),
  nodes: z.array(viewNodeSchema),
  /** What is left of the limits that the search has, as of the moment of asking; shown to models, decided upon by none. */
  left: z.strictObject({ minutes: z.number().optional(), dollars: z.number().optional() }).optional(),
});
export type View = z.infer<typeof viewSchema>;

/** The order in which a view shows nodes: by attempt, then by agent. A parent stands before its children. */
export function byAge(a: ViewNode, b: ViewNode): number {
  return a.ordinal - b.ordinal || (a.agent < b.agent ? -1 : a.agent > b.agent ? 1 : 0);
}

/** The nodes of a view, from those of an earlier one and what differs since. */
export function mergeNodes(before: readonly ViewNode[], changed: readonly ViewNode[]): ViewNode[] {
  const nodes = new Map(before.map((node) => [node.id, node]));
  for (const node of changed) nodes.set(node.id, node);
  return [...nodes.values()].sort(byAge);
}
