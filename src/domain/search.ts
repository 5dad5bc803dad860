import * as z from 'zod';
import { type AgentSpec, agentEntrySchema, agentSpecSchema } from './agent.ts';
import { ownPrimitiveSchema, primitiveSchema, readArchitecture } from './architecture.ts';
import { spaceSchema } from './candidate.ts';
import { errorMessage } from './errors.ts';
import { rungSeeds, taskContentSchema } from './evaluation.ts';
import { agentNameSchema, nodeIdSchema, searchIdSchema } from './ids.ts';
import { fileJsonSchema, key } from './inputFile.ts';
import { briefSchema } from './program.ts';
import { type Stage, stageSchema } from './rehearsal.ts';
import { scalePlanSchema } from './scale.ts';
import { deviceClassSchema, profileSchema } from './task.ts';

/**
 * A search: its file, its specification with every choice resolved, its phases, and what a person rules about it while it runs.
 */

/** Hard limits; each is checked before the expense that it limits (I9). */
export const budgetSchema = z.strictObject(
  {
    /** Candidates that agents may have screened, trained or cached. */
    evaluations: z.int().positive(),
    /** Wall-clock time of the search, including the upper rungs. */
    minutes: z.number().positive().optional(),
    /** Training seconds over all devices. */
    deviceSeconds: z.number().positive().optional(),
    /** Cost of LLM calls, at the prices of the price file. */
    dollars: z.number().nonnegative().optional(),
    /** Input and output tokens of language models, including thinking. */
    tokens: z.int().positive().optional(),
  },
  {
    error: ({ code, input }) =>
      code === 'invalid_type' && input === undefined ? 'is missing, e.g. budget: { evaluations: 60 }' : undefined,
  },
);
export type Budget = z.infer<typeof budgetSchema>;

const duration = z.number().positive().optional();

/** A budget as written in a file: durations in either unit, but not in both. */
export const budgetEntrySchema = z
  .strictObject(
    {
      evaluations: key(budgetSchema.shape.evaluations, {
        does: 'Candidates that agents may have screened, whether trained or known from before.',
        example: 60,
        unit: 'candidates',
      }),
      minutes: key(duration, {
        does: 'Wall-clock time of the search, including the upper rungs. Screening stops early enough for them.',
        example: 6,
        unit: 'minutes',
      }),
      hours: key(duration, { does: 'The same in hours; give either.', example: 24, unit: 'hours' }),
      deviceSeconds: key(duration, {
        does: 'Training time, added up over all devices.',
        example: 7200,
        unit: 'seconds',
      }),
      deviceHours: key(duration, { does: 'The same in hours; give either.', example: 48, unit: 'hours' }),
      dollars: key(budgetSchema.shape.dollars, {
        does: 'Cost of calls of language models, at the prices of the price file. Each call is reserved at its highest cost first.',
        example: 2,
        unit: 'US dollars',
      }),
      tokens: key(budgetSchema.shape.tokens, {
        does: 'Input and output tokens of language models, including thinking.',
        example: 500000,
        unit: 'tokens',
      }),
    },
    {
      error: ({ code, input }) =>
        code === 'invalid_type' && input === undefined ? 'is missing, e.g. budget: { evaluations: 60 }' : undefined,
    },
  )
  .check(({ value, issues }) => {
    for (const [one, other] of [
      ['hours', 'minutes'],
      ['deviceHours', 'deviceSeconds'],
    ] as const) {
      if (value[one] === undefined || value[other] === undefined) continue;
      issues.push({ code: 'custom', input: value, path: [one], message: `give either ${other} or ${one}` });
    }
  })
  .transform(({ hours, deviceHours, minutes, deviceSeconds, ...rest }): Budget => {
    const wall = hours === undefined ? minutes : hours * 60;
    const device = deviceHours === undefined ? deviceSeconds : deviceHours * 3600;
    return {
      ...rest,
      ...(wall === undefined ? {} : { minutes: wall }),
      ...(device === undefined ? {} : { deviceSeconds: device }),
    };
  });

