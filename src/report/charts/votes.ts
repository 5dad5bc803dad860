import type { Pattern } from '../../aggregation/index.ts';
import { primitives } from '../../domain/architecture.ts';
import { html, type Markup } from '../markup.ts';
import { primitiveClass, primitiveName } from '../palette.ts';

const columnWidth = 20;
const barHeight = 72;
const chosenHeight = 20;

/**
 * The vote on every layer: a column of shares per primitive, stacked in one order throughout, over the winner's letters.
 * A tie that the scores decided is marked by a dot.
 */
export function votes(pattern: Pattern): Markup {
  const width = pattern.layers.length * columnWidth;
  const height = barHeight + 8 + chosenHeight + 14;
  const columns = pattern.layers.map(({ winner, votes: counts, voters, tied }, layer) => {
    const x = layer * columnWidth;
    let top = 0;
    const bars = primitives.map((primitive) => {
      const share = counts[primitive] / voters;
      if (share === 0) return null;
      const y = top;
      top += share * barHeight;
      return html`<rect class="${primitiveClass[primitive]}" x="${x}" y="${y.toFixed(2)}" width="${columnWidth}" height="${(share * barHeight).toFixed(2)}"><title>layer ${layer}: ${primitiveName[primitive]} ${counts[primitive]} of ${voters}</title></rect>`;
    });
    const below = barHeight + 8;
    return html`${bars}<rect class="${primitiveClass[winner]}" x="${x}" y="${below}" width="${columnWidth}" height="${chosenHeight}"/>
<text class="on-${primitiveClass[winner]}" x="${x + columnWidth / 2}" y="${below + 14}" text-anchor="middle">${winner}</text>
${tied ? html`<circle class="tie" cx="${x + columnWidth / 2}" cy="${below - 4}" r="2"><title>a tie, decided by the voters' scores</title></circle>` : null}
${layer % 5 === 0 ? html`<text class="tick" x="${x + columnWidth / 2}" y="${height - 2}" text-anchor="middle">${layer}</text>` : null}`;
  });
  const title = `votes per layer, N${pattern.conditioning}`;
  return html`<svg class="votes" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}"><title>${title}</title>${columns}</svg>`;
}
