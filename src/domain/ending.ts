import * as z from 'zod';

/** What can end before its work is done. */
export const endingKinds = ['search', 'agent', 'worker', 'rung', 'job'] as const;
export const endingKindSchema = z.enum(endingKinds);
export type EndingKind = z.infer<typeof endingKindSchema>;

/** A figure behind a decision; its name ends in the unit, such as `leftSeconds`. */
const figuresSchema = z.record(z.string().regex(/^[a-z][A-Za-z]{0,39}$/), z.number());

/**
 * Why something ended before its work was done (I13).
 *
 * `subject` is the id of the search, agent, worker or rung, or the evaluation key. `reason` is a stable code, `sentence` is
 * for people. `occurrence` distinguishes endings of one subject for one reason, such as the attempt after which an agent
 * ended, so that a repeated report is recorded once.
 */
export const endingSchema = z.strictObject({
  of: endingKindSchema,
  subject: z.string().min(1).max(200),
  reason: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/),
  sentence: z.string().min(1).max(1000),
  /** Figures behind the decision. */
  figures: figuresSchema.default({}),
  occurrence: z.int().nonnegative().default(0),
});
export type Ending = z.infer<typeof endingSchema>;

/** Reason codes of Aira itself; agents and workers may report others. */
export const endingReasons = {
  shortOfTime: 'short-of-time',
  minutesOver: 'minutes-over',
  deviceSecondsSpent: 'device-seconds-spent',
  agentsStopped: 'agents-stopped',
  interrupted: 'interrupted',
  failed: 'failed',
  poison: 'poison',
} as const;

/** An ending in one line; sentences about agents and workers do not contain their names. */
export const endingText = ({ of, subject, sentence }: Pick<Ending, 'of' | 'subject' | 'sentence'>): string =>
  of === 'agent' || of === 'worker' ? `${of} ${subject} ended: ${sentence}` : sentence;

/**
 * Why an agent stopped proposing. `budget-used`: its evaluations are used. `attempts-used`: too many replies were unusable
 * or duplicates. `money-used`: its dollars or tokens are used. `search-closed`: the search closed for proposals first.
 * `stopped`: its process, or the client of an agent from outside, stopped while it
 * worked. `failed`: a terminal error, or one that lasted too long. `silent`: the
 * search continued without it, and it reported no end.
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

/** The agent was lost: its remaining proposals are missing from the search, and the user should fix the cause. */
export const isLost = ({ code }: AgentEnd): boolean => code === 'failed' || code === 'silent';

/** The agent made fewer proposals than its budget allowed. */
export const endedEarly = ({ code }: AgentEnd): boolean => code !== 'budget-used';
