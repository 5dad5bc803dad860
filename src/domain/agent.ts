import * as z from 'zod';
import { agentNameSchema } from './ids.ts';

/** Classical searchers, run in the agent's own process: baselines for every claim, and the offline default. */
export const localModels = ['local/random', 'local/mutate', 'local/bayes', 'local/prior'] as const;
export const modelSchema = z.enum(localModels);
export type ModelName = z.infer<typeof modelSchema>;

const probability = z.number().min(0).max(1);

/** Draft every time; nothing is learned from results. The baseline that every search has to beat. */
const oneShot = z.strictObject({ kind: z.literal('one-shot') });

/** A few drafts, then always improve the best. */
const greedy = z.strictObject({
  kind: z.literal('greedy'),
  drafts: z.int().positive().default(5),
});

/** Upper-confidence tree search. `exploration` is the constant c of UCT = q + c sqrt(ln N / n). */
const mcts = z.strictObject({
  kind: z.literal('mcts'),
  children: z.int().min(2).default(5),
  exploration: z.number().nonnegative().default(0.25),
});

/** Islands of individuals, bred by fitness. Rates are per proposal. */
const evolutionary = z.strictObject({
  kind: z.literal('evolutionary'),
  islands: z.int().positive().default(1),
  /** Individuals drafted per island before breeding starts. */
  founders: z.int().positive().default(4),
  /** Survivors per island; the worst leave first. */
  capacity: z.int().min(2).default(12),
  crossover: probability.default(0.5),
  migration: probability.default(0.1),
  /** Temperature of the softmax over normalised fitness by which parents are drawn. */
  temperature: z.number().positive().default(0.3),
});

export const scaffoldSpecSchema = z.discriminatedUnion('kind', [oneShot, greedy, mcts, evolutionary]);
export type ScaffoldSpec = z.infer<typeof scaffoldSpecSchema>;
export const scaffoldKinds = ['one-shot', 'greedy', 'mcts', 'evolutionary'] as const;

/** `scaffold: greedy` is short for `scaffold: { kind: greedy }`. */
const scaffoldSchema = z.union([
  z.enum(scaffoldKinds).transform((kind): ScaffoldSpec => scaffoldSpecSchema.parse({ kind })),
  scaffoldSpecSchema,
]);

/** An agent as a search file states it. */
export const agentEntrySchema = z.strictObject({
  name: agentNameSchema,
  model: modelSchema,
  scaffold: scaffoldSchema,
  /** How many such agents; more than one are called `<name>-1`, `<name>-2`, ... */
  count: z.int().min(1).max(64).default(1),
  /** Proposals in flight at once. Also how far decisions lag behind results, which is what makes a search replayable. */
  pending: z.int().min(1).max(64).default(2),
  /** At most so many of the search's evaluations. Without it the search's budget is shared out evenly. */
  evaluations: z.int().positive().optional(),
});
export type AgentEntry = z.infer<typeof agentEntrySchema>;

/** One agent of one search: names are unique and the budget is decided. */
export const agentSpecSchema = z.strictObject({
  name: agentNameSchema,
  model: modelSchema,
  scaffold: scaffoldSpecSchema,
  pending: z.int().positive(),
  /** Proposals this agent may have evaluated (I9). */
  evaluations: z.int().nonnegative(),
});
export type AgentSpec = z.infer<typeof agentSpecSchema>;
