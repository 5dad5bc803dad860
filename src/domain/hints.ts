import * as z from 'zod';
import {
  type Architecture,
  type Primitive,
  parseArchitecture,
  primitiveSchema,
  type StackSpec,
} from './architecture.ts';

/**
 * What a published result implies for the order and number of layers, in a form that a program can follow. A hint speaks
 * of primitives alone, so that free text has no way to become one.
 */

const fraction = z.number().min(0).max(1);

/** So much of the layers, or of the token mixers (attention and Mamba-2), is of this primitive. */
const shareHint = z
  .strictObject({
    kind: z.literal('share'),
    primitive: primitiveSchema,
    of: z.enum(['layers', 'mixers']),
    low: fraction,
    high: fraction,
  })
  .refine(({ low, high }) => low <= high, 'low must not be above high');

/** The first, or last, layer is of this primitive, or is not. */
const placeHint = z.strictObject({
  kind: z.literal('place'),
  primitive: primitiveSchema,
  at: z.enum(['first', 'last']),
  wanted: z.boolean(),
});

/** The layers of this primitive lie evenly over the depth, instead of in one clump. */
const spreadHint = z.strictObject({ kind: z.literal('spread'), primitive: primitiveSchema });

/** The layers of this primitive lie mostly in this third of the depth. */
const regionHint = z.strictObject({
  kind: z.literal('region'),
  primitive: primitiveSchema,
  region: z.enum(['lower', 'middle', 'upper']),
});

/** Each token mixer is followed by an MLP, as in the usual block. */
const alternateHint = z.strictObject({ kind: z.literal('alternate') });

/** A whole pattern, in run-length form, stretched to the depth of the space. */
const patternHint = z.strictObject({
  kind: z.literal('pattern'),
  layers: z.string().refine((text) => {
    try {
      return parseArchitecture(text).length > 0;
    } catch {
      return false;
    }
  }, 'a pattern is written in layers, such as 2mA+5M'),
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

/** Whether a space offers the primitives without which the hint says nothing. */
export function appliesTo(hint: Hint, space: StackSpec): boolean {
  const offered = (primitive: Primitive) => space.primitives.includes(primitive);
  switch (hint.kind) {
    case 'pattern':
      return parseArchitecture(hint.layers).every(offered);
    case 'alternate':
      return offered('M') && space.primitives.some(isMixer);
    case 'share': {
      // A share of a whole that consists of nothing else cannot be chosen.
      const whole = hint.of === 'layers' ? space.primitives : space.primitives.filter(isMixer);
      return offered(hint.primitive) && whole.some((primitive) => primitive !== hint.primitive);
    }
    default:
      return offered(hint.primitive) && space.primitives.length > 1;
  }
}

/** The pattern at this depth: layer i of n takes what the pattern holds at the same relative height. */
export function stretched(pattern: Architecture, depth: number): Architecture {
  return Array.from({ length: depth }, (_, layer) => {
    const at = Math.floor(((layer + 0.5) * pattern.length) / depth);
    return pattern[at] as Primitive;
  });
}

function shareFit(architecture: Architecture, hint: z.infer<typeof shareHint>): number {
  const whole = hint.of === 'layers' ? architecture : architecture.filter(isMixer);
  if (whole.length === 0) return 0;
  // Counts are whole numbers: a share counts as met at the nearest count that this depth can hold.
  const count = whole.filter((layer) => layer === hint.primitive).length;
  const low = Math.round(hint.low * whole.length);
  const high = Math.round(hint.high * whole.length);
  const miss = Math.max(0, low - count, count - high);
  // Never quite 0, so that whoever climbs towards a share finds a slope however far away.
  return 1 / (1 + miss / Math.ceil(whole.length / 8));
}

/** 1 where gaps between the layers of the primitive are equal, 0 where all of them touch. */
function spreadFit(architecture: Architecture, primitive: Primitive): number {
  const places = architecture.flatMap((layer, index) => (layer === primitive ? [index] : []));
  if (places.length === 0) return 0;
  if (places.length === architecture.length) return 1;
  // Distance of each place to where an even arrangement has it, against the depth; half a layer is no distance.
  const pitch = architecture.length / places.length;
  const off = (place: number, nth: number) => Math.max(0, Math.abs(place + 0.5 - (nth + 0.5) * pitch) - 0.5);
  const miss = places.reduce((sum, place, nth) => sum + off(place, nth), 0);
  return Math.max(0, 1 - miss / places.length / (architecture.length / 4));
}

function regionFit(architecture: Architecture, hint: z.infer<typeof regionHint>): number {
  const places = architecture.flatMap((layer, index) => (layer === hint.primitive ? [index] : []));
  if (places.length === 0) return 0;
  const third = { lower: 0, middle: 1, upper: 2 }[hint.region];
  const inside = places.filter((place) => Math.floor((3 * place) / architecture.length) === third).length;
  return inside / places.length;
}

function alternateFit(architecture: Architecture): number {
  const mixers = architecture.flatMap((layer, index) => (isMixer(layer) ? [index] : []));
  if (mixers.length === 0) return 0;
  // The last layer has no successor to be judged by.
  const judged = mixers.filter((place) => place < architecture.length - 1);
  if (judged.length === 0) return 1;
  return judged.filter((place) => architecture[place + 1] === 'M').length / judged.length;
}

/** How far an architecture follows a hint: 1 entirely, 0 not at all. */
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
      const wanted = stretched(parseArchitecture(hint.layers), architecture.length);
      return wanted.filter((layer, index) => layer === architecture[index]).length / wanted.length;
    }
  }
}

/** `mA makes up 12 % of the mixers`: a hint as the trace tells it. */
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
      return `${hint.primitive} lies in the ${hint.region} third`;
    case 'alternate':
      return 'an MLP follows each mixer';
    case 'pattern':
      return `the pattern ${hint.layers}`;
  }
}
