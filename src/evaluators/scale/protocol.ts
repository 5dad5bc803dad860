import * as z from 'zod';
import { primitiveSchema } from '../../domain/architecture.ts';
import { familySchema, shapeSchema } from '../../domain/scale.ts';

/**
 * What host and trainer of runs at scale say to each other: version 1 of `gpu-workers/aira_scale/protocol.py`. Lines are JSON
 * objects; both sides are installed together, so every shape is strict.
 */
export const scaleProtocolVersion = 1;

/** Longest line of `run`, in characters; a longer one ends the run. */
export const longestScaleLine = 64 * 1024;

const count = z.int().nonnegative();
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const flopsPerToken = z.strictObject({ layers: z.number().positive(), head: z.number().positive() });

export const describedSchema = z.strictObject({
  v: z.literal(scaleProtocolVersion),
  trainer: z.string(),
  families: z.array(familySchema),
  primitives: z.array(z.string()),
  /** Digests of own primitives in the trainer's reach, by name. */
  ownPrimitives: z.record(primitiveSchema, digest),
  largestJob: count,
  sizes: z.array(
    z.strictObject({
      name: z.string(),
      /** Attention-MLP pairs of the Llama stack that names the size. */
      blocks: z.int().positive(),
      /** Peak learning rate. */
      lr: z.number().positive(),
      shape: shapeSchema,
      /** Parameters of one layer of each primitive. */
      layerParameters: z.record(familySchema, z.record(primitiveSchema, count)),
    }),
  ),
});
export type Described = z.infer<typeof describedSchema>;

export const priceSchema = z.strictObject({
  parameters: count,
  nonEmbedding: count,
  embedding: count,
  flopsPerToken,
  steps: count,
  flops: z.number(),
  budgets: z.array(z.strictObject({ name: z.string(), steps: count, tokens: count, flops: z.number() })),
  cacheBytes: count,
  cacheBytesPerToken: count,
  activationBytes: count,
  stateBytes: count,
  checkpointBytes: count,
});
export type Price = z.infer<typeof priceSchema>;

/** What `sweep` prints. */
export const sweepEventSchema = z.discriminatedUnion('event', [
  /** The loss is null where the run diverged. */
  z.strictObject({ event: z.literal('rate'), rate: z.number().positive(), loss: z.number().nonnegative().nullable() }),
  z.strictObject({
    event: z.literal('verdict'),
    /** `edge`: the best rate is the lowest or the highest; `flat`: the losses do not differ. */
    verdict: z.enum(['inside', 'edge', 'flat']),
    /** Of the best rate; 1 where the sweep is flat. */
    factor: z.number().positive(),
  }),
]);
export type SweepEvent = z.infer<typeof sweepEventSchema>;

export const builtDataSchema = z.strictObject({
  digest,
  vocabulary: z.int().positive(),
  tokens: z.strictObject({ train: count, validation: count }),
  documents: z.strictObject({ train: count, validation: count }),
});
export type BuiltData = z.infer<typeof builtDataSchema>;

const hello = z.strictObject({
  event: z.literal('hello'),
  v: z.literal(scaleProtocolVersion),
  trainer: z.string(),
  identity: digest,
  device: z.string().max(200),
  deviceName: z.string().max(200),
  torch: z.string(),
  python: z.string(),
  processes: z.int().positive(),
  /** Digests of the pattern's own primitives, by name. */
  primitives: z.record(primitiveSchema, digest),
  parameters: count,
  nonEmbedding: count,
  flopsPerToken,
  steps: count,
});

const result = z.strictObject({
  event: z.literal('result'),
  budget: z.string(),
  steps: z.int().positive(),
  tokens: z.int().positive(),
  flops: z.number().positive(),
  validationLoss: z.number().nonnegative(),
  lossBeforeDecay: z.number().nonnegative(),
  parameters: z.int().positive(),
  nonEmbedding: z.int().positive(),
  curve: z.array(z.tuple([z.number(), z.number()])).max(200),
  seconds: z.number().nonnegative(),
  sessions: z.int().positive(),
  tokensPerSecond: z.number().nonnegative(),
  mfu: z.number().nonnegative().nullable(),
  peakMemoryBytes: count,
  cpuSeconds: z.number().nonnegative(),
  weightsSha256: digest,
  folder: z.string(),
});
export type ScaleResult = z.infer<typeof result>;

export const scaleEventSchema = z.discriminatedUnion('event', [
  hello,
  result,
  z.strictObject({
    event: z.literal('progress'),
    budget: z.string(),
    step: count,
    done: count,
    steps: z.int().positive(),
    loss: z.number(),
    lr: z.number(),
    tokensPerSecond: z.number(),
  }),
  z.strictObject({
    event: z.literal('checkpoint'),
    path: z.string(),
    budget: z.string(),
    step: count,
    done: count,
    bytes: count,
    sha256: digest,
  }),
  z.strictObject({ event: z.literal('done') }),
  z.strictObject({ event: z.literal('stopped'), reason: z.enum(['asked', 'closed', 'signal']) }),
  z.strictObject({
    event: z.literal('failed'),
    reason: z.enum(['invalid', 'nan', 'oom', 'crash']),
    message: z.string(),
  }),
]);
export type ScaleEvent = z.infer<typeof scaleEventSchema>;

/** Forms of an export; `config` is JSON for other trainers. */
export const exportForms = ['auto', 'nemotron_h', 'granitemoehybrid', 'llama', 'custom'] as const;
export type ExportForm = (typeof exportForms)[number];

export const exportedSchema = z.strictObject({
  format: z.enum(exportForms).exclude(['auto']),
  parameters: count,
  /** Largest absolute difference of logits, and their largest absolute value. */
  difference: z.number().nonnegative(),
  scale: z.number().positive(),
});

export const exportedConfigurationSchema = z.strictObject({
  model: z.strictObject({
    family: familySchema,
    pattern: z.array(primitiveSchema),
    shape: shapeSchema,
    vocabulary: z.int().positive(),
  }),
  parameters: count,
  nonEmbedding: count,
  flopsPerTokenWithoutLength: flopsPerToken,
  /** Null where nothing was trained. */
  data: digest.nullable(),
  seed: count,
  outcome: z.record(z.string(), z.unknown()).nullable(),
});
export type ExportedConfiguration = z.infer<typeof exportedConfigurationSchema>;

/** Tasks of zeroshot/tasks.py. */
export const zeroShotTasks = ['arc_easy', 'arc_challenge', 'hellaswag', 'piqa', 'sciq', 'winogrande'] as const;
export type ZeroShotTask = (typeof zeroShotTasks)[number];

const oneOrZero = z.union([z.literal(0), z.literal(1)]);
export const scoredItemsSchema = z.strictObject({
  task: z.enum(zeroShotTasks),
  items: count,
  acc: z.number().min(0).max(1),
  /** Null for WinoGrande, whose continuations are equal. */
  accNorm: z.number().min(0).max(1).nullable(),
  correct: z.array(oneOrZero),
  correctNorm: z.array(oneOrZero).nullable(),
  /** The evaluation harness with its version, or `twin`. */
  scorer: z.string().max(200),
});
export type ScoredItems = z.infer<typeof scoredItemsSchema>;
