import * as z from 'zod';
import { failureReasonSchema } from './evaluation.ts';
import { agentNameSchema, nodeIdSchema } from './ids.ts';

/** What an agent did to obtain a candidate. */
export const operators = ['draft', 'improve', 'crossover'] as const;
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
});
export type Rationale = z.infer<typeof rationaleSchema>;

/** Where a node stands. A `duplicate` repeats a candidate of the same agent and is never evaluated again. */
export const nodeStatusSchema = z.enum(['pending', 'evaluated', 'failed', 'rejected', 'duplicate']);
export type NodeStatus = z.infer<typeof nodeStatusSchema>;

/** A node as agents and scaffolds may see it: never a test figure (I4). */
export const viewNodeSchema = z.strictObject({
  id: nodeIdSchema,
  agent: agentNameSchema,
  /** The agent's attempt that made it, counted from 1. */
  ordinal: z.int().positive(),
  operator: operatorSchema,
  parents: z.array(nodeIdSchema),
  /** Canonical text of the candidate. */
  candidate: z.string(),
  status: nodeStatusSchema,
  reason: failureReasonSchema.or(z.literal('duplicate')).or(z.literal('budget')).nullable(),
  /** Validation score of the screening rung, higher is better; null until evaluated. */
  fitness: z.number().nullable(),
});
export type ViewNode = z.infer<typeof viewNodeSchema>;

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
});
export type View = z.infer<typeof viewSchema>;
