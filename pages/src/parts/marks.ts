import type uPlot from 'uplot';

/** Marks of points: six shapes, so that series differ without colour; and a star, for minima. */
const polygon = (corners: readonly (readonly [number, number])[]) => (x: number, y: number, unit: number) =>
  `M${corners.map(([dx, dy]) => `${(x + unit * dx).toFixed(1)} ${(y + unit * dy).toFixed(1)}`).join('L')}Z`;

const circle = polygon(
  Array.from({ length: 24 }, (_, at) => [4 * Math.cos((Math.PI * at) / 12), 4 * Math.sin((Math.PI * at) / 12)]),
);
const star = polygon(
  Array.from({ length: 10 }, (_, at) => {
    const radius = at % 2 === 0 ? 8 : 3.4;
    const angle = (Math.PI * at) / 5 - Math.PI / 2;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  }),
);
const shapes = [
  circle,
  polygon([
    [-3.6, -3.6],
    [3.6, -3.6],
    [3.6, 3.6],
    [-3.6, 3.6],
  ]),
  polygon([
    [0, -4.8],
    [4.6, 3.6],
    [-4.6, 3.6],
  ]),
  polygon([
    [0, -5],
    [5, 0],
    [0, 5],
    [-5, 0],
  ]),
  polygon([
    [0, 4.8],
    [4.6, -3.6],
    [-4.6, -3.6],
  ]),
  polygon([
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
  ]),
];

/** The outline of a mark around a place, in the syntax of SVG paths, which a canvas reads too. */
export const markPath = (style: number | 'star', x: number, y: number, unit = 1): string =>
  (style === 'star' ? star : (shapes[style % shapes.length] as typeof circle))(x, y, unit);

/** Draws the points of a series of uPlot by these marks. */
export const markPaths =
  (style: number | 'star'): uPlot.Series.Points.PathBuilder =>
  (plot, series, from, to, chosen) => {
    const paths = new Path2D();
    const values = plot.data[series] ?? [];
    const scale = plot.series[series]?.scale ?? 'y';
    const indices = chosen ?? Array.from({ length: to - from + 1 }, (_, at) => from + at);
    for (const index of indices) {
      const value = values[index];
      if (value === null || value === undefined) continue;
      const x = plot.valToPos(plot.data[0][index] as number, 'x', true);
      paths.addPath(new Path2D(markPath(style, x, plot.valToPos(value, scale, true), devicePixelRatio)));
    }
    return { stroke: null, fill: paths };
  };

/** A mark somewhere, and what the legend says of it. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  readonly note?: string;
}

/** Series of marks over one x, which may have a value several times. */
export function columnsOf(series: readonly (readonly Mark[])[]): {
  x: number[];
  values: (number | null)[][];
  notes: (string | null)[][];
} {
  const all = series
    .flatMap((marks, at) => marks.map((mark) => ({ ...mark, at })))
    .sort((a, b) => a.x - b.x || a.at - b.at || a.y - b.y);
  const column = <Value>(value: (mark: (typeof all)[number]) => Value | null) =>
    series.map((_, at) => all.map((mark) => (mark.at === at ? value(mark) : null)));
  return { x: all.map(({ x }) => x), values: column(({ y }) => y), notes: column(({ note }) => note ?? null) };
}
