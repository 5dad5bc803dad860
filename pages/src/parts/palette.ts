import { useEffect, useState } from 'preact/hooks';

/** Colours of agents and primitives. Each has a second sign, dash, shape or letters, so that they survive greyscale. */
export const seriesCount = 8;
const dashes: readonly (readonly number[])[] = [[], [7, 3], [2, 3], [10, 3, 2, 3], [5, 2, 1, 2, 1, 2], [1, 2]];

export const seriesVariable = (index: number): string => `--s${index % seriesCount}`;
/** 8 colours x 6 dash patterns repeat only after 24 lines. */
export const seriesDash = (index: number): readonly number[] => dashes[index % dashes.length] as readonly number[];

/** Colours of the style sheet as the canvas needs them. */
export interface Theme {
  readonly ink: string;
  readonly soft: string;
  readonly rule: string;
  readonly paper: string;
  readonly accent: string;
  readonly good: string;
  readonly bad: string;
  readonly faint: string;
  readonly series: readonly string[];
}

/** While a page is rendered as text there are no colours yet: what it contains names them by class. */
const without: Theme = {
  ...{ ink: '', soft: '', rule: '', paper: '', accent: '', good: '', bad: '', faint: '' },
  series: Array.from({ length: seriesCount }, () => ''),
};

function readTheme(): Theme {
  if (typeof document === 'undefined') return without;
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: colour('--ink'),
    soft: colour('--soft'),
    rule: colour('--rule'),
    paper: colour('--paper'),
    accent: colour('--accent'),
    good: colour('--good'),
    bad: colour('--bad'),
    faint: colour('--faint'),
    series: Array.from({ length: seriesCount }, (_, index) => colour(seriesVariable(index))),
  };
}

/** The present colours; changes when the system switches between light and dark. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(readTheme);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const update = () => setTheme(readTheme());
    dark.addEventListener('change', update);
    return () => dark.removeEventListener('change', update);
  }, []);
  return theme;
}

/** CSS class of a layer kind: three of the house, any other by a hash of its name. */
export function primitiveClass(name: string): string {
  if (name === 'M') return 'p-m';
  if (name === 'mA') return 'p-a';
  if (name === 'Mb') return 'p-b';
  let hash = 0;
  for (const letter of name) hash = (hash * 31 + letter.charCodeAt(0)) % 997;
  return `p-own-${hash % 4}`;
}

/** Black or white, whichever stands out more on `#rrggbb` (WCAG 2, relative luminance). */
export function lettersOn(colour: string): string {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? '#000000' : '#ffffff';
}
