/** Text that is already markup. Only {@link html} creates it, so everything else on a page has been escaped. */
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

/** Content of a page: markup, or anything that is escaped into it. Null, undefined and false render as nothing. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Safe between tags and inside quoted attribute values, but not in unquoted attributes. */
function escaped(text: string): string {
  return printable(text, { lines: true }).replace(/[&<>"'`]/g, (character) => entities[character] as string);
}

function render(value: Content): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  return escaped(String(value));
}

/** A template of HTML or SVG in which every value is escaped unless it is markup. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return Markup.joined(strings, values);
}

/** A table column: its head and how its cells are set. */
export interface Column {
  readonly head: Content;
  /** Numbers are right-aligned so that their digits line up; names do not wrap. */
  readonly kind?: 'number' | 'name' | 'wide';
}

/** A table that scrolls horizontally on a narrow page. A row that is markup is inserted as is. */
export function table(columns: readonly Column[], rows: readonly (readonly Content[] | Markup)[]): Markup {
  const cells = (row: readonly Content[]) =>
    columns.map(({ kind }, index) => html`<td class="${kind ?? ''}">${row[index]}</td>`);
  return html`<div class="scroll"><table><thead><tr>${columns.map(
    ({ head, kind }) => html`<th scope="col" class="${kind ?? ''}">${head}</th>`,
  )}</tr></thead><tbody>${rows.map((row) => ('text' in row ? row : html`<tr>${cells(row)}</tr>`))}</tbody></table></div>`;
}

/** A full-width row that titles the rows below it. */
export function groupRow(columns: number, text: string): Markup {
  return html`<tr class="group"><th scope="rowgroup" colspan="${columns}">${text}</th></tr>`;
}

/** A section of the page; `anchor` must be a constant, never data. */
export function section(anchor: string, title: string, content: Content): Markup {
  return html`<section id="${anchor}"><h2>${title}</h2>${content}</section>`;
}