/** Promotion after screening. */
export const ladderSchema = z.strictObject({
  promote: key(z.number().min(0).max(1).default(0.2), {
    does: 'Share of the screened candidates that is trained on the confirm rung.',
    example: 0.2,
    unit: 'fraction',
  }),
  confirmSeeds: key(z.int().positive().default(1), {
    does: 'Fresh seeds per candidate on the confirm rung.',
    example: 1,
    unit: 'trainings per candidate',
  }),
  finalists: key(z.int().positive().default(2), {
    does: 'Best confirmed candidates that reach the final rung, in addition to the references and the aggregate.',
    example: 2,
    unit: 'candidates',
  }),
  finalSeeds: key(z.int().min(2).default(2), {
    does: 'Fresh seeds per candidate on the final rung, equal for finalists, references and the aggregate. More seeds detect smaller differences.',
    example: 4,
    unit: 'trainings per candidate',
  }),
  // Absent where not given, so that specifications of earlier versions stay as they are.
  aggregates: key(z.int().min(1).max(3).optional(), {
    does: 'How many aggregates are trained: N0 (the default), N0 and N1, or N0, N1 and N2.',
    example: 3,
    unit: 'aggregates',
  }),
  seedBlock: key(z.int().min(0).max(100_000).optional(), {
    does: 'Which block of training seeds all rungs use; searches of different blocks share no training.',
    example: 1,
    unit: 'block',
  }),
});
export type Ladder = z.infer<typeof ladderSchema>;

export const referenceSchema = z.strictObject({
  name: key(agentNameSchema, { does: 'Name in reports.', example: 'llama' }),
  architecture: key(
    z.string().check(({ value, issues }) => {
      try {
        readArchitecture(value);
      } catch (thrown) {
        issues.push({ code: 'custom', input: value, message: errorMessage(thrown) });
      }
    }),
    { does: 'Its layers in order, with the primitives of the task.', example: '2mA+5M+2mA+3M+mA+3M' },
  ),
});

/** A search file. Strict: an unknown key is an error. */
export const searchFileSchema = z.strictObject({
  $schema: key(z.string().optional(), {
    does: 'Path of this schema, for editors.',
    example: '../schemas/search.schema.json',
  }),
  task: key(z.string().min(1), {
    does: 'The task: a directory under `tasks/` by its name, or the path of a directory.',
    example: 'compose-mad-3p',
  }),
  profile: key(z.string().min(1).default('nano'), {
    does: 'Scale of the trainings, as the task defines it: nano takes seconds on a CPU core; small and paper are for GPUs.',
    example: 'nano',
  }),
  primitives: key(
    z
      .array(primitiveSchema)
      .min(1)
      .max(32)
      .refine((names) => new Set(names).size === names.length, 'names a primitive twice')
      .optional(),
    {
      does: 'The layer kinds to arrange, in place of the task’s: M, mA, Mb and primitives of your own. Tasks of layers only.',
      example: ['M', 'mA', 'Mb', 'gla'],
    },
  ),
  seed: key(z.int().nonnegative().default(1), {
    does: 'Seed of all decisions of the agents. Equal files with equal seeds give equal nodes; seeds of trainings do not depend on it.',
    example: 1,
    unit: 'seed',
  }),
  budget: key(budgetEntrySchema, {
    does: 'Limits of the whole search; it ends at the first.',
    example: { evaluations: 60, minutes: 6 },
  }),
  agents: key(z.array(agentEntrySchema).min(1).max(64), {
    does: 'The agents, which share the evaluations evenly unless they have limits of their own.',
    example: [{ name: 'greedy', model: 'local/mutate', scaffold: 'greedy' }],
  }),
  ladder: key(ladderSchema.prefault({}), {
    does: 'Promotion after screening.',
    example: { promote: 0.2, finalSeeds: 4 },
  }),
  references: key(z.array(referenceSchema).optional(), {
    does: 'Known patterns to compare with. By default those that fit the task; an empty list compares with none. Tasks of layers only.',
    example: [{ name: 'llama', architecture: '2mA+5M+2mA+3M+mA+3M' }],
  }),
  workers: key(z.union([z.literal('auto'), z.int().min(0).max(256)]).default('auto'), {
    does: 'Parallel trainings. auto: one per visible GPU, else one per CPU core.',
    example: 'auto',
    unit: 'workers',
  }),
});
export type SearchFile = z.infer<typeof searchFileSchema>;

/** Names of Aira's own nodes. */
export const reservedNames: readonly string[] = ['reference', 'aggregate'];

