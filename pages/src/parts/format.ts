/** Numbers, times and amounts as text. Missing values are a dash. */
const dash = '–';

const missing = (value: number | null | undefined): value is null | undefined =>
  value === null || value === undefined || !Number.isFinite(value);

/** A score to four decimals, or four significant figures where it is small or large. */
export function scoreText(value: number | null | undefined): string {
  if (missing(value)) return dash;
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 10_000) ? value.toPrecision(4) : value.toFixed(4);
}

/** A difference, with its sign. */
export const signed = (value: number | null | undefined, digits = 4): string =>
  missing(value) ? dash : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

const prefixes = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const;

/** A count in thousands, millions …: `12.3 M`. */
export function short(value: number | null | undefined, digits = 3): string {
  if (missing(value)) return dash;
  const size = Math.abs(value);
  if (size < 1000) return Number.isInteger(value) ? String(value) : value.toPrecision(digits);
  const power = Math.min(prefixes.length - 1, Math.floor(Math.log10(size) / 3));
  return `${(value / 1000 ** power).toPrecision(digits)} ${prefixes[power]}`;
}

export const bytes = (value: number | null | undefined): string =>
  missing(value) ? dash : `${short(value).replace(/(\d)$/, '$1 ')}B`;

const thin = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
/** A whole number with separators. */
export const whole = (value: number | null | undefined): string => (missing(value) ? dash : thin.format(value));

export const percent = (share: number | null | undefined): string =>
  missing(share)
    ? dash
    : `${(100 * share).toFixed((share > 0 && share < 0.1) || (share > 0.99 && share < 1) ? 1 : 0)} %`;

export const dollars = (value: number | null | undefined): string =>
  missing(value) ? dash : value === 0 ? '$0' : value < 0.01 ? `$${value.toPrecision(2)}` : `$${value.toFixed(2)}`;

/** `4.2 s`, `3 min 20 s`, `5 h 12 min`, `2 d 4 h`. */
export function duration(ms: number | null | undefined): string {
  if (missing(ms)) return dash;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const pair = (big: number, small: number, bigName: string, smallName: string) =>
    small > 0 ? `${big} ${bigName} ${small} ${smallName}` : `${big} ${bigName}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, Math.floor(seconds % 60), 'min', 's');
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? pair(hours, minutes % 60, 'h', 'min') : pair(Math.floor(hours / 24), hours % 24, 'd', 'h');
}

const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' });
export const date = (at: number | null | undefined): string => (missing(at) ? dash : clock.format(at));

/** `[0.61, 0.64]` */
export const intervalText = (interval: { readonly low: number; readonly high: number } | null): string =>
  interval ? `[${scoreText(interval.low)}, ${scoreText(interval.high)}]` : dash;

/** An interval of differences: `−0.0100 … +0.0300`. */
export const signedInterval = (
  interval: { readonly low: number; readonly high: number } | null,
  digits?: number,
): string => (interval ? `${signed(interval.low, digits)} … ${signed(interval.high, digits)}` : dash);

/** `1 node`, `3 nodes` */
export const counted = (count: number, noun: string): string => `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;

/** FLOPs as `3e17`. */
export const power = (value: number | null | undefined): string =>
  missing(value)
    ? dash
    : value
        .toExponential(value === 0 ? 0 : 1)
        .replace('e+', 'e')
        .replace('.0e', 'e');

/** Formats by name, for what is data on a finished page. */
export const formats = {
  score: scoreText,
  whole,
  short: (value: number) => short(value),
  power,
  percent,
  minutes: (value: number) => duration(value * 60_000),
} as const satisfies Readonly<Record<string, (value: number) => string>>;
export type FormatName = keyof typeof formats;
