import { html, type Markup } from '../markup.ts';
import { px, type Scale } from './scale.ts';

export const whiskerWidth = 140;

/**
 * A mean with its error bar over the scores of single seeds, on a scale that all rows of a table share.
 *
 * @param reach length of the bar on each side, in units of the score; null where the noise is unknown.
 */
export function whisker(scale: Scale, mean: number, reach: number | null, seeds: readonly number[]): Markup {
  const within = (value: number) => px(Math.min(whiskerWidth - 4, Math.max(4, scale(value))));
  return html`<svg class="whisker" viewBox="0 0 ${whiskerWidth} 18" width="${whiskerWidth}" height="18" aria-hidden="true">
<line class="grid" x1="0" x2="${whiskerWidth}" y1="9" y2="9"/>
${seeds.map((seed) => html`<line class="seed" x1="${within(seed)}" x2="${within(seed)}" y1="5" y2="13"/>`)}
${
  reach === null
    ? null
    : html`<line class="bar" x1="${within(mean - reach)}" x2="${within(mean + reach)}" y1="9" y2="9"/>
<line class="bar" x1="${within(mean - reach)}" x2="${within(mean - reach)}" y1="6" y2="12"/>
<line class="bar" x1="${within(mean + reach)}" x2="${within(mean + reach)}" y1="6" y2="12"/>`
}
<circle class="mean" cx="${within(mean)}" cy="9" r="3.5"/></svg>`;
}
