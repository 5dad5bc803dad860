import type { Architecture } from '../domain/architecture.ts';

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
  /** Attention-MLP pairs of the Llama 3.2 model that sets the parameter budget of this size. */
  readonly llamaBlocks: number;
}

/**
 * Target sizes of "Hybrid Architectures for Language Models" (arXiv 2510.04800), whose 1B widths are those of Llama 3.2.
 * AIRA's own table of primitive configurations is not public.
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
  },
} as const satisfies Record<string, ModelSize>;
export type SizeName = keyof typeof modelSizes;
export const sizeNames = Object.keys(modelSizes) as SizeName[];

/** Context of one training sample and of the inference cache, in tokens: the packing length of arXiv 2510.04800. */
export const contextLength = 8192;

/** The Llama 3.2 stack of a size: attention and MLP in turn. Its parameters are the budget that extrapolation fills. */
export function llama(size: ModelSize): Architecture {
  return Array.from({ length: size.llamaBlocks }, () => ['mA', 'M'] as const).flat();
}
