import { printable } from '../platform/printable.ts';

/** Text that is markup already. Only {@link html} makes it, so that whatever else reaches a page has been escaped. */
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
