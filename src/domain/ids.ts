import * as z from 'zod';

/**
 * Names used in NATS subjects, file names and SQL: lower-case words joined by hyphens, without wildcards, separators or
 * paths (`*`, `>`, `.`, `/`).
 */
const slug = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'use lower-case letters, digits and single hyphens, starting with a letter');

export const searchIdSchema = slug.brand<'SearchId'>();
export type SearchId = z.infer<typeof searchIdSchema>;

export const agentNameSchema = slug.brand<'AgentName'>();
export type AgentName = z.infer<typeof agentNameSchema>;

/** `<agent>-<ordinal>`: unique in its search, equal in equal searches (I5). */
export const nodeIdSchema = slug.brand<'NodeId'>();
export type NodeId = z.infer<typeof nodeIdSchema>;

export const workerIdSchema = slug.brand<'WorkerId'>();
export type WorkerId = z.infer<typeof workerIdSchema>;

/** SHA-256 over everything that determines the outcome of an evaluation (I2). */
export const evaluationKeySchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand<'EvaluationKey'>();
export type EvaluationKey = z.infer<typeof evaluationKeySchema>;

/** The id of an agent's attempt, `ordinal` counted from 1. */
export function nodeId(agent: AgentName, ordinal: number): NodeId {
  return nodeIdSchema.parse(`${agent}-${ordinal}`);
}

/** The node of a reference, by its name in the specification. */
export const referenceNode = (name: AgentName): NodeId => nodeId(`reference-${name}` as AgentName, 1);