/** A search with every choice resolved: what the archive records, and all that a resume or a remote agent needs. */
export const searchSpecSchema = z.strictObject({
  id: searchIdSchema,
  task: z.string(),
  taskVersion: z.string(),
  /** What validation scores measure. */
  metric: z.string(),
  /** What test scores measure, where that has another name. */
  testMetric: z.string().optional(),
  /** Lower is better in the metric: fitness is its negation. */
  lowerIsBetter: z.boolean(),
  space: spaceSchema,
  /** The user's own primitives of the space, by name; absent if it has none. */
  primitives: z.array(ownPrimitiveSchema).optional(),
  /** Stack spaces only: the task's description as published, and the settings of its first rung. */
  description: z.string().optional(),
  /** Program spaces only. */
  brief: briefSchema.optional(),
  profile: z.string(),
  /** The profile's settings at the start; later edits of the task do not affect a running search. */
  rungs: profileSchema.shape.rungs,
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  /** Digests of the task's files and data at the start (I10); absent in older searches. */
  content: taskContentSchema.optional(),
  seed: z.int().nonnegative(),
  budget: budgetSchema,
  ladder: ladderSchema,
  /** Empty for a comparison of known candidates. */
  agents: z.array(agentSpecSchema),
  /** The references, as canonical text. */
  references: z.array(z.strictObject({ name: agentNameSchema, candidate: z.string() })),
  /** Corpus version, if an agent reads it. */
  corpus: z.string().optional(),
  /** Scale plans only: what each reference stands for. */
  scale: scalePlanSchema.optional(),
});
export type SearchSpec = z.infer<typeof searchSpecSchema>;

/** What the authors of candidates are shown of the search that they work in. */
export const experimentSchema = z.strictObject({
  /** The task's description as published, with the settings of the screening rung; absent in older searches and programs. */
  description: z.string().optional(),
  profile: z.string(),
  deviceClass: deviceClassSchema,
  /** Estimated core-seconds of one screening training. */
  trainingSeconds: z.number().nonnegative(),
  budget: budgetSchema,
  agents: z.int(),
  /** The agent's own share. */
  evaluations: z.int(),
  /** Proposals in flight: how many results a decision may lack. */
  pending: z.int(),
  references: searchSpecSchema.shape.references,
});
export type Experiment = z.infer<typeof experimentSchema>;

/** A function of the specification alone, so that a prompt that shows it can be replayed (I5). */
export function experimentOf(spec: SearchSpec, { evaluations, pending }: AgentSpec): Experiment {
  const { description, profile, deviceClass, rungs, budget, agents, references, space } = spec;
  return {
    ...(description === undefined ? {} : { description }),
    profile,
    deviceClass,
    trainingSeconds: rungs.screen.seconds,
    budget,
    agents: agents.length,
    evaluations,
    pending,
    // Programs are shown where they are needed: their texts are long.
    references: space.kind === 'stack' ? references : [],
  };
}

/** What a multi-turn agent's process needs to rehearse a candidate. */
export function stageOf(spec: SearchSpec): Stage {
  const { task, taskVersion, evaluator, deviceClass, content, space, rungs, lowerIsBetter, ladder } = spec;
  const [seed = 1] = rungSeeds('screen', 1, ladder.seedBlock);
  const { settings, seconds } = rungs.screen;
  const facts = { task, taskVersion, evaluator, deviceClass, space, settings, seconds, lowerIsBetter, seed };
  return stageSchema.parse({ ...facts, ...(content ? { content } : {}) });
}

/** Phase of a search. Proposals are accepted only while `screening`. */
export const phases = ['screening', 'confirming', 'aggregating', 'finalising', 'finished', 'stopped'] as const;
export const phaseSchema = z.enum(phases);
export type Phase = z.infer<typeof phaseSchema>;

/** The JSON Schema of search files, published as `schemas/search.schema.json` for editors. */
export function searchFileJsonSchema(): object {
  return fileJsonSchema('An Aira search file', searchFileSchema);
}

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

const ofRuling = {
  search: searchIdSchema,
  id: rulingIdSchema,
  /** The person's reason, for the trace. */
  why: z.string().max(500).optional(),
};

/**
 * What a person rules about a running search. Each is recorded with its sentence and the place from which it holds, because it
 * is part of what decided the search (I5).
 */
export const rulingRequestSchema = z.discriminatedUnion('kind', [
  /** No attempt takes the node or a descendant as parent any more, and trainings of them that have not started do not start. */
  z.strictObject({ ...ofRuling, kind: z.literal('veto'), node: nodeIdSchema }),
  /** Without an agent: the search. No further attempt is decided; of a paused search, no further training starts. */
  z.strictObject({ ...ofRuling, kind: z.literal('pause'), agent: agentNameSchema.optional() }),
  z.strictObject({ ...ofRuling, kind: z.literal('resume'), agent: agentNameSchema.optional() }),
  z.strictObject({ ...ofRuling, kind: z.literal('raise-budget'), limits: raisedLimitsSchema }),
]);
export type RulingRequest = z.infer<typeof rulingRequestSchema>;

export const rulingKinds = ['veto', 'pause', 'resume', 'raise-budget'] as const;
