import * as z from 'zod';

/** What can end before its work is done. */
export const endingKinds = ['search', 'agent', 'worker', 'rung', 'job'] as const;
export const endingKindSchema = z.enum(endingKinds);
export type EndingKind = z.infer<typeof endingKindSchema>;

/** A figure that a decision rests on, by a name that carries its unit, such as `leftSeconds`. */
const figuresSchema = z.record(z.string().regex(/^[a-z][A-Za-z]{0,39}$/), z.number());

/**
 * Why something ended before its work was done (I13).
 *
 * `subject` names what ended: the search, the agent, the worker, the rung, the evaluation key. `reason` is a stable code
 * to match on, `sentence` is for people. `occurrence` tells apart two ends of the same subject for the same reason, such
 * as the attempt after which an agent ended: an ending that is reported twice is recorded once.
 */
export const endingSchema = z.strictObject({
  of: endingKindSchema,
  subject: z.string().min(1).max(200),
  reason: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  sentence: z.string().min(1).max(1000),
  /** What the decision rests on. */
  figures: figuresSchema.default({}),
  occurrence: z.int().nonnegative().default(0),
});
export type Ending = z.infer<typeof endingSchema>;

/** Reasons that this laboratory itself gives; an agent or a worker may bring others. */
export const endingReasons = {
  shortOfTime: 'short-of-time',
  minutesOver: 'minutes-over',
  deviceSecondsSpent: 'device-seconds-spent',
  agentsStopped: 'agents-stopped',
  interrupted: 'interrupted',
  failed: 'failed',
  poison: 'poison',
} as const;

/** An ending in one line; a sentence about an agent or a worker does not repeat its name. */
export const endingText = ({ of, subject, sentence }: Pick<Ending, 'of' | 'subject' | 'sentence'>): string =>
  of === 'agent' || of === 'worker' ? `${of} ${subject} ended: ${sentence}` : sentence;

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

export const agentEndSchema = z.strictObject({ code: agentEndCodeSchema, reason: z.string().max(500) });
export type AgentEnd = z.infer<typeof agentEndSchema>;

/** The agent was lost: what it would have proposed is missing from the search, and its user has something to repair. */
export const isLost = ({ code }: AgentEnd): boolean => code === 'failed' || code === 'silent';

/** The agent made fewer proposals than its budget allowed. */
export const endedEarly = ({ code }: AgentEnd): boolean => code !== 'budget-used';
