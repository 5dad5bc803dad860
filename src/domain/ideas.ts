import * as z from 'zod';
import { agentNameSchema, nodeIdSchema, searchIdSchema } from './ids.ts';
import { key } from './inputFile.ts';

/**
 * What agents of one search state about ideas before and after they pay for them: claims, so that several do not buy nearly
 * the same, and insights, so that later attempts and searches need not learn it again.
 */

/** In a search file: the agent claims an idea before it submits it. */
export const claimsSchema = z.strictObject({
  distance: key(z.int().min(1).max(512).default(2), {
    does: 'Edits below which another agent’s claimed or pending candidate is the same idea. 1: equal candidates only.',
    example: 2,
    unit: 'layers, or program lines without blank lines and comments',
  }),
  minutes: key(z.number().positive().max(10_080).default(30), {
    does: 'Lease of a claim, which also ends with the submission of the attempt and with the agent.',
    example: 30,
    unit: 'minutes',
  }),
});
export type Claims = z.infer<typeof claimsSchema>;
export const defaultClaims: Claims = claimsSchema.parse({});

/** Claims of one attempt; more would reserve a region instead of an idea. */
export const maxClaims = 16;

/** In a search file: whose insights an agent reads; it writes its own in any case. */
export const insightScopeSchema = z.enum(['own', 'ensemble', 'lab']);

const verdictSchema = z.enum(['supported', 'refuted', 'open']);

/** An insight as its author states it. */
export const statedInsightSchema = z.strictObject({
  hypothesis: z.string().trim().min(1).max(600).describe('a general statement about the task that results can refute'),
  verdict: verdictSchema.describe('what the evidence says of it'),
  evidence: z.array(nodeIdSchema).min(1).max(16).describe('nodes with outcomes that the verdict rests on'),
  supersedes: z.string().max(80).nullable().default(null).describe('id of an insight that this one replaces, or null'),
});
export type StatedInsight = z.infer<typeof statedInsightSchema>;

/** An insight as an agent is shown it. */
export const insightSchema = statedInsightSchema.omit({ supersedes: true }).extend({
  /** `<agent>-i<attempt>x<number>`; of an earlier search with its name in front: `<search>/<agent>-i3x1`. */
  id: z.string().max(200),
  agent: agentNameSchema,
});
export type Insight = z.infer<typeof insightSchema>;

/** Insights in a view, latest first. */
export const mostInsights = 24;

/** The reply to a claim, as recorded: a repeated claim of an attempt gets the same (I5). */
export const claimReplySchema = z.discriminatedUnion('state', [
  z.strictObject({ state: z.literal('granted'), leaseSeconds: z.number().nonnegative() }),
  /** Another agent has claimed or submitted a candidate closer than the distance, whose outcome is not known. */
  z.strictObject({
    state: z.literal('taken'),
    by: z.enum(['claim', 'pending']),
    agent: agentNameSchema,
    /** Null for a claim. */
    node: nodeIdSchema.nullable(),
    distance: z.int().nonnegative(),
  }),
  /** An equal candidate of another agent has an outcome: its evaluation would be a cache hit. */
  z.strictObject({ state: z.literal('known'), agent: agentNameSchema, node: nodeIdSchema }),
]);
export type ClaimReply = z.infer<typeof claimReplySchema>;

/** Why a claim was not granted, for a model and for the trace. */
export function claimText(reply: Exclude<ClaimReply, { state: 'granted' }>): string {
  if (reply.state === 'known') return `${reply.node} of ${reply.agent} is the same candidate and has an outcome`;
  const { by, agent, node, distance } = reply;
  const what = by === 'claim' ? `an idea that ${agent} has claimed` : `${node} of ${agent}, which is being evaluated,`;
  return distance === 0
    ? `${what} is the same candidate`
    : `${what} differs by ${distance === 1 ? '1 edit' : `${distance} edits`}`;
}

/** An agent that stopped to improve, in one line. */
export const plateauText = ({ agent, best, results }: { agent: string; best: string; results: number }): string =>
  `${agent} is on a plateau: ${results} results since ${best} were not better`;

const attempt = {
  search: searchIdSchema,
  agent: agentNameSchema,
  /** The attempt that is being decided. */
  ordinal: z.int().positive(),
};

/** Requests of agents about ideas, by verb; part of the requests to the archivist. */
export const ideaRequests = {
  /** Claims an idea for an attempt, before it is submitted. */
  'idea-claim': {
    request: z.strictObject({ ...attempt, candidate: z.string().max(400_000) }),
    reply: claimReplySchema,
  },
  /** Writes an insight; a repeated one gets the same id. */
  'insight-post': {
    request: z.strictObject({ ...attempt, insight: statedInsightSchema }),
    reply: z.strictObject({ id: z.string() }),
  },
} as const;
