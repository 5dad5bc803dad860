import * as z from 'zod';

/**
 * Why an agent stopped proposing. `budget-used`: its evaluations are used. `attempts-used`: too many of its answers were
 * unusable or repeated. `money-used`: its dollars or tokens are used. `search-closed`: the search stopped taking proposals
 * first. `stopped`: its process was asked to stop while it still worked. `failed`: an error that repetition cannot cure, or
 * that lasted too long. `silent`: its search went on without it, and it recorded no end.
 */
export const agentEndCodeSchema = z.enum([
  'budget-used',
  'attempts-used',
  'money-used',
  'search-closed',
  'stopped',
  'failed',
  'silent',
]);
export type AgentEndCode = z.infer<typeof agentEndCodeSchema>;

export const agentEndSchema = z.strictObject({ code: agentEndCodeSchema, reason: z.string().max(500) });
export type AgentEnd = z.infer<typeof agentEndSchema>;

/** The agent was lost: what it would have proposed is missing from the search, and its user has something to repair. */
export const isLost = ({ code }: AgentEnd): boolean => code === 'failed' || code === 'silent';

/** The agent made fewer proposals than its budget allowed. */
export const endedEarly = ({ code }: AgentEnd): boolean => code !== 'budget-used';
