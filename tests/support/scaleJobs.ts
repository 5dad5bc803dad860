import { evaluationKey, type Job, jobSchema } from '../../src/domain/evaluation.ts';
import type { Recipe, Resources, ScaleModel } from '../../src/domain/scale.ts';
import { scaleVersion } from '../../src/evaluators/index.ts';

/** A model of a few thousand parameters with attention, MLP and Mamba-2. */
export const scaleModel: ScaleModel = {
  family: 'llama',
  pattern: 'mA+M+Mb+M',
  vocabulary: 257,
  shape: {
    width: 32,
    ffn_inner: 48,
    heads: 4,
    kv_heads: 2,
    head_dim: 8,
    ssm_inner: 64,
    ssm_head_dim: 16,
    ssm_state: 8,
    ssm_groups: 1,
    ssm_conv: 4,
    ssm_chunk: 16,
    rotary_base: 500_000,
  },
};

export const recipe: Recipe = {
  sequence: 32,
  batch_tokens: 256,
  warmup: 2,
  decay: 0.25,
  steps: 8,
  optimiser: { lr: 0.01, weight_decay: 0.1, beta1: 0.9, beta2: 0.95, momentum: 0.95, clip: 1 },
  precision: 'float32',
  validation_sequences: 6,
  micro_batch: 4,
};

export const resources: Resources = {
  devices: 1,
  parallel: 'none',
  memoryBytes: 1e6,
  seconds: 5,
  checkpointSeconds: 0,
  peakFlops: 0,
};

/** A job of a few seconds on a data set with this digest. */
export function scaleJob(
  digest: string,
  overrides: Partial<Job> = {},
  change: { readonly model?: Partial<ScaleModel>; readonly recipe?: Partial<Recipe> } = {},
): Job {
  const identity = {
    task: 'scale',
    taskVersion: 'v1',
    evaluator: scaleVersion(),
    deviceClass: 'cpu' as const,
    content: { directory: 'd'.repeat(64), data: { text: 'a'.repeat(64) } },
    rung: 'screen' as const,
    space: { kind: 'scale' as const },
    settings: { data: { corpus: 'text', digest } },
    candidate: {
      kind: 'scale' as const,
      model: { ...scaleModel, ...change.model },
      recipe: { ...recipe, ...change.recipe },
    },
    seed: 1,
    measure: 'validation' as const,
    lowerIsBetter: true,
    ...overrides,
  };
  return jobSchema.parse({ timeoutSeconds: 600, resources, ...identity, key: evaluationKey(identity) });
}
