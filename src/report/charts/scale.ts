import { extent, nice, ticks } from 'd3-array';
import { metricValue } from '../../domain/task.ts';
import type { MetricDirection } from '../../views/index.ts';
import { type Content, html, type Markup } from '../markup.ts';

/** A linear map from data to pixels, with the round values marked on its axis. */
export interface Scale {
  (value: number): number;
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** Decimals needed to distinguish neighbouring ticks. */
  readonly decimals: number;
  /** Text at a tick. */
  readonly label: (tick: number) => string;
}

/** Values closer than this count as equal: ticks between them would need more digits than a double has. */
const minRange = 1e-9;

/**
 * A scale over all finite values, rounded outwards to whole ticks. Equal values get a margin on each side.
 *
 * @param range pixels of the domain's ends; may be descending.
 * @param whole mark integers only, for counts.
 */
export function scale(
  values: readonly number[],
  range: readonly [number, number],
  tickCount: number,
  whole = false,
): Scale {
  const [low, high] = extent(values.filter(Number.isFinite));
  const bottom = low ?? 0;
  const top = high ?? 1;
  const margin = top - bottom < minRange ? Math.max(Math.abs(bottom) * 0.05, 0.01) : 0;
  const domain = nice(bottom - margin, top + margin, tickCount);
  const marks = ticks(domain[0], domain[1], tickCount).filter((tick) => !whole || Number.isInteger(tick));
  const step = (marks[1] ?? domain[1]) - (marks[0] ?? domain[0]);
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const map = (value: number) => range[0] + ((value - domain[0]) / (domain[1] - domain[0])) * (range[1] - range[0]);
  const label = (tick: number) => tick.toFixed(decimals);
  return Object.assign(map, { domain: [domain[0], domain[1]] as const, ticks: marks, decimals, label });
}

/** The same scale, labelled with the metric instead of fitness. */
export function metricScale(fitness: Scale, { lowerIsBetter }: MetricDirection): Scale {
  const label = (tick: number) => metricValue(tick, lowerIsBetter).toFixed(fitness.decimals);
  const { domain, ticks: marks, decimals } = fitness;
  return Object.assign((value: number) => fitness(value), { domain, ticks: marks, decimals, label });
}

/** A pixel position, short enough for markup. */
export const px = (value: number): string => String(Number(value.toFixed(2)));

/**
 * Moves labels apart that would overlap: preserves their order, leaves at least `gap` between them, and stays within
 * [low, high] if they fit.
 *
 * @returns positions in the order of `targets`.
 */
export function spread(targets: readonly number[], gap: number, low: number, high: number): number[] {
  const order = targets
    .map((target, index) => ({ target, index }))
    .sort((a, b) => a.target - b.target || a.index - b.index);
  const placed: number[] = [];
  for (const [rank, { target }] of order.entries()) {
    placed.push(Math.max(target, low, rank === 0 ? low : (placed[rank - 1] as number) + gap));
  }
  for (let rank = placed.length - 1; rank >= 0; rank--) {
    const ceiling = rank === placed.length - 1 ? high : (placed[rank + 1] as number) - gap;
    placed[rank] = Math.min(placed[rank] as number, ceiling);
  }
  const result = new Array<number>(targets.length);
  for (const [rank, { index }] of order.entries()) result[index] = placed[rank] as number;
  return result;
}

/** The plot area within a chart, in pixels. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Labelled axes with horizontal grid lines, under `content`. */
export function framed(
  frame: Frame,
  x: Scale,
  y: Scale,
  text: { readonly title: string; readonly x: string; readonly y: string },
  content: Content,
): Markup {
  const { width, height, left, right, top, bottom } = frame;
  const floor = height - bottom;
  return html`<svg class="chart" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${text.title}">
<title>${text.title}</title>
${y.ticks.map(
  (tick) => html`<line class="grid" x1="${left}" x2="${width - right}" y1="${px(y(tick))}" y2="${px(y(tick))}"/>
<text class="tick" x="${left - 6}" y="${px(y(tick))}" dy="0.32em" text-anchor="end">${y.label(tick)}</text>`,
)}
<line class="axis" x1="${left}" x2="${width - right}" y1="${floor}" y2="${floor}"/>
${x.ticks.map(
  (tick) => html`<line class="axis" x1="${px(x(tick))}" x2="${px(x(tick))}" y1="${floor}" y2="${floor + 4}"/>
<text class="tick" x="${px(x(tick))}" y="${floor + 16}" text-anchor="middle">${x.label(tick)}</text>`,
)}
<text class="label" x="${px((left + width - right) / 2)}" y="${height - 4}" text-anchor="middle">${text.x}</text>
<text class="label" x="${left - 6}" y="${top - 12}" text-anchor="start">${text.y}</text>
${content}
</svg>`;
}
