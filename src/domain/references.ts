import { canonicalText, parseArchitecture, type StackSpec } from './architecture.ts';

/**
 * Known architectures that a search is compared with: at 16 layers, for spaces with attention and MLP ("two primitives") and
 * for those with Mamba-2 as well ("three primitives").
 *
 * A reference is recorded in a search's specification by name and layers. Archives of earlier versions hold other layers
 * under `sandwich` (8mA+8M) and a reference `hybrid-1-7`; they are read as recorded.
 */
export interface KnownReference {
  readonly name: string;
  /** 16 layers, run-length form. */
  readonly layers: string;
  /** Where the order is published, and how it was brought to 16 layers. */
  readonly source: string;
}

const llama: KnownReference = {
  name: 'llama',
  layers: 'mA+M+mA+M+mA+M+mA+M+mA+M+mA+M+mA+M+mA+M',
  source: 'Llama 3 (arXiv 2407.21783): attention and MLP in turn, 8 pairs',
};

const composer: KnownReference = {
  name: 'composer',
  layers: '2mA+5M+2mA+3M+mA+3M',
  source: 'Composer (arXiv 2510.00379): best of its 16-layer searches over attention and MLP',
};

/** Best published k is 6 of n = 16 pairs; 3 of 8 is the same share. */
const sandwich: KnownReference = {
  name: 'sandwich',
  layers: '4mA+M+mA+M+mA+M+mA+M+mA+4M',
  source: 'Sandwich Transformer (Press et al. 2020, arXiv 1911.03864): s^k (sf)^(n-k) f^k, here n = 8, k = 3',
};

const mambaMlp: KnownReference = {
  name: 'mamba-mlp',
  layers: 'Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M',
  source: 'Mamba-2 and MLP in turn: the Mamba model of "Hybrid Architectures for Language Models" (arXiv 2510.04800)',
};

/**
 * Published order of the 8B model, 52 layers: `M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-` (M Mamba-2, * attention,
 * - MLP). Its four attention layers are 1.2 of 16; their mean height, 24 of 52, is layer 7 of 16.
 */
const nemotronH: KnownReference = {
  name: 'nemotron-h',
  layers: 'Mb+M+Mb+M+Mb+M+mA+M+Mb+M+Mb+M+Mb+M+Mb+M',
  source: 'Nemotron-H 8B (arXiv 2504.03624), like it: 4 attention layers in 52 are one in 16, at the same mean height',
};

/**
 * Published order of the 12B base model, 62 layers: six times `M-M-M-M*-`, then `M-M-M-M-`. Its six attention layers are 1.5 of
 * 16, here two, each straight after a Mamba-2 layer, as there.
 */
const nemotron2: KnownReference = {
  name: 'nemotron-2',
  layers: 'Mb+M+Mb+mA+M+Mb+M+Mb+M+Mb+mA+M+Mb+M+Mb+M',
  source:
    'Nemotron Nano 2 12B (arXiv 2508.14444), modified: 6 attention layers in 62 are two in 16, SwiGLU in place of its MLP',
};

export const twoPrimitiveReferences: readonly KnownReference[] = [llama, composer, sandwich];
/** As many as before the sets were separate, so that a search trains no more. */
export const threePrimitiveReferences: readonly KnownReference[] = [llama, composer, mambaMlp, nemotronH, nemotron2];

/** The known references of a task's space; none at another depth, or without a primitive that they need. */
export function referencesFor(space: StackSpec): { name: string; architecture: string }[] {
  const known = space.primitives.includes('Mb') ? threePrimitiveReferences : twoPrimitiveReferences;
  return known.flatMap(({ name, layers }) => {
    const architecture = parseArchitecture(layers);
    const fits =
      architecture.length === space.layers && architecture.every((layer) => space.primitives.includes(layer));
    return fits ? [{ name, architecture: canonicalText(architecture) }] : [];
  });
}
