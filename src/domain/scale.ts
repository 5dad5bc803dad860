import * as z from 'zod';
import { readArchitecture, runLengthText } from './architecture.ts';
import { CandidateError, errorMessage } from './errors.ts';
import { agentNameSchema } from './ids.ts';
import { canonicalJson, contentHash, JsonError, parseJson } from './json.ts';

/**
 * What a run at scale trains: a model, and the recipe of one budget. Keys below `shape` and `optimiser` are those of the
 * trainer's job (gpu-workers/aira_scale/job.py), which checks their meaning.
 */

/** `llama`: RoPE, SwiGLU, grouped-query attention. `nemotron`: squared-ReLU MLP, attention without positions. */
export const families = ['llama', 'nemotron'] as const;
export const familySchema = z.enum(families);
export type Family = z.infer<typeof familySchema>;

const count = z.int().positive();

/** Widths of a model, in features; `ssm_conv` in taps, `ssm_chunk` in tokens. */
export const shapeSchema = z.strictObject({
  width: count,
  ffn_inner: count,
  heads: count,
  kv_heads: count,
  head_dim: count,
  ssm_inner: count,
  ssm_head_dim: count,
  ssm_state: count,
  ssm_groups: count,
  ssm_conv: count,
  ssm_chunk: count,
  rotary_base: z.number().positive(),
});

export const scaleModelSchema = z.strictObject({
  family: familySchema,
  /** Every layer, in run-length form: `mA+M+2Mb`. */
  pattern: z.string().check(({ value, issues }) => {
    try {
      if (runLengthText(readArchitecture(value)) === value) return;
      issues.push({
        code: 'custom',
        input: value,
        message: `is not in the form ${runLengthText(readArchitecture(value))}`,
      });
    } catch (thrown) {
      issues.push({ code: 'custom', input: value, message: errorMessage(thrown) });
    }
  }),
  shape: shapeSchema,
  /** Tokens of the tokenizer. */
  vocabulary: count,
});
export type ScaleModel = z.infer<typeof scaleModelSchema>;

export const recipeSchema = z.strictObject({
  /** Tokens of a sequence, and of a batch. */
  sequence: count,
  batch_tokens: count,
  /** Steps of the warm-up; the share of the steps that decays; steps of the budget, its decay included. */
  warmup: count,
  decay: z.number().gt(0).lt(1),
  steps: count,
  optimiser: z.strictObject({
    lr: z.number().positive(),
    weight_decay: z.number().nonnegative(),
    beta1: z.number().min(0).lt(1),
    beta2: z.number().min(0).lt(1),
    momentum: z.number().min(0).lt(1),
    clip: z.number().positive(),
  }),
  precision: z.enum(['float32', 'bfloat16']),
  /** Sequences of the validation split that the loss is the mean of. */
  validation_sequences: count,
  /** Sequences that one device takes at once: decides the order of sums, so it belongs to what decides the loss. */
  micro_batch: count,
});
export type Recipe = z.infer<typeof recipeSchema>;

export const scaleCandidateSchema = z.strictObject({ model: scaleModelSchema, recipe: recipeSchema });
export type ScaleCandidate = z.infer<typeof scaleCandidateSchema>;

export const scaleSpaceSchema = z.strictObject({ kind: z.literal('scale') });

/** Thrown for a text that is not a run at scale. */
export class ScaleCandidateError extends CandidateError {
  constructor(message: string) {
    super('scale-candidate', message);
  }
}

const bounds = { characters: 64_000, depth: 4, items: 1024 };

/** Whether a candidate's text is that of a run at scale: programs are objects of file names, which have a dot. */
export const isScaleText = (text: string): boolean => text.startsWith('{"model":{');

