import { type Content, html, type Markup } from './markup.ts';

/** A column of a table: what its head says and how its cells are set. */
export interface Column {
  readonly head: Content;
  /** Figures are set flush right so that their digits align; names stay on one line. */
  readonly kind?: 'number' | 'name' | 'wide';
}

/** A table that scrolls within its own width where the page is narrow. A row that is markup already is set as it is. */
export function table(columns: readonly Column[], rows: readonly (readonly Content[] | Markup)[]): Markup {
  const cells = (row: readonly Content[]) =>
    columns.map(({ kind }, index) => html`<td class="${kind ?? ''}">${row[index]}</td>`);
  return html`<div class="scroll"><table><thead><tr>${columns.map(
    ({ head, kind }) => html`<th scope="col" class="${kind ?? ''}">${head}</th>`,
  )}</tr></thead><tbody>${rows.map((row) => ('text' in row ? row : html`<tr>${cells(row)}</tr>`))}</tbody></table></div>`;
}

/** A row across all columns that names the rows under it. */
export function groupRow(columns: number, text: string): Markup {
  return html`<tr class="group"><th scope="rowgroup" colspan="${columns}">${text}</th></tr>`;
}

/** A section of the page; `anchor` is a fixed word of this program, never data. */
export function section(anchor: string, title: string, content: Content): Markup {
  return html`<section id="${anchor}"><h2>${title}</h2>${content}</section>`;
}
