import * as z from 'zod';
import { CandidateError } from './errors.ts';

/**
 * Architectures, and the primitives that they are made of.
 *
 * Role: texts of architectures and their spaces; titles and hints of primitives; the manifest entry of a user's own, as the Python side
 * states it and a search records it; evaluator versions of searches that use own primitives. Non-role: finding and validating
 * modules (`gpu-workers/aira_primitives`, `evaluators/primitives.ts`).
 */

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

const oneLine = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => !/\p{Cc}/u.test(text), 'expected one line');

/** Costs of one layer at a target size; see `aggregation/sizes.ts`. */
const layerCostSchema = z.strictObject({
  parameters: z.number().nonnegative(),
  /** Forward and backward, averaged over a sequence of the context length. */
  trainingFlopsPerToken: z.number().nonnegative(),
  /** Of one sequence of the context length, in bfloat16. */
  cacheBytes: z.number().nonnegative(),
});
export type LayerCost = z.infer<typeof layerCostSchema>;

/** A primitive of the user: an entry of the worker's manifest. */
export const ownPrimitiveSchema = z.strictObject({
  token: primitiveSchema,
  title: oneLine(60),
  /** What prompts say about it. */
  hint: oneLine(300),
  /** Of its cells in reports. */
  colour: z.string().regex(/^#[0-9a-fA-F]{6}$/),
  /** SHA-256 of everything that decides what it computes. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** By name of a target size. */
  costs: z.record(z.string(), layerCostSchema),
});
export type OwnPrimitive = z.infer<typeof ownPrimitiveSchema>;

/** The answer of `python3 -m aira_primitives describe`. */
export const manifestSchema = z.strictObject({ primitives: z.array(ownPrimitiveSchema) });

interface PrimitiveText {
  readonly title: string;
  readonly hint: string;
}

const builtInTexts: Readonly<Record<BuiltIn, PrimitiveText>> = {
  M: {
    title: 'MLP',
    hint: 'a gated multi-layer perceptron (SwiGLU); mixes channels of one position, sees no other position',
  },
  mA: {
    title: 'attention',
    hint: 'causal multi-head attention; looks up any earlier position exactly, at quadratic cost',
  },
  Mb: {
    title: 'Mamba-2',
    hint: 'a Mamba-2 block; carries a compressed state along the sequence, at linear cost',
  },
};

/** Title and hint of a primitive; its name where nothing is known of it. */
export function primitiveText(primitive: Primitive, own: readonly OwnPrimitive[] = []): PrimitiveText {
  if (isBuiltIn(primitive)) return builtInTexts[primitive];
  return own.find(({ token }) => token === primitive) ?? { title: primitive, hint: primitive };
}

/** Of these primitives, the ones that only a user's module can provide. */
export const ownAmong = (primitives: Iterable<Primitive>): Primitive[] =>
  [...new Set(primitives)].filter((primitive) => !isBuiltIn(primitive)).sort();

/** The primitives of a space that only a user's module can provide. */
export const ownTokens = ({ primitives }: StackSpec): Primitive[] => ownAmong(primitives);

/** Digits of a digest in an evaluator version. */
const digits = 12;

/**
 * The evaluator version with these primitives: `native-0a1b2c3d4e5f+gla@9f8e7d6c5b4a`, by name. A search without own
 * primitives has the plain version, so that a new module changes no score and no key of it (I10).
 */
export function versionWith(evaluator: string, digests: Readonly<Record<Primitive, string>>): string {
  const parts = Object.entries(digests).map(([token, digest]) => `+${token}@${digest.slice(0, digits)}`);
  return `${evaluator}${parts.sort().join('')}`;
}

/** Whether an evaluator version names primitives of the user. */
export const hasOwn = (version: string): boolean => version.includes('+');

/** The version for a search over `space` on an evaluator of version `has`: without the primitives that it does not use. */
export function versionOver(space: StackSpec, has: string): string {
  const [trainer = '', ...offered] = has.split('+');
  const used = ownTokens(space);
  return [trainer, ...offered.filter((part) => used.some((token) => part.startsWith(`${token}@`)))].join('+');
}

/** Whether an evaluator of version `has` may train a job for `wanted`: the same trainer, and every primitive of the job (I2). */
export function serves(has: string, wanted: string): boolean {
  const [trainer, ...offered] = has.split('+');
  const [needed, ...primitives] = wanted.split('+');
  return trainer === needed && primitives.every((primitive) => offered.includes(primitive));
}
