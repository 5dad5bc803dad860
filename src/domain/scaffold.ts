import * as z from 'zod';
import { nearest } from './explain.ts';

const probability = z.number().min(0).max(1);

/** How often in a row a candidate that gave no score is mended before it is left alone; 0: never. */
const debugDepth = z.int().nonnegative().max(100).default(3);

/** Draft every time; nothing is learned from results. The baseline that every search has to beat. */
const oneShot = z.strictObject({ kind: z.literal('one-shot') });

/** A few drafts, then improve the best. */
const greedy = z.strictObject({
  kind: z.literal('greedy'),
  drafts: z.int().positive().default(5),
  /** While a failure is open: the probability of mending it instead of improving the best. */
  debugProbability: probability.default(0.5),
  debugDepth,
});

/** Upper-confidence tree search. `exploration` is the constant c of UCT = q + c sqrt(ln N / n). Failures are mended first. */
const mcts = z.strictObject({
  kind: z.literal('mcts'),
  children: z.int().min(2).default(5),
  exploration: z.number().nonnegative().default(0.25),
  debugDepth,
});

/** Islands of individuals, bred by fitness. Rates are per proposal; an island's failures are mended first. */
const evolutionary = z.strictObject({
  kind: z.literal('evolutionary'),
  islands: z.int().positive().default(1),
  /** Individuals drafted per island before breeding starts. */
  founders: z.int().positive().default(4),
  /** Survivors per island; the worst leave first. */
  capacity: z.int().min(2).default(12),
  /** Who may join an island that has survivors: `all`, or who is at least as fit as its survivors are on average. */
  admission: z.enum(['all', 'mean']).default('all'),
  crossover: probability.default(0.5),
  /** Attempts of the agent before the first crossover, and before the first migration. */
  crossoverAfter: z.int().nonnegative().default(0),
  migration: probability.default(0.1),
  migrationAfter: z.int().nonnegative().default(0),
  /** Temperature of the softmax over normalised fitness by which parents are drawn. */
  temperature: z.number().positive().default(0.3),
  /** What the temperature has become, in a straight line, when the agent's budget ends; without it, it stays. */
  finalTemperature: z.number().positive().optional(),
  debugDepth,
});

export const scaffoldSpecSchema = z.discriminatedUnion('kind', [oneShot, greedy, mcts, evolutionary], {
  error: ({ input }) => unknownScaffold((input as { kind?: unknown } | undefined)?.kind, scaffoldKinds),
});
export type ScaffoldSpec = z.infer<typeof scaffoldSpecSchema>;
export const scaffoldKinds = ['one-shot', 'greedy', 'mcts', 'evolutionary'] as const;

/** What is said of a name that is none of `known`; a missing one is missing. */
function unknownScaffold(name: unknown, known: readonly string[]): string | undefined {
  if (name === undefined) return 'is missing';
  const meant = typeof name === 'string' ? nearest(name, known) : undefined;
  return `no such scaffold; use ${known.join(', ')}${meant ? `; did you mean "${meant}"?` : ''}`;
}

/**
 * The policies of AIRA-dojo and AIDE with the settings that were published for MLE-bench (AIDE: of its release), in the
 * parameters of ours. Theirs count generations and create all children of a node at once; ours decides one proposal at a
 * time, so that a generation of five is five founders, and two of them ten attempts. Limits of seconds are left out: how
 * fast a machine is must not bear on a decision (I5).
 */
export const scaffoldPresets = {
  'aira-greedy': { kind: 'greedy', drafts: 5, debugProbability: 1, debugDepth: 20 },
  'aide-greedy': { kind: 'greedy', drafts: 5, debugProbability: 0.5, debugDepth: 3 },
  'aira-mcts': { kind: 'mcts', children: 5, exploration: 0.25, debugDepth: 20 },
  'aira-evo': {
    kind: 'evolutionary',
    islands: 1,
    founders: 5,
    capacity: 500,
    admission: 'mean',
    crossover: 0.5,
    crossoverAfter: 10,
    migration: 0,
    migrationAfter: 0,
    temperature: 1,
    debugDepth: 10,
  },
} as const satisfies Record<string, ScaffoldSpec>;
export const scaffoldPresetNames = Object.keys(scaffoldPresets) as (keyof typeof scaffoldPresets)[];

/** As a search file states it: `greedy` is short for `{ kind: greedy }`, and a preset for all of its settings. */
export const scaffoldSchema = z.union(
  [
    z.enum(scaffoldKinds).transform((kind): ScaffoldSpec => scaffoldSpecSchema.parse({ kind })),
    z.enum(scaffoldPresetNames).transform((name): ScaffoldSpec => scaffoldPresets[name]),
    scaffoldSpecSchema,
  ],
  { error: ({ input }) => unknownScaffold(input, [...scaffoldKinds, ...scaffoldPresetNames]) },
);
