import * as z from 'zod';
import { key, nearest } from './inputFile.ts';

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

export const scaffoldKinds = ['one-shot', 'greedy', 'mcts', 'evolutionary'] as const;
const unknownKind = {
  error: ({ input }: { input?: unknown }) =>
    unknownScaffold((input as { kind?: unknown } | undefined)?.kind, scaffoldKinds),
};

/** A scaffold of the user: the name of its file without the extension, so never a path, and no name of another policy. */
export const ownScaffoldNameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'use lower-case letters, digits and hyphens, at most 32, with a letter first')
  .refine((name) => !takenNames.includes(name), 'has the name of another scaffold');
/** Settings of a user's scaffold. */
export const ownSettingsSchema = z.record(
  z.string().regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/, 'use letters and digits'),
  z.union([z.number(), z.boolean(), z.string().max(200)]),
);
export type OwnSettings = z.infer<typeof ownSettingsSchema>;

/** As a search file names it. */
const ownEntry = z.strictObject({
  kind: key(z.literal('own'), { does: 'A scaffold of your own (docs/scaffolds.md).', example: 'own' }),
  name: key(ownScaffoldNameSchema, {
    does: 'The name of its file without .mjs; the folder comes from --scaffolds or is `scaffolds` next to this file.',
    example: 'epsilon',
  }),
  settings: key(ownSettingsSchema.optional(), {
    does: 'Its settings, by default those that its file states.',
    example: { epsilon: 0.2 },
  }),
});
export type OwnScaffoldEntry = z.infer<typeof ownEntry>;

/** As a search records it: what it is, and not where. */
const ownScaffold = z.strictObject({
  kind: z.literal('own'),
  name: ownScaffoldNameSchema,
  /** Of the bytes that run. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** All of them, defaults included. */
  settings: ownSettingsSchema,
});
export type OwnScaffoldSpec = z.infer<typeof ownScaffold>;

/** A policy with its settings, as a search records it. */
export const scaffoldSpecSchema = z.discriminatedUnion(
  'kind',
  [oneShot, greedy, mcts, evolutionary, outside, ownScaffold],
  unknownKind,
);
export type ScaffoldSpec = z.infer<typeof scaffoldSpecSchema>;

/** How trace, report and audit name it: one of the user's own with its digest, as primitives are. */
export const scaffoldLabel = (spec: ScaffoldSpec): string =>
  spec.kind === 'own' ? `${spec.name}@${spec.sha256.slice(0, 12)}` : spec.kind;

/** Error for a name that is not in `known`. */
export function unknownScaffold(name: unknown, known: readonly string[]): string | undefined {
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

const scaffoldEntrySchema = z.discriminatedUnion(
  'kind',
  [oneShot, greedy, mcts, evolutionary, outside, ownEntry],
  unknownKind,
);

/** What means something else in a search file. */
const takenNames: readonly string[] = [...scaffoldKinds, ...scaffoldPresetNames, 'outside', 'own'];

/** A scaffold as a search file names it. */
export type ScaffoldEntry = Exclude<ScaffoldSpec, OwnScaffoldSpec> | OwnScaffoldEntry;

/**
 * In a search file: `greedy` is short for `{ kind: greedy }`, a preset for all of its settings, and any other name for a
 * scaffold of the user.
 */
export const scaffoldSchema = z.union(
  [
    z.enum(scaffoldKinds).transform((kind): ScaffoldEntry => scaffoldEntrySchema.parse({ kind })),
    z.enum(scaffoldPresetNames).transform((name): ScaffoldEntry => scaffoldPresets[name]),
    z.literal('outside').transform((kind): ScaffoldEntry => ({ kind })),
    ownScaffoldNameSchema.transform((name): ScaffoldEntry => ({ kind: 'own', name })),
    scaffoldEntrySchema,
  ],
  { error: ({ input }) => unknownScaffold(input, [...scaffoldKinds, ...scaffoldPresetNames]) },
);
