import type { Pattern } from '../../aggregation/index.ts';
import { type Architecture, runLengthText, runs, runText } from '../../domain/architecture.ts';
import { primitiveText } from '../../domain/primitive.ts';
import { html, type Markup } from '../markup.ts';
import { primitiveClass } from '../style.ts';
import { px, type Scale } from './scale.ts';

const height = 20;
const cell = 20;
/** Deeper stacks are drawn by runs, each as wide as its depth. */
const maxCells = 24;
const deepWidth = 480;

/** An architecture from input (left) to output: one coloured cell per layer, or per run if it is deep. */
export function strip(architecture: Architecture): Markup {
  const deep = architecture.length > maxCells;
  const unit = deep ? deepWidth / architecture.length : cell;
  const width = architecture.length * unit;
  const blocks = deep ? runs(architecture) : architecture.map((primitive) => ({ primitive, length: 1 }));
  let at = 0;
  const cells = blocks.map(({ primitive, length }) => {
    const x = at;
    at += length * unit;
    const text = runText({ primitive, length });
    const fits = length * unit >= text.length * 7;
    return html`<rect class="${primitiveClass(primitive)}" x="${x.toFixed(1)}" y="0" width="${(length * unit).toFixed(1)}" height="${height}"/>${
      fits
        ? html`<text class="on-${primitiveClass(primitive)}" x="${(x + (length * unit) / 2).toFixed(1)}" y="14" text-anchor="middle">${text}</text>`
        : null
    }`;
  });
  const title = runLengthText(architecture);
  return html`<svg class="strip" viewBox="0 0 ${width.toFixed(1)} ${height}" width="${width.toFixed(1)}" height="${height}" role="img" aria-label="${title}"><title>${title}</title>${cells}</svg>`;
}

const columnWidth = 20;
const barHeight = 72;
const chosenHeight = 20;

/**
 * The vote on every layer: a stacked column of shares per primitive over the winner's letters. A dot marks a tie decided
 * by mean score.
 */
export function votes(pattern: Pattern): Markup {
  const width = pattern.layers.length * columnWidth;
  const height = barHeight + 8 + chosenHeight + 14;
  const columns = pattern.layers.map(({ winner, votes: counts, voters, tied }, layer) => {
    const x = layer * columnWidth;
    let top = 0;
    const bars = Object.entries(counts).map(([primitive, votes]) => {
      const share = votes / voters;
      if (share === 0) return null;
      const y = top;
      top += share * barHeight;
      return html`<rect class="${primitiveClass(primitive)}" x="${x}" y="${y.toFixed(2)}" width="${columnWidth}" height="${(share * barHeight).toFixed(2)}"><title>layer ${layer}: ${primitiveText(primitive).title} ${votes} of ${voters}</title></rect>`;
    });
    const below = barHeight + 8;
    return html`${bars}<rect class="${primitiveClass(winner)}" x="${x}" y="${below}" width="${columnWidth}" height="${chosenHeight}"/>
<text class="on-${primitiveClass(winner)}" x="${x + columnWidth / 2}" y="${below + 14}" text-anchor="middle">${winner}</text>
${tied ? html`<circle class="tie" cx="${x + columnWidth / 2}" cy="${below - 4}" r="2"><title>a tie, decided by the voters' mean score</title></circle>` : null}
${layer % 5 === 0 ? html`<text class="tick" x="${x + columnWidth / 2}" y="${height - 2}" text-anchor="middle">${layer}</text>` : null}`;
  });
  const title = `votes per layer, N${pattern.conditioning}`;
  return html`<svg class="votes" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}"><title>${title}</title>${columns}</svg>`;
}

export const whiskerWidth = 140;

/**
 * A mean with its error bar and the scores of single seeds, on the scale shared by the table.
 *
 * @param reach half-length of the bar, in score units; null if the noise is unknown.
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
