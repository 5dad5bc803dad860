import * as z from 'zod';
import { agentNameSchema, nodeIdSchema, searchIdSchema } from './ids.ts';

/**
 * What a person rules about a running search. Each is recorded with its sentence and the place from which it holds, because it
 * is part of what decided the search (I5).
 */

/** Chosen by the sender: the same id never rules twice. */
export const rulingIdSchema = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'use 8 to 64 letters, digits, - and _');

/** Limits of a search that may be raised while it runs; evaluations are shared among agents at the start and stay. */
export const raisedLimitsSchema = z.strictObject({
  minutes: z.number().positive().max(1e9).optional(),
  deviceSeconds: z.number().positive().max(1e12).optional(),
  dollars: z.number().nonnegative().max(1e9).optional(),
  tokens: z.int().positive().optional(),
});
export type RaisedLimits = z.infer<typeof raisedLimitsSchema>;

const common = {
  search: searchIdSchema,
  id: rulingIdSchema,
  /** The person's reason, for the trace. */
  why: z.string().max(500).optional(),
};

export const rulingRequestSchema = z.discriminatedUnion('kind', [
  /** No attempt takes the node or a descendant as parent any more, and trainings of them that have not started do not start. */
  z.strictObject({ ...common, kind: z.literal('veto'), node: nodeIdSchema }),
  /** Without an agent: the search. No further attempt is decided; of a paused search, no further training starts. */
  z.strictObject({ ...common, kind: z.literal('pause'), agent: agentNameSchema.optional() }),
  z.strictObject({ ...common, kind: z.literal('resume'), agent: agentNameSchema.optional() }),
  z.strictObject({ ...common, kind: z.literal('raise-budget'), limits: raisedLimitsSchema }),
]);
export type RulingRequest = z.infer<typeof rulingRequestSchema>;

export const rulingKinds = ['veto', 'pause', 'resume', 'raise-budget'] as const;
