import * as z from 'zod';
import { agentEntrySchema, agentSpecSchema } from './agent.ts';
import { parseArchitecture } from './architecture.ts';
import { spaceSchema } from './candidate.ts';
import { errorMessage } from './errors.ts';
import { taskContentSchema } from './evaluation.ts';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { briefSchema } from './program.ts';
import { deviceClassSchema, profileSchema } from './task.ts';

/** Limits that hold however the search goes; each is checked before the spending it limits (I9). */
export const budgetSchema = z.strictObject(
  {
    /** Candidates that agents may have screened, whether trained now or reused. */
    evaluations: z.int().positive(),
    /** Wall-clock time of the whole search, upper rungs included. */
    minutes: z.number().positive().optional(),
    /** Training seconds, summed over all devices. */
    deviceSeconds: z.number().positive().optional(),
    /** Paid for calls of language models, at the prices of the price file. */
    dollars: z.number().nonnegative().optional(),
    /** Read and written by language models, thinking included. */
    tokens: z.int().positive().optional(),
  },
  {
    error: ({ code, input }) =>
      code === 'invalid_type' && input === undefined ? 'is missing, e.g. budget: { evaluations: 60 }' : undefined,
  },
);
export type Budget = z.infer<typeof budgetSchema>;

/** How the field is narrowed after screening. */
export const ladderSchema = z.strictObject({
  /** Share of the screened candidates that is re-scored with longer training. */
  promote: z.number().min(0).max(1).default(0.2),
  /** Fresh seeds on the confirm rung. */
  confirmSeeds: z.int().positive().default(1),
  /** How many of the best confirmed candidates become finalists, beside the references and the aggregate. */
  finalists: z.int().positive().default(2),
  /** Fresh seeds on the final rung, for finalists, references and the aggregate alike. */
  finalSeeds: z.int().min(2).default(2),
});
export type Ladder = z.infer<typeof ladderSchema>;

export const referenceSchema = z.strictObject({
  name: agentNameSchema,
  architecture: z.string().check(({ value, issues }) => {
    try {
      parseArchitecture(value);
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
  seed: z.int().nonnegative().default(1),
  budget: budgetSchema,
  agents: z.array(agentEntrySchema).min(1).max(64),
  ladder: ladderSchema.prefault({}),
  /** Known patterns to compare with; without the key, those that fit the task's space. For layers only. */
  references: z.array(referenceSchema).optional(),
  /** `auto`: one per visible GPU, else one per CPU core. A number: so many. */
  workers: z.union([z.literal('auto'), z.int().min(0).max(256)]).default('auto'),
});
export type SearchFile = z.infer<typeof searchFileSchema>;

/** Names the laboratory keeps for its own nodes. */
export const reservedNames: readonly string[] = ['reference', 'aggregate'];

/** A search with everything decided: what the archive records, and all that a resume or a remote agent needs. */
export const searchSpecSchema = z.strictObject({
  id: searchIdSchema,
  task: z.string(),
  taskVersion: z.string(),
  metric: z.string(),
  /** The metric falls as things improve: fitness is its negation. */
  lowerIsBetter: z.boolean(),
  space: spaceSchema,
  /** For a space of programs. */
  brief: briefSchema.optional(),
  profile: z.string(),
  /** The profile's settings as they were at the start; later edits of the task do not touch a running search. */
  rungs: profileSchema.shape.rungs,
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  /** What the files of the task and its data were at the start (I10); absent in searches of before. */
  content: taskContentSchema.optional(),
  seed: z.int().nonnegative(),
  budget: budgetSchema,
  ladder: ladderSchema,
  /** None where known candidates are compared with each other. */
  agents: z.array(agentSpecSchema),
  /** What the search has to beat, by canonical text. */
  references: z.array(z.strictObject({ name: agentNameSchema, candidate: z.string() })),
  /** The version of Aira's notes, where an agent reads them. */
  corpus: z.string().optional(),
});
export type SearchSpec = z.infer<typeof searchSpecSchema>;

/** Where a search is on its ladder. Proposals are taken while `screening` only. */
export const phases = ['screening', 'confirming', 'aggregating', 'finalising', 'finished', 'stopped'] as const;
export const phaseSchema = z.enum(phases);
export type Phase = z.infer<typeof phaseSchema>;

/** The JSON Schema of search files, as published in `schemas/search.schema.json` for editors. */
export function searchFileJsonSchema(): object {
  return { title: 'An Aira search file', ...z.toJSONSchema(searchFileSchema, { io: 'input', unrepresentable: 'any' }) };
}
