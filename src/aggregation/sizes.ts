import {
  type Architecture,
  type BuiltIn,
  composition,
  isBuiltIn,
  type LayerCost,
  type OwnPrimitive,
  type Primitive,
} from '../domain/architecture.ts';
import { AggregationError } from './layerwise.ts';

/** Widths of the primitives at a target size. */
export interface ModelSize {
  readonly name: string;
  /** Residual width; also heads times head dimension. */
  readonly dModel: number;
  /** Inner width of the SwiGLU MLP. */
  readonly dFf: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Inner width of Mamba-2, its head dimension, state size and convolution length. */
  readonly dSsm: number;
  readonly ssmHeadDim: number;
  readonly dState: number;
  readonly convolution: number;
  /** Attention-MLP pairs of the Llama-like model that sets the parameter budget of this size. */
  readonly llamaBlocks: number;
  /** Whose shape that model has. */
  readonly reference: string;
}

/** The sister paper of AIRA, from the same group: "Hybrid Architectures for Language Models". */
const sisterPaper = 'Llama-like, arXiv 2510.04800';

/**
 * Target sizes of arXiv 2510.04800. Only 1B has the shape of a published model, Llama 3.2 1B; there is no Llama 3.2 of 350M,
 * and the 3B of the paper has 32 heads of 96 where Llama 3.2 3B has 24 of 128. AIRA's own table of primitive configurations
 * is not public.
 */
export const modelSizes = {
  '350M': {
    name: '350M',
    dModel: 1536,
    dFf: 4096,
    heads: 24,
    kvHeads: 8,
    headDim: 64,
    dSsm: 3072,
    ssmHeadDim: 128,
    dState: 128,
    convolution: 4,
    llamaBlocks: 14,
    reference: sisterPaper,
  },
  '1B': {
    name: '1B',
    dModel: 2048,
    dFf: 8192,
    heads: 32,
    kvHeads: 8,
    headDim: 64,
    dSsm: 4096,
    ssmHeadDim: 128,
    dState: 128,
    convolution: 4,
    llamaBlocks: 16,
    reference: 'Llama 3.2 1B',
  },
  '3B': {
    name: '3B',
    dModel: 3072,
    dFf: 8192,
    heads: 32,
    kvHeads: 8,
    headDim: 96,
    dSsm: 6144,
    ssmHeadDim: 192,
    dState: 256,
    convolution: 4,
    llamaBlocks: 28,
    reference: sisterPaper,
  },
} as const satisfies Record<string, ModelSize>;
export type SizeName = keyof typeof modelSizes;
export const sizeNames = Object.keys(modelSizes) as SizeName[];

/**
 * Llama 3.2 3B as published (config of meta-llama/Llama-3.2-3B): 24 query and 8 key-value heads of 128. Shown next to the
 * sister paper's 3B; its Mamba-2 widths are that size's and are not used.
 */
export const llama32At3B: ModelSize = { ...modelSizes['3B'], heads: 24, headDim: 128, reference: 'Llama 3.2 3B' };

/** Context of one training sample and of the inference cache, in tokens: the packing length of arXiv 2510.04800. */
export const contextLength = 8192;

/** The Llama-like stack of a size: attention and MLP in turn. Its parameters are the budget that extrapolation fills. */
export function llama(size: ModelSize): Architecture {
  return Array.from({ length: size.llamaBlocks }, () => ['mA', 'M'] as const).flat();
}

/**
 * What a model of a target size costs. All formulas are those of "Hybrid Architectures for Language Models" (arXiv
 * 2510.04800), for grouped-query attention, SwiGLU and Mamba-2; embeddings, head and norms are left out, as there.
 */

/**
 * Parameters of one layer.
 *
 * - attention: 2 d^2 (query, output) + 2 d d_head N_kv (key, value)
 * - SwiGLU: 3 d d_ff
 * - Mamba-2: d (2 d_ssm + 2 d_state + N_head) in, d_ssm d out, d_ssm N_conv convolution, 2 N_head for A and dt. The
 *   printed formula is partly illegible; this form gives the 25M quoted with it at 1B.
 */
export function layerParameters(primitive: BuiltIn, size: ModelSize): number {
  const { dModel, dFf, kvHeads, headDim, dSsm, ssmHeadDim, dState, convolution } = size;
  switch (primitive) {
    case 'mA':
      return 2 * dModel * dModel + 2 * dModel * headDim * kvHeads;
    case 'M':
      return 3 * dModel * dFf;
    case 'Mb': {
      const heads = dSsm / ssmHeadDim;
      return dModel * (2 * dSsm + 2 * dState + heads) + dSsm * (convolution + dModel) + 2 * heads;
    }
  }
}

/**
 * Training FLOPs per token, forward and backward, averaged over a sample of L tokens: 6 x parameters, plus 12 d (L + 1) / 2
 * per attention layer (causal), plus 3 (9 d_ssm d_state + 2 d_ssm) per Mamba-2 layer.
 */
function layerFlopsPerToken(primitive: BuiltIn, size: ModelSize, length: number): number {
  const { dModel, dSsm, dState } = size;
  const weights = 6 * layerParameters(primitive, size);
  if (primitive === 'mA') return weights + (12 * dModel * (length + 1)) / 2;
  if (primitive === 'Mb') return weights + 3 * (9 * dSsm * dState + 2 * dSsm);
  return weights;
}

/**
 * Bytes that one sequence of L tokens keeps in memory during inference, in bfloat16: 4 d_head N_kv L per attention layer
 * (keys and values), 2 (d_ssm d_state + N_conv (2 d_state + d_ssm)) per Mamba-2 layer whatever the length.
 */
function layerCacheBytes(primitive: BuiltIn, size: ModelSize, length: number): number {
  const { kvHeads, headDim, dSsm, dState, convolution } = size;
  if (primitive === 'mA') return 4 * headDim * kvHeads * length;
  if (primitive === 'Mb') return 2 * (dSsm * dState + convolution * (2 * dState + dSsm));
  return 0;
}

/** Costs of one layer. A user's own are those of its manifest entry, which are for `contextLength` tokens. */
function layerCost(primitive: Primitive, size: ModelSize, own: readonly OwnPrimitive[], length: number): LayerCost {
  if (isBuiltIn(primitive)) {
    return {
      parameters: layerParameters(primitive, size),
      trainingFlopsPerToken: layerFlopsPerToken(primitive, size, length),
      cacheBytes: layerCacheBytes(primitive, size, length),
    };
  }
  const cost = own.find(({ token }) => token === primitive)?.costs[size.name];
  if (!cost || length !== contextLength) {
    throw new AggregationError(`the costs of ${primitive} at ${size.name} and ${length} tokens are not known`);
  }
  return cost;
}

/**
 * Costs of a stack: non-embedding parameters, training FLOPs per token, cache of one sequence.
 *
 * @throws AggregationError for a primitive without known costs.
 */
export function stackCost(
  architecture: Architecture,
  size: ModelSize,
  own: readonly OwnPrimitive[] = [],
  length: number = contextLength,
): LayerCost {
  const layers = Object.entries(composition(architecture)).map(([primitive, count]) => ({
    count,
    cost: layerCost(primitive, size, own, length),
  }));
  const sum = (figure: keyof LayerCost) => layers.reduce((total, { count, cost }) => total + count * cost[figure], 0);
  return {
    parameters: sum('parameters'),
    trainingFlopsPerToken: sum('trainingFlopsPerToken'),
    cacheBytes: sum('cacheBytes'),
  };
}
