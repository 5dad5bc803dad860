import type { Primitive } from '../domain/architecture.ts';

/** Colours are names of CSS classes here; the style sheet gives each its light and dark value. */

/** Pale, dark and middle: M, mA and Mb stay apart without colour, and each carries its letter. */
export const primitiveClass: Readonly<Record<Primitive, string>> = { M: 'p-m', mA: 'p-a', Mb: 'p-b' };

export const primitiveName: Readonly<Record<Primitive, string>> = { M: 'MLP', mA: 'attention', Mb: 'Mamba-2' };

export const seriesColours = 8;
const dashes = ['', '7 3', '2 3', '10 3 2 3', '5 2 1 2 1 2', '1 2'] as const;

/** How a line is told from others: 8 colours x 6 dash patterns repeat together only after 24 lines. */
export interface SeriesStyle {
  readonly className: string;
  /** SVG `stroke-dasharray`; empty for a solid line. */
  readonly dash: string;
}

export function seriesStyle(index: number): SeriesStyle {
  return { className: `s-${index % seriesColours}`, dash: dashes[index % dashes.length] as string };
}
