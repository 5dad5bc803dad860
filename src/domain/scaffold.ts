import * as z from 'zod';
import { nearest } from './explain.ts';

const probability = z.number().min(0).max(1);

/** Consecutive repairs of a candidate without a score before it is abandoned; 0: none. */
const debugDepth = z.int().nonnegative().max(100).default(3);

/** Always draft; results are ignored. The baseline for every search policy. */
const oneShot = z.strictObject({ kind: z.literal('one-shot') });

/** A few drafts, then improve the best. */
const greedy = z.strictObject({
  kind: z.literal('greedy'),
  drafts: z.int().positive().default(5),
  /** With an open failure: probability of repairing it instead of improving the best. */
  debugProbability: probability.default(0.5),
  debugDepth,
});

/** Upper-confidence tree search. `exploration` is the constant c of UCT = q + c sqrt(ln N / n). Failures are repaired first. */
const mcts = z.strictObject({
  kind: z.literal('mcts'),
  children: z.int().min(2).default(5),
  exploration: z.number().nonnegative().default(0.25),
  debugDepth,
});

/** Islands of individuals with fitness-based selection. Rates are per proposal; an island's failures are repaired first. */
const evolutionary = z.strictObject({
  kind: z.literal('evolutionary'),
  islands: z.int().positive().default(1),
  /** Drafts per island before breeding starts. */
  founders: z.int().positive().default(4),
  /** Survivors per island; the worst are removed first. */
  capacity: z.int().min(2).default(12),
  /** Admission to an island with survivors: `all`, or individuals at least as fit as the survivors' `mean`. */
  admission: z.enum(['all', 'mean']).default('all'),
  crossover: probability.default(0.5),
  /** Attempts of the agent before the first crossover, and before the first migration. */
  crossoverAfter: z.int().nonnegative().default(0),
  migration: probability.default(0.1),
  migrationAfter: z.int().nonnegative().default(0),
  /** Temperature of the softmax over normalised fitness that draws parents. */
  temperature: z.number().positive().default(0.3),
  /** Temperature at the end of the agent's budget, linearly interpolated; default: constant. */
  finalTemperature: z.number().positive().optional(),
  debugDepth,
});

export const scaffoldSpecSchema = z.discriminatedUnion('kind', [oneShot, greedy, mcts, evolutionary], {
  error: ({ input }) => unknownScaffold((input as { kind?: unknown } | undefined)?.kind, scaffoldKinds),
});
export type ScaffoldSpec = z.infer<typeof scaffoldSpecSchema>;
export const scaffoldKinds = ['one-shot', 'greedy', 'mcts', 'evolutionary'] as const;

/** Error for a name that is not in `known`. */
function unknownScaffold(name: unknown, known: readonly string[]): string | undefined {
  if (name === undefined) return 'is missing';
  const suggestion = typeof name === 'string' ? nearest(name, known) : undefined;
  return `unknown scaffold; use ${known.join(', ')}${suggestion ? `; did you mean "${suggestion}"?` : ''}`;
}

/**
 * Policies of AIRA-dojo and AIDE with the settings published for MLE-bench (AIDE: of its release), in our parameters. The
 * originals count generations and create all children of a node at once; ours decides one proposal at a time, so a
 * generation of five is five founders, and two of them ten attempts. Time limits are omitted: decisions must not depend on
 * the speed of a machine (I5).
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

/** In a search file: `greedy` is short for `{ kind: greedy }`, and a preset for all of its settings. */
export const scaffoldSchema = z.union(
  [
    z.enum(scaffoldKinds).transform((kind): ScaffoldSpec => scaffoldSpecSchema.parse({ kind })),
    z.enum(scaffoldPresetNames).transform((name): ScaffoldSpec => scaffoldPresets[name]),
    scaffoldSpecSchema,
  ],
  { error: ({ input }) => unknownScaffold(input, [...scaffoldKinds, ...scaffoldPresetNames]) },
);
