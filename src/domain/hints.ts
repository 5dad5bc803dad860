import * as z from 'zod';
import {
  type Architecture,
  builtInSchema,
  isBuiltIn,
  type Primitive,
  parseArchitecture,
  type StackSpec,
} from './architecture.ts';

/**
 * A published result as a machine-readable rule for the order and number of layers. A hint mentions primitives only, so
 * free text cannot become one. Published results speak of the built-in primitives; a user's own counts as a mixer.
 */

const fraction = z.number().min(0).max(1);

/** Share of this primitive among the layers, or among the token mixers (attention and Mamba-2). */
const shareHint = z
  .strictObject({
    kind: z.literal('share'),
    primitive: builtInSchema,
    of: z.enum(['layers', 'mixers']),
    low: fraction,
    high: fraction,
  })
  .refine(({ low, high }) => low <= high, 'low must not be above high');

/** Whether the first or last layer is of this primitive. */
const placeHint = z.strictObject({
  kind: z.literal('place'),
  primitive: builtInSchema,
  at: z.enum(['first', 'last']),
  wanted: z.boolean(),
});

/** The layers of this primitive are spread evenly over the depth. */
const spreadHint = z.strictObject({ kind: z.literal('spread'), primitive: builtInSchema });

/** The layers of this primitive are mostly in this third of the depth. */
const regionHint = z.strictObject({
  kind: z.literal('region'),
  primitive: builtInSchema,
  region: z.enum(['lower', 'middle', 'upper']),
});

/** Each token mixer is followed by an MLP, as in the usual block. */
const alternateHint = z.strictObject({ kind: z.literal('alternate') });

/** A whole pattern in run-length form, stretched to the depth of the space. */
const patternHint = z.strictObject({
  kind: z.literal('pattern'),
  layers: z.string().refine((text) => {
    try {
      return parseArchitecture(text).every(isBuiltIn);
    } catch {
      return false;
    }
  }, 'expected a pattern of layers such as 2mA+5M'),
});

export const hintSchema = z.discriminatedUnion('kind', [
  shareHint,
  placeHint,
  spreadHint,
  regionHint,
  alternateHint,
  patternHint,
]);
export type Hint = z.infer<typeof hintSchema>;

const isMixer = (layer: Primitive): boolean => layer !== 'M';

/** Whether the space has the primitives that the hint needs. */
export function appliesTo(hint: Hint, space: StackSpec): boolean {
  const offered = (primitive: Primitive) => space.primitives.includes(primitive);
  switch (hint.kind) {
    case 'pattern':
      return parseArchitecture(hint.layers).every(offered);
    case 'alternate':
      return offered('M') && space.primitives.some(isMixer);
    case 'share': {
      // A share is no choice if the whole has no other primitive.
      const whole = hint.of === 'layers' ? space.primitives : space.primitives.filter(isMixer);
      return offered(hint.primitive) && whole.some((primitive) => primitive !== hint.primitive);
    }
    default:
      return offered(hint.primitive) && space.primitives.length > 1;
  }
}

/** The pattern at this depth: layer i of n takes the pattern's layer at the same relative height. */
export function stretched(pattern: Architecture, depth: number): Architecture {
  return Array.from({ length: depth }, (_, layer) => {
    const at = Math.floor(((layer + 0.5) * pattern.length) / depth);
    return pattern[at] as Primitive;
  });
}

function shareFit(architecture: Architecture, hint: z.infer<typeof shareHint>): number {
  const whole = hint.of === 'layers' ? architecture : architecture.filter(isMixer);
  if (whole.length === 0) return 0;
  // A share is met at the nearest whole number of layers.
  const count = whole.filter((layer) => layer === hint.primitive).length;
  const low = Math.round(hint.low * whole.length);
  const high = Math.round(hint.high * whole.length);
  const miss = Math.max(0, low - count, count - high);
  // Never 0: a hill climber needs a gradient at any distance.
  return 1 / (1 + miss / Math.ceil(whole.length / 8));
}

/** 1 if the gaps between the primitive's layers are equal, 0 if all are adjacent. */
function spreadFit(architecture: Architecture, primitive: Primitive): number {
  const positions = architecture.flatMap((layer, index) => (layer === primitive ? [index] : []));
  if (positions.length === 0) return 0;
  if (positions.length === architecture.length) return 1;
  // Mean distance from the even arrangement relative to the depth; half a layer counts as zero.
  const pitch = architecture.length / positions.length;
  const off = (place: number, nth: number) => Math.max(0, Math.abs(place + 0.5 - (nth + 0.5) * pitch) - 0.5);
  const miss = positions.reduce((sum, place, nth) => sum + off(place, nth), 0);
  return Math.max(0, 1 - miss / positions.length / (architecture.length / 4));
}

function regionFit(architecture: Architecture, hint: z.infer<typeof regionHint>): number {
  const positions = architecture.flatMap((layer, index) => (layer === hint.primitive ? [index] : []));
  if (positions.length === 0) return 0;
  const third = { lower: 0, middle: 1, upper: 2 }[hint.region];
  const inside = positions.filter((place) => Math.floor((3 * place) / architecture.length) === third).length;
  return inside / positions.length;
}

function alternateFit(architecture: Architecture): number {
  const mixers = architecture.flatMap((layer, index) => (isMixer(layer) ? [index] : []));
  if (mixers.length === 0) return 0;
  // The last layer has no successor.
  const followed = mixers.filter((place) => place < architecture.length - 1);
  if (followed.length === 0) return 1;
  return followed.filter((place) => architecture[place + 1] === 'M').length / followed.length;
}

/** How well an architecture follows a hint: 1 fully, 0 not at all. */
export function hintFit(architecture: Architecture, hint: Hint): number {
  switch (hint.kind) {
    case 'share':
      return shareFit(architecture, hint);
    case 'place':
      return (architecture.at(hint.at === 'first' ? 0 : -1) === hint.primitive) === hint.wanted ? 1 : 0;
    case 'spread':
      return spreadFit(architecture, hint.primitive);
    case 'region':
      return regionFit(architecture, hint);
    case 'alternate':
      return alternateFit(architecture);
    case 'pattern': {
      const target = stretched(parseArchitecture(hint.layers), architecture.length);
      return target.filter((layer, index) => layer === architecture[index]).length / target.length;
    }
  }
}

/** A hint for the trace: `mA makes up 12 % of the mixers`. */
export function describeHint(hint: Hint): string {
  const percent = (value: number) => `${Math.round(100 * value)} %`;
  switch (hint.kind) {
    case 'share': {
      const range = hint.low === hint.high ? percent(hint.low) : `${percent(hint.low)} to ${percent(hint.high)}`;
      return `${hint.primitive} makes up ${range} of the ${hint.of}`;
    }
    case 'place':
      return `${hint.primitive} is ${hint.wanted ? '' : 'not '}the ${hint.at} layer`;
    case 'spread':
      return `${hint.primitive} is spread evenly`;
    case 'region':
      return `${hint.primitive} is in the ${hint.region} third`;
    case 'alternate':
      return 'an MLP follows each mixer';
    case 'pattern':
      return `the pattern ${hint.layers}`;
  }
}