/** Parses the canonical text. @throws ScaleCandidateError */
export function parseScaleCandidate(text: string): ScaleCandidate {
  let value: unknown;
  try {
    value = parseJson(text, bounds);
  } catch (thrown) {
    if (!(thrown instanceof JsonError)) throw thrown;
    throw new ScaleCandidateError('a run at scale is a JSON object of model and recipe; this is not valid JSON');
  }
  const parsed = scaleCandidateSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ScaleCandidateError(`a run at scale is malformed at ${issue?.path.join('.')}: ${issue?.message}`);
}

/** Equal runs give equal bytes. */
export const scaleText = ({ model, recipe }: ScaleCandidate): string => canonicalJson({ model, recipe });

/** Short form for people: `llama 24 layers of 64, 1200 steps #3f2a91c4`. */
export function shortScale({ model, recipe }: ScaleCandidate): string {
  const hash = contentHash({ model, recipe }).slice(0, 8);
  const layers = readArchitecture(model.pattern).length;
  return `${model.family} ${layers} layers of ${model.shape.width}, ${recipe.steps} steps #${hash}`;
}

/** What a run needs from its worker and how it is to be watched. Decides no loss, so it is in no key. */
export const resourcesSchema = z.strictObject({
  /** Devices that train it together. */
  devices: count,
  /** `ddp`: a copy of the model on each device; `fsdp`: a part. */
  parallel: z.enum(['none', 'ddp', 'fsdp']),
  /** Bytes on each device: weights, gradients, moments, and what the backward pass stores. */
  memoryBytes: z.number().nonnegative(),
  /** Estimated seconds of the training. */
  seconds: z.number().positive(),
  /** Seconds between checkpoints: at most this is lost with a process. */
  checkpointSeconds: z.number().nonnegative(),
  /** Peak FLOP/s of a device, for the model FLOPs utilisation; 0 where unknown. */
  peakFlops: z.number().nonnegative(),
});
export type Resources = z.infer<typeof resourcesSchema>;

/** What was measured in addition to the loss. */
export const scaleFiguresSchema = z.strictObject({
  /** Validation cross-entropy in nats per token: at the end, and before the decay. */
  loss: z.number(),
  lossBeforeDecay: z.number(),
  steps: count,
  tokens: count,
  /** Training FLOPs of these steps, in the convention of aira_scale/counts.py. */
  flops: z.number().nonnegative(),
  nonEmbedding: count,
  /** Seconds on the way from the first step, over all sessions, also where an earlier budget trained a part. */
  seconds: z.number().nonnegative(),
  sessions: count,
  tokensPerSecond: z.number().nonnegative(),
  mfu: z.number().nonnegative().nullable(),
  weightsSha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Folder of the weights, on the storage of the worker. */
  folder: z.string(),
});

/** A checkpoint on the user's storage. */
export const checkpointSchema = z.strictObject({
  path: z.string().min(1).max(4096),
  /** The next step. */
  step: z.int().nonnegative(),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

/** One budget of one run of a plan, resolved. Budgets of equal `run` share their trunk and are trained in order. */
export const scalePointSchema = z.strictObject({
  /** The reference of the search that trains it. */
  reference: agentNameSchema,
  run: z.string().min(1),
  architecture: z.string().min(1),
  /** Text of the pattern before extrapolation, and the rule that carried it to the size. */
  pattern: z.string().min(1),
  rule: z.string().min(1),
  family: familySchema,
  size: z.string().min(1),
  nonEmbedding: count,
  embedding: count,
  /** As the plan says it, such as `2e12 FLOPs`. */
  budget: z.string().min(1),
  budgetFlops: z.number().positive(),
  /** Of whole steps, which are a little more or less than the budget. */
  trainedFlops: z.number().positive(),
  tokens: count,
  cacheBytesPerToken: z.number().nonnegative(),
  /** Trained with the seeds 1 to this number. */
  seeds: count,
  resources: resourcesSchema,
});
export type ScalePoint = z.infer<typeof scalePointSchema>;

/** Points of the largest plan. */
export const mostPoints = 2000;

/** What a search that is a scale plan carries in addition. */
export const scalePlanSchema = z.strictObject({ points: z.array(scalePointSchema).min(1).max(mostPoints) });
