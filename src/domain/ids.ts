import * as z from 'zod';

/**
 * Names that reach NATS subjects, file names and SQL. All are lower-case words joined by hyphens, so that none can carry
 * a wildcard, a separator or a path (`*`, `>`, `.`, `/`).
 */
const slug = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'use lower-case letters, digits and single hyphens, starting with a letter');

export const searchIdSchema = slug.brand<'SearchId'>();
export type SearchId = z.infer<typeof searchIdSchema>;

export const agentNameSchema = slug.brand<'AgentName'>();
export type AgentName = z.infer<typeof agentNameSchema>;

/** `<agent>-<ordinal>`: unique within its search, equal for equal searches (I5). */
export const nodeIdSchema = slug.brand<'NodeId'>();
export type NodeId = z.infer<typeof nodeIdSchema>;

export const workerIdSchema = slug.brand<'WorkerId'>();
export type WorkerId = z.infer<typeof workerIdSchema>;

/** SHA-256 over everything that decides the outcome of an evaluation (I2). */
export const evaluationKeySchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .brand<'EvaluationKey'>();
export type EvaluationKey = z.infer<typeof evaluationKeySchema>;

/** The id of an agent's `ordinal`-th attempt, counted from 1. */
export function nodeId(agent: AgentName, ordinal: number): NodeId {
  return nodeIdSchema.parse(`${agent}-${ordinal}`);
}
