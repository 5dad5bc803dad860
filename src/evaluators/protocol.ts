import * as z from 'zod';
import { type Architecture, primitiveSchema, type StackSpec } from '../domain/architecture.ts';
import { type Job, measurementSchema } from '../domain/evaluation.ts';
import { type EvaluationKey, evaluationKeySchema } from '../domain/ids.ts';
import type { Json } from '../domain/json.ts';

/**
 * Version 1 of the protocol between host and worker process: one JSON object per line, requests on the worker's stdin, events
 * on its stdout. `gpu-workers/aira_workers/worker` is the other side. Both are installed together, so every shape is strict.
 */
export const protocolVersion = 1;

/** Maximum length of a line; a result with a full curve stays below 10 kB. */
export const longestLine = 1_000_000;

export const helloSchema = z.strictObject({
  event: z.literal('hello'),
  v: z.literal(protocolVersion),
  /** Engine and source hash; must equal the job's (I2). */
  evaluator: z.string().regex(/^[a-z0-9-]+-[0-9a-f]{12}$/),
  engine: z.string(),
  /** Maximum number of candidates that one request trains together. */
  populationSize: z.int().positive(),
  /** Digests of the user's own primitives that it can train, by name. */
  primitives: z.record(primitiveSchema, z.string().regex(/^[0-9a-f]{64}$/)),
  device: z.string(),
  deviceName: z.string(),
  torch: z.string(),
  python: z.string(),
  /** Memory of the device in bytes. */
  memoryBytes: z.int().nonnegative(),
  /** Measured float32 matrix multiplication, FLOP/s. */
  calibratedFlops: z.number().nonnegative(),
});
export type Hello = z.infer<typeof helloSchema>;

/** Distinguishes another protocol version from an invalid line. */
export const anyHelloSchema = z.looseObject({ event: z.literal('hello'), v: z.int() });

const ofMember = { id: z.string(), key: evaluationKeySchema };

const progressSchema = z.strictObject({
  event: z.literal('progress'),
  ...ofMember,
  step: z.int().nonnegative(),
  steps: z.int().positive(),
  /** The score so far; null before there is one. */
  score: z.number().nullable(),
});

const resultSchema = measurementSchema.omit({ status: true, scale: true }).extend({
  event: z.literal('result'),
  ...ofMember,
  /** Per sub-task; null for a score that this training does not measure. */
  tasks: z.record(z.string(), z.record(z.string(), z.number().nullable())),
});

const failedSchema = z.strictObject({
  event: z.literal('failed'),
  ...ofMember,
  reason: z.enum(['invalid', 'nan', 'oom', 'cancelled', 'crash']),
  message: z.string(),
});

const doneSchema = z.strictObject({ event: z.literal('done'), id: z.string() });
/** An invalid request. */
const errorSchema = z.strictObject({ event: z.literal('error'), message: z.string() });

/** The events after the hello. */
export const workerEventSchema = z.discriminatedUnion('event', [
  progressSchema,
  resultSchema,
  failedSchema,
  doneSchema,
  errorSchema,
]);
export type WorkerEvent = z.infer<typeof workerEventSchema>;
export type ProgressEvent = z.infer<typeof progressSchema>;
export type ResultEvent = z.infer<typeof resultSchema>;
export type FailedEvent = z.infer<typeof failedSchema>;

export type WorkerRequest =
  | {
      readonly op: 'evaluate';
      readonly id: string;
      readonly proxy: { readonly [key: string]: Json };
      readonly space: StackSpec;
      readonly population: readonly {
        readonly key: EvaluationKey;
        readonly architecture: Architecture;
        readonly seed: number;
        readonly measure: Job['measure'];
      }[];
    }
  | { readonly op: 'cancel'; readonly id: string }
  | { readonly op: 'shutdown' };
