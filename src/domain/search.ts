import * as z from 'zod';
import { type AgentSpec, agentEntrySchema, agentSpecSchema } from './agent.ts';
import { primitiveSchema, readArchitecture } from './architecture.ts';
import { spaceSchema } from './candidate.ts';
import { errorMessage } from './errors.ts';
import { taskContentSchema } from './evaluation.ts';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { ownPrimitiveSchema } from './primitive.ts';
import { briefSchema } from './program.ts';
import { deviceClassSchema, profileSchema } from './task.ts';

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

/** Promotion after screening. */
export const ladderSchema = z.strictObject({
  /** Share of the screened candidates that is promoted to the confirm rung. */
  promote: z.number().min(0).max(1).default(0.2),
  /** Fresh seeds on the confirm rung. */
  confirmSeeds: z.int().positive().default(1),
  /** Number of best confirmed candidates that become finalists, in addition to the references and the aggregate. */
  finalists: z.int().positive().default(2),
  /** Fresh seeds on the final rung, for finalists, references and the aggregate. */
  finalSeeds: z.int().min(2).default(2),
  /**
   * How many aggregates are trained: N0 (the default), N0 and N1, or N0, N1 and N2. Absent where not given, so that
   * specifications of earlier versions stay as they are.
   */
  aggregates: z.int().min(1).max(3).optional(),
  /** Which block of training seeds all rungs use; searches of different blocks share no training. */
  seedBlock: z.int().min(0).max(100_000).optional(),
});
export type Ladder = z.infer<typeof ladderSchema>;

export const referenceSchema = z.strictObject({
  name: agentNameSchema,
  architecture: z.string().check(({ value, issues }) => {
    try {
      readArchitecture(value);
    } catch (thrown) {
      issues.push({ code: 'custom', input: value, message: errorMessage(thrown) });
    }
  }),
});

/** A search file. Strict: an unknown key is an error. */
export const searchFileSchema = z.strictObject({
  $schema: z.string().optional(),
  /** A directory under `tasks/`, or a path. */
  task: z.string().min(1),
  profile: z.string().min(1).default('nano'),
  /** The layer kinds to arrange, in place of the task's: M, mA, Mb and primitives of your own. Compose tasks only. */
  primitives: z
    .array(primitiveSchema)
    .min(1)
    .max(32)
    .refine((names) => new Set(names).size === names.length, 'names a primitive twice')
    .optional(),
  seed: z.int().nonnegative().default(1),
  budget: budgetSchema,
  agents: z.array(agentEntrySchema).min(1).max(64),
  ladder: ladderSchema.prefault({}),
  /** Known patterns to compare with; default: those that fit the space. Compose tasks only. */
  references: z.array(referenceSchema).optional(),
  /** `auto`: one per visible GPU, else one per CPU core. */
  workers: z.union([z.literal('auto'), z.int().min(0).max(256)]).default('auto'),
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

/** Phase of a search. Proposals are accepted only while `screening`. */
export const phases = ['screening', 'confirming', 'aggregating', 'finalising', 'finished', 'stopped'] as const;
export const phaseSchema = z.enum(phases);
export type Phase = z.infer<typeof phaseSchema>;

/** The JSON Schema of search files, published as `schemas/search.schema.json` for editors. */
export function searchFileJsonSchema(): object {
  return { title: 'An Aira search file', ...z.toJSONSchema(searchFileSchema, { io: 'input', unrepresentable: 'any' }) };
}
