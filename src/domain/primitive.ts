import * as z from 'zod';
import { type BuiltIn, isBuiltIn, type Primitive, primitiveSchema, type StackSpec } from './architecture.ts';

/**
 * What is known of primitives besides their names.
 *
 * Role: texts of the built-in ones; the manifest entry of a user's own, as the Python side states it and a search records
 * it; evaluator versions of searches that use own primitives. Non-role: finding and validating modules
 * (`gpu-workers/aira_primitives`, `evaluators/primitives.ts`).
 */

const oneLine = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .refine((text) => !/\p{Cc}/u.test(text), 'expected one line');

/** Costs of one layer at a target size; see `aggregation/sizes.ts`. */
export const layerCostSchema = z.strictObject({
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
