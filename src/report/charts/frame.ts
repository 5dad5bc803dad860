import { type Content, html, type Markup } from '../markup.ts';
import { px, type Scale } from './scale.ts';

/** Where the plot area lies within a chart, in pixels. */
export interface Frame {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Axes with horizontal grid lines, both labelled; `content` is drawn over them. */
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
