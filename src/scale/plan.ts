import * as z from 'zod';
import { carryRules } from '../aggregation/index.ts';
import { readArchitecture } from '../domain/architecture.ts';
import { errorMessage } from '../domain/errors.ts';
import { dataNamePattern } from '../domain/evaluation.ts';
import { agentNameSchema, searchIdSchema } from '../domain/ids.ts';
import { familySchema } from '../domain/scale.ts';
import { deviceClassSchema } from '../domain/task.ts';

/**
 * The plan file of `aira scale`: architectures x families x rules x sizes x budgets x seeds, trained on one data set. Strict: an
 * unknown key is an error.
 */

const architectureText = z.string().check(({ value, issues }) => {
  try {
    readArchitecture(value);
  } catch (thrown) {
    issues.push({ code: 'custom', input: value, message: errorMessage(thrown) });
  }
});

const ruleSchema = z.enum(carryRules);

/** A pattern written out. */
const namedArchitecture = z.strictObject({
  name: agentNameSchema,
  pattern: architectureText,
  /** Instead of the plan's rules. */
  rule: ruleSchema.optional(),
});

/** Patterns of a finished search in this home. */
const searchedArchitectures = z.strictObject({
  search: searchIdSchema,
  /** How many earlier layers condition a vote: 0, 1 and 2 are N0, N1 and N2. */
  aggregates: z.array(z.union([z.literal(0), z.literal(1), z.literal(2)])).default([0]),
  /** The best nodes of the final rung. */
  finalists: z.int().min(0).max(16).default(0),
  /** The search's references. */
  references: z.boolean().default(true),
  rule: ruleSchema.optional(),
});

const positive = z.number().positive();

const budgetSchema = z.union([
  z.strictObject({ flops: positive }),
  z.strictObject({ tokens: positive }),
  z.strictObject({ steps: z.int().positive() }),
]);
export type PlanBudget = z.infer<typeof budgetSchema>;

/** Text as it is imported, or generated on the spot. */
const dataSchema = z.union([
  z.strictObject({
    /** A data set of `aira data import --tokenizer`. */
    name: z.string().max(256).regex(dataNamePattern, 'use letters, digits, dots, hyphens and underscores'),
    /** Tokens of its tokenizer; needed only to price a plan before the import. */
    vocabulary: z.int().positive().optional(),
  }),
  z.strictObject({
    /** Documents of the generator (aira_scale/data/generated.py), without any import. */
    generated: z.int().min(10).max(10_000_000),
    seed: z.int().nonnegative().default(1),
  }),
]);
export type PlanData = z.infer<typeof dataSchema>;

const trainingSchema = z.strictObject({
  /** Tokens of a sequence, and of a batch. */
  sequence: z.int().positive().default(256),
  batchTokens: z.int().positive().default(8192),
  /** Share of the smallest budget's steps that warms up, and of each budget's steps that decays. */
  warmup: z.number().gt(0).lt(1).default(0.1),
  decay: z.number().gt(0).lt(1).default(0.2),
  /** Factor on the peak learning rates of the sizes. */
  learningRate: positive.default(1),
  weightDecay: z.number().nonnegative().default(0.1),
  /** Default: float32 on CPUs, bfloat16 with float32 master weights on GPUs. */
  precision: z.enum(['float32', 'bfloat16']).optional(),
  /** Sequences of the validation split that a loss is the mean of. */
  validationSequences: z.int().positive().default(64),
  /** Sequences that a device takes at once; default: what its memory allows, at most 8 on a CPU. */
  microBatch: z.int().positive().optional(),
});

const machineSchema = z.strictObject({
  /** Default: GPUs where there are any. */
  device: deviceClassSchema.optional(),
  /** Devices that train one run together. */
  devices: z.int().positive().max(1024).default(1),
  /** Memory of a device; default: what this machine has. */
  memoryGiB: positive.optional(),
  /** FLOP/s that a device sustains, for estimates. */
  flopsPerSecond: positive.optional(),
  /** Peak FLOP/s of a device, for the model FLOPs utilisation. */
  peakFlops: positive.optional(),
  /** Seconds between checkpoints: at most this is lost with a process. */
  checkpointSeconds: z.number().nonnegative().default(600),
});

export const scaleFileSchema = z.strictObject({
  $schema: z.string().optional(),
  architectures: z
    .array(z.union([namedArchitecture, searchedArchitectures]))
    .min(1)
    .max(64),
  families: z.array(familySchema).min(1).default(['llama']),
  /** How patterns are carried to a size. */
  rules: z.array(ruleSchema).min(1).default(['stretch']),
  /** Names of the trainer's ladder, after the non-embedding parameters of its Llama stack. */
  sizes: z.array(z.string().min(1)).min(1).max(32),
  budgets: z.array(budgetSchema).min(1).max(32),
  /** Seeds of each run, and of runs of the middle size. */
  seeds: z
    .strictObject({ each: z.int().min(1).max(64), middle: z.int().min(1).max(64) })
    .default({ each: 1, middle: 2 }),
  data: dataSchema,
  training: trainingSchema.prefault({}),
  machine: machineSchema.prefault({}),
});
export type ScaleFile = z.infer<typeof scaleFileSchema>;

/** The JSON Schema of plan files, published as `schemas/scale.schema.json` for editors. */
export function scaleFileJsonSchema(): object {
  return { title: 'An Aira scale plan', ...z.toJSONSchema(scaleFileSchema, { io: 'input', unrepresentable: 'any' }) };
}
