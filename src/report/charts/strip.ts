import { type Architecture, runLengthText, runs } from '../../domain/architecture.ts';
import { html, type Markup } from '../markup.ts';
import { primitiveClass } from '../palette.ts';

const height = 20;
const cell = 20;
/** Deeper stacks are drawn by runs, each as wide as its depth. */
const deepest = 24;
const deepWidth = 480;

/** An architecture from the input (left) to the output, one coloured cell per layer or, where it is deep, per run. */
export function strip(architecture: Architecture): Markup {
  const deep = architecture.length > deepest;
  const unit = deep ? deepWidth / architecture.length : cell;
  const width = architecture.length * unit;
  const blocks = deep ? runs(architecture) : architecture.map((primitive) => ({ primitive, length: 1 }));
  let at = 0;
  const cells = blocks.map(({ primitive, length }) => {
    const x = at;
    at += length * unit;
    const text = length > 1 ? `${length}${primitive}` : primitive;
    const fits = length * unit >= text.length * 7;
    return html`<rect class="${primitiveClass[primitive]}" x="${x.toFixed(1)}" y="0" width="${(length * unit).toFixed(1)}" height="${height}"/>${
      fits
        ? html`<text class="on-${primitiveClass[primitive]}" x="${(x + (length * unit) / 2).toFixed(1)}" y="14" text-anchor="middle">${text}</text>`
        : null
    }`;
  });
  const title = runLengthText(architecture);
  return html`<svg class="strip" viewBox="0 0 ${width.toFixed(1)} ${height}" width="${width.toFixed(1)}" height="${height}" role="img" aria-label="${title}"><title>${title}</title>${cells}</svg>`;
}
