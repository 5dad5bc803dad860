import * as z from 'zod';
import { CandidateError } from './errors.ts';

/** The built-in layer kinds, those of AIRA-Compose: M = SwiGLU MLP, mA = multi-head attention, Mb = Mamba-2. Users add their own. */
export const primitives = ['M', 'mA', 'Mb'] as const;
export const builtInSchema = z.enum(primitives);
export type BuiltIn = z.infer<typeof builtInSchema>;

/** A name that can follow a number: a letter, then letters, digits and underscores. */
const name = /[A-Za-z][A-Za-z0-9_]{0,15}/;

/** The name of a layer kind. Which kinds there are depends on the space and, for a user's own, on the worker's manifest. */
export const primitiveSchema = z
  .string()
  .regex(new RegExp(`^${name.source}$`), 'use a letter and up to 15 letters, digits and underscores');
export type Primitive = z.infer<typeof primitiveSchema>;

export const isBuiltIn = (primitive: Primitive): primitive is BuiltIn => builtInSchema.safeParse(primitive).success;

/** The order of primitives in tables and ties: built-in ones first, then by name. */
export function inOrder(some: Iterable<Primitive>): Primitive[] {
  const all = new Set(some);
  return [...primitives.filter((each) => all.has(each)), ...[...all].filter((each) => !isBuiltIn(each)).sort()];
}

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

const run = new RegExp(`^(\\d*)\\*?(${name.source})$`);

/**
 * Reads tokens (`mA M Mb`), run-length form (`mA+M+2Mb`, also `1mA`), or a mixture; separators are spaces, commas, plus
 * signs and line breaks. Names are not looked up: for texts that a space has accepted before, and for display. Names
 * without a separator between them (`MmAMb`) are one name, because a name may have several letters.
 *
 * @throws ArchitectureError naming the first token that is neither a name nor a run.
 */
export function readArchitecture(text: string): Architecture {
  return parseTokens(text, () => true, 'a name such as mA');
}

/**
 * The same, of these primitives only.
 *
 * @throws ArchitectureError naming the first invalid token.
 */
export function parseArchitecture(text: string, known: readonly Primitive[] = primitives): Architecture {
  const names = inOrder(known);
  const choice = names.length < 2 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
  return parseTokens(text, (name) => names.includes(name), choice);
}

function parseTokens(text: string, isKnown: (name: Primitive) => boolean, choice: string): Architecture {
  const tokens = text.split(/[\s,+]+/).filter((token) => token !== '');
  if (tokens.length === 0) throw new ArchitectureError('an architecture needs at least one layer');
  const layers: Primitive[] = [];
  for (const token of tokens) {
    const match = run.exec(token);
    const repeat = match?.[1] === '' ? 1 : Number(match?.[1]);
    const primitive = match?.[2] ?? '';
    if (!isKnown(primitive) || !match || repeat < 1 || repeat > 512) {
      throw new ArchitectureError(`"${token.slice(0, 40)}" is not a layer; use ${choice}, or a run such as 5M`);
    }
    for (let copy = 0; copy < repeat; copy++) layers.push(primitive);
    if (layers.length > 512) throw new ArchitectureError('an architecture may have at most 512 layers');
  }
  return layers;
}

/** Parses an architecture of this space. @throws ArchitectureError for a wrong depth or a primitive of another space. */
export function parseInSpace(text: string, space: StackSpec): Architecture {
  const architecture = parseArchitecture(text, [...primitives, ...space.primitives]);
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

/** Number of layers of each built-in primitive and of each other that occurs, in the order of `inOrder`. */
export function composition(architecture: Architecture): Record<Primitive, number> {
  const counts = Object.fromEntries(inOrder([...primitives, ...architecture]).map((primitive) => [primitive, 0]));
  for (const layer of architecture) counts[layer] = (counts[layer] ?? 0) + 1;
  return counts;
}

/** Indices of the layers in which two architectures of equal depth differ. */
export function changedLayers(from: Architecture, to: Architecture): number[] {
  return to.flatMap((layer, index) => (layer === from[index] ? [] : [index]));
}
