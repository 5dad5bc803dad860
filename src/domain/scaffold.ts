import * as z from 'zod';
import { key } from './described.ts';
import { nearest } from './explain.ts';

const probability = z.number().min(0).max(1);

const debugDepth = key(z.int().nonnegative().max(100).default(3), {
  does: 'Repairs in a row of a candidate without a score before it is abandoned; 0: none.',
  example: 3,
  unit: 'attempts',
});

/** The name of a policy. */
const kind = <Name extends string>(name: Name) => key(z.literal(name), { does: 'The policy.', example: name });

/** Always draft; results are ignored. The baseline for every search policy. */
const oneShot = z.strictObject({ kind: kind('one-shot') });

/** A few drafts, then improve the best. */
const greedy = z.strictObject({
  kind: kind('greedy'),
  drafts: key(z.int().positive().default(5), {
    does: 'Drafts before the best is improved.',
    example: 5,
    unit: 'attempts',
  }),
  debugProbability: key(probability.default(0.5), {
    does: 'With an open failure: probability of repairing it instead of improving the best.',
    example: 0.5,
    unit: 'probability',
  }),
  debugDepth,
});

/** Upper-confidence tree search. `exploration` is the constant c of UCT = q + c sqrt(ln N / n). Failures are repaired first. */
const mcts = z.strictObject({
  kind: kind('mcts'),
  children: key(z.int().min(2).default(5), {
    does: 'Children of a node before its own children may have any.',
    example: 5,
    unit: 'attempts',
  }),
  exploration: key(z.number().nonnegative().default(0.25), {
    does: 'The constant c of UCT = q + c sqrt(ln N / n).',
    example: 0.25,
    unit: 'normalised fitness',
  }),
  debugDepth,
});

/** Islands of individuals with fitness-based selection. Rates are per proposal; an island's failures are repaired first. */
const evolutionary = z.strictObject({
  kind: kind('evolutionary'),
  islands: key(z.int().positive().default(1), { does: 'Separate populations.', example: 1, unit: 'islands' }),
  founders: key(z.int().positive().default(4), {
    does: 'Drafts per island before breeding starts.',
    example: 4,
    unit: 'attempts',
  }),
  capacity: key(z.int().min(2).default(12), {
    does: 'Survivors per island; the worst are removed first.',
    example: 12,
    unit: 'candidates',
  }),
  admission: key(z.enum(['all', 'mean']).default('all'), {
    does: 'Who joins an island with survivors: all, or those at least as fit as the mean of the survivors.',
    example: 'all',
  }),
  crossover: key(probability.default(0.5), {
    does: 'Probability of combining two parents instead of changing one.',
    example: 0.5,
    unit: 'probability',
  }),
  crossoverAfter: key(z.int().nonnegative().default(0), {
    does: 'Attempts of the agent before the first crossover.',
    example: 0,
    unit: 'attempts',
  }),
  migration: key(probability.default(0.1), {
    does: 'Probability of drawing the parents from another island.',
    example: 0.1,
    unit: 'probability',
  }),
  migrationAfter: key(z.int().nonnegative().default(0), {
    does: 'Attempts of the agent before the first migration.',
    example: 0,
    unit: 'attempts',
  }),
  temperature: key(z.number().positive().default(0.3), {
    does: 'Temperature of the softmax over normalised fitness that draws parents.',
    example: 0.3,
    unit: 'normalised fitness',
  }),
  finalTemperature: key(z.number().positive().optional(), {
    does: 'Temperature at the end of the agent’s budget, linearly interpolated; default: constant.',
    example: 0.1,
    unit: 'normalised fitness',
  }),
  debugDepth,
});

/** No policy of ours: the client of an outside agent, or the program of the user, chooses. */
const outside = z.strictObject({
  kind: key(z.literal('outside'), {
    does: 'The client of an agent from outside, or the program of a program/ model, chooses.',
    example: 'outside',
  }),
});

export const scaffoldSpecSchema = z.discriminatedUnion('kind', [oneShot, greedy, mcts, evolutionary, outside], {
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
 * originals count generations and create all children of a node at once; ours decides one thought at a time, which gives one
 * candidate unless its agent has `proposals`: a generation of five is five founders, and two of them ten attempts. Time limits
 * are omitted: decisions must not depend on the speed of a machine (I5).
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
    z.literal('outside').transform((kind): ScaffoldSpec => ({ kind })),
    scaffoldSpecSchema,
  ],
  { error: ({ input }) => unknownScaffold(input, [...scaffoldKinds, ...scaffoldPresetNames]) },
);
