/** Text that is markup already. Only {@link html} makes it, so that whatever else reaches a page has been escaped. */
import { printable } from '../platform/index.ts';
export class Markup {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  static joined(strings: readonly string[], values: readonly Content[]): Markup {
    return new Markup(strings.map((part, index) => part + render(values[index])).join(''));
  }
}

/** What may stand in a page: markup, or anything that is escaped into it. Null, undefined and false leave nothing. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Safe between tags and inside quoted attribute values; an unquoted attribute may not be written at all. */
function escaped(text: string): string {
  return printable(text, { lines: true }).replace(/[&<>"'`]/g, (character) => entities[character] as string);
}

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return escaped(String(value));
}

/** A template of HTML or SVG in which every value is escaped unless it is markup itself. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return Markup.joined(strings, values);
}

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
