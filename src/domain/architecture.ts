import * as z from 'zod';
import { CandidateError } from './errors.ts';

/** The layer kinds of AIRA-Compose: M = SwiGLU MLP, mA = multi-head attention, Mb = Mamba-2. */
export const primitives = ['M', 'mA', 'Mb'] as const;
export const primitiveSchema = z.enum(primitives);
export type Primitive = z.infer<typeof primitiveSchema>;

/** One primitive per layer, input first. */
export type Architecture = readonly Primitive[];

/** The space of a Compose task: exactly `layers` layers, each one of `primitives`. */
export const stackSpecSchema = z.strictObject({
  layers: z.int().positive().max(512),
  primitives: z.array(primitiveSchema).min(1),
});
export type StackSpec = z.infer<typeof stackSpecSchema>;

/** The same as a member of the union of spaces. */
export const stackSpaceSchema = z.strictObject({ kind: z.literal('stack'), ...stackSpecSchema.shape });
export type StackSpace = z.infer<typeof stackSpaceSchema>;

/** Thrown for a text that is not an architecture, or not one of the space. Not retryable. */
export class ArchitectureError extends CandidateError {
  constructor(message: string) {
    super('architecture', message);
  }
}

// Longest name first: `mA` and `Mb` both contain `M` or start like a shorter token.
const run = /^(\d*)\*?(mA|Mb|M)$/;

/**
 * Parses tokens (`mA M Mb`), run-length form (`mA+M+2Mb`, also `1mA`), or a mixture; separators are spaces, commas, plus
 * signs and line breaks.
 *
 * @throws ArchitectureError naming the first invalid token.
 */
export function parseArchitecture(text: string): Architecture {
  const tokens = text.split(/[\s,+]+/).filter((token) => token !== '');
  if (tokens.length === 0) throw new ArchitectureError('an architecture needs at least one layer');
  const layers: Primitive[] = [];
  for (const token of tokens) {
    const match = run.exec(token);
    const repeat = match?.[1] === '' ? 1 : Number(match?.[1]);
    if (!match || repeat < 1 || repeat > 512) {
      throw new ArchitectureError(`"${token.slice(0, 40)}" is not a layer; use M, mA or Mb, or a run such as 5M`);
    }
    for (let copy = 0; copy < repeat; copy++) layers.push(match[2] as Primitive);
    if (layers.length > 512) throw new ArchitectureError('an architecture may have at most 512 layers');
  }
  return layers;
}

/** Parses an architecture of this space. @throws ArchitectureError for a wrong depth or a primitive of another space. */
export function parseInSpace(text: string, space: StackSpec): Architecture {
  const architecture = parseArchitecture(text);
  const foreign = architecture.findIndex((layer) => !space.primitives.includes(layer));
  if (foreign >= 0) {
    throw new ArchitectureError(
      `layer ${foreign} is ${architecture[foreign]}, but this task has only ${space.primitives.join(', ')}`,
    );
  }
  if (architecture.length !== space.layers) {
    throw new ArchitectureError(`the architecture has ${architecture.length} layers; this task needs ${space.layers}`);
  }
  return architecture;
}

/** Canonical text: one token per layer, single spaces. Equal architectures give equal bytes. */
export function canonicalText(architecture: Architecture): string {
  return architecture.join(' ');
}

/** Maximal runs of one primitive, in order. */
export function runs(architecture: Architecture): { primitive: Primitive; length: number }[] {
  const result: { primitive: Primitive; length: number }[] = [];
  for (const primitive of architecture) {
    const last = result.at(-1);
    if (last?.primitive === primitive) last.length++;
    else result.push({ primitive, length: 1 });
  }
  return result;
}

/** `2Mb` for a run of two, `mA` for a single layer. */
export function runText({ primitive, length }: { readonly primitive: Primitive; readonly length: number }): string {
  return length === 1 ? primitive : `${length}${primitive}`;
}

/** Run-length form for people, as papers write it: `mA+M+2Mb`. */
export function runLengthText(architecture: Architecture): string {
  return runs(architecture).map(runText).join('+');
}

/** Number of layers of each primitive. */
export function composition(architecture: Architecture): Record<Primitive, number> {
  const counts = { M: 0, mA: 0, Mb: 0 };
  for (const layer of architecture) counts[layer]++;
  return counts;
}

/** Indices of the layers in which two architectures of equal depth differ. */
export function changedLayers(from: Architecture, to: Architecture): number[] {
  return to.flatMap((layer, index) => (layer === from[index] ? [] : [index]));
}
