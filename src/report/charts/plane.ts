import { extent } from 'd3-array';
import { powerText } from '../../scale/index.ts';
import { html, type Markup } from '../markup.ts';
import { seriesStyle } from '../style.ts';
import { type Frame, framed, px, type Scale, scale } from './scale.ts';

/** Points and lines over two numeric axes, either of them logarithmic: the figures of scaling studies. */

export interface Place {
  readonly x: number;
  readonly y: number;
}

export interface PlaneSeries {
  readonly name: string;
  /** Colour, dash and shape of marks; one number means the same series in every figure of a page. */
  readonly style: number;
  readonly marks?: readonly (Place & { readonly title: string })[];
  /** Each a polyline. */
  readonly lines?: readonly (readonly Place[])[];
  /** Marked by stars: minima. */
  readonly stars?: readonly (Place & { readonly title: string })[];
}

export interface Axis {
  readonly label: string;
  readonly log?: boolean;
  readonly text?: (tick: number) => string;
}

/** Small enough to stay legible at the width of a telephone, where it is scaled by nine tenths. */
const frame: Frame = { width: 440, height: 300, left: 50, right: 16, top: 34, bottom: 44 };

/**
 * A logarithmic scale over positive values, with a margin of a twentieth on each side.
 *
 * Ticks are powers of ten where there are three or more, else also their double and fivefold.
 */
export function logScale(
  values: readonly number[],
  range: readonly [number, number],
  text: (tick: number) => string,
): Scale {
  const [low, high] = extent(values.filter((value) => value > 0 && Number.isFinite(value)).map(Math.log10));
  const span = (high ?? 1) - (low ?? 0);
  const margin = Math.max(0.05 * span, 0.05);
  const domain = [(low ?? 0) - margin, (high ?? 1) + margin] as const;
  const decades = Array.from(
    { length: Math.ceil(domain[1]) - Math.floor(domain[0]) + 1 },
    (_, at) => Math.floor(domain[0]) + at,
  );
  const within = (steps: readonly number[]) =>
    decades
      .flatMap((decade) => steps.map((step) => step * 10 ** decade))
      .filter((tick) => Math.log10(tick) >= domain[0] - 1e-9 && Math.log10(tick) <= domain[1] + 1e-9);
  const candidates = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]].map(within);
  const ticks = candidates.find((each) => each.length >= 3) ?? (candidates.at(-1) as number[]);
  const map = (value: number) =>
    range[0] + ((Math.log10(value) - domain[0]) / (domain[1] - domain[0])) * (range[1] - range[0]);
  const ends = [10 ** domain[0], 10 ** domain[1]] as const;
  return Object.assign(map, {
    domain: ends,
    ticks: ticks.filter((_, at) => at % Math.ceil(ticks.length / 6) === 0),
    decimals: 0,
    label: text,
  });
}

/** Six shapes, so that series are distinguishable without colour. */
function shape(style: number, x: number, y: number): string {
  const polygon = (corners: readonly (readonly [number, number])[]) =>
    `M${corners.map(([dx, dy]) => `${px(x + dx)} ${px(y + dy)}`).join('L')}Z`;
  switch (style % 6) {
    case 0:
      return `M${px(x - 4)} ${px(y)}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z`;
    case 1:
      return polygon([
        [-3.6, -3.6],
        [3.6, -3.6],
        [3.6, 3.6],
        [-3.6, 3.6],
      ]);
    case 2:
      return polygon([
        [0, -4.8],
        [4.6, 3.6],
        [-4.6, 3.6],
      ]);
    case 3:
      return polygon([
        [0, -5],
        [5, 0],
        [0, 5],
        [-5, 0],
      ]);
    case 4:
      return polygon([
        [0, 4.8],
        [4.6, -3.6],
        [-4.6, -3.6],
      ]);
    default:
      return polygon([
        [-1.5, -4.5],
        [1.5, -4.5],
        [1.5, -1.5],
        [4.5, -1.5],
        [4.5, 1.5],
        [1.5, 1.5],
        [1.5, 4.5],
        [-1.5, 4.5],
        [-1.5, 1.5],
        [-4.5, 1.5],
        [-4.5, -1.5],
        [-1.5, -1.5],
      ]);
  }
}

/** A star of five points. */
function star(x: number, y: number): string {
  const corners = Array.from({ length: 10 }, (_, at) => {
    const radius = at % 2 === 0 ? 8 : 3.4;
    const angle = (Math.PI * at) / 5 - Math.PI / 2;
    return `${px(x + radius * Math.cos(angle))} ${px(y + radius * Math.sin(angle))}`;
  });
  return `M${corners.join('L')}Z`;
}

/** Values that the axes must span even where no series reaches them, so that panels share an axis. */
export interface Span {
  readonly x?: readonly number[];
  readonly y?: readonly number[];
}

/** The figure without a legend; see {@link legend}. */
export function plane(
  series: readonly PlaneSeries[],
  words: { readonly title: string; readonly x: Axis; readonly y: Axis },
  span: Span = {},
): Markup {
  const places = series.flatMap(({ marks = [], lines = [], stars = [] }) => [...marks, ...lines.flat(), ...stars]);
  const make = (
    { log, text }: Axis,
    values: readonly number[],
    range: readonly [number, number],
    ticks: number,
  ): Scale => {
    if (log) return logScale(values, range, text ?? powerText);
    const made = scale(values, range, ticks);
    return text
      ? Object.assign((value: number) => made(value), {
          ...made,
          domain: made.domain,
          ticks: made.ticks,
          decimals: made.decimals,
          label: text,
        })
      : made;
  };
  const x = make(
    words.x,
    [...places.map((place) => place.x), ...(span.x ?? [])],
    [frame.left, frame.width - frame.right],
    5,
  );
  const y = make(
    words.y,
    [...places.map((place) => place.y), ...(span.y ?? [])],
    [frame.height - frame.bottom, frame.top],
    5,
  );
  return framed(frame, x, y, { title: words.title, x: words.x.label, y: words.y.label }, [
    series.map(({ style, lines = [] }) => {
      const { className, dash } = seriesStyle(style);
      return lines
        .filter((line) => line.length > 1)
        .map(
          (line) =>
            html`<path class="line thin ${className}" stroke-dasharray="${dash}" d="M${line.map((place) => `${px(x(place.x))} ${px(y(place.y))}`).join('L')}"/>`,
        );
    }),
    series.map(({ style, marks = [] }) =>
      marks.map(
        (mark) =>
          html`<path class="mark ${seriesStyle(style).className}" d="${shape(style, x(mark.x), y(mark.y))}"><title>${mark.title}</title></path>`,
      ),
    ),
    series.map(({ style, stars = [] }) =>
      stars.map(
        (each) =>
          html`<path class="mark star ${seriesStyle(style).className}" d="${star(x(each.x), y(each.y))}"><title>${each.title}</title></path>`,
      ),
    ),
  ]);
}

/** Names of the series with their colour, dash and shape. */
export function legend(series: readonly { readonly name: string; readonly style: number }[]): Markup {
  return html`<ul class="legend">${series.map(({ name, style }) => {
    const { className, dash } = seriesStyle(style);
    return html`<li><svg viewBox="0 0 32 12" width="32" height="12" aria-hidden="true"><path class="line thin ${className}" stroke-dasharray="${dash}" d="M1 6H31"/><path class="mark ${className}" d="${shape(style, 16, 6)}"/></svg>${name}</li>`;
  })}</ul>`;
}
