import { expect } from 'vitest';

/** What a finished page is made of, as its tests look at it. */

const parts =
  /^<!doctype html>\n<html lang="en">\n<head>\n(?<head>(?:<meta [^>]*>\n)+<title>(?<title>[^<]*)<\/title>\n)<style>(?<style>[^<]*)<\/style>\n<\/head>\n<body>\n(?<body>.*)\n<script type="application\/json" id="islands">(?<islands>[^<]*)<\/script>\n<script>(?<script>.*?)<\/script>\n<\/body>\n<\/html>\n$/s;

/** The parts of a page; fails if it is not made of exactly these. */
export function partsOf(page: string) {
  const found = parts.exec(page)?.groups;
  if (!found) throw new Error('the page is not made of head, style, body, islands and script');
  const { head = '', title = '', body = '', islands = '', style = '', script = '' } = found;
  return { head, title, body, style, script, islands: JSON.parse(islands) as [string, Record<string, unknown>][] };
}

/** A tag as a browser reads one: `<` and a letter, slash, exclamation or question mark, to the first `>` outside quotes. */
export const tagsOf = (markup: string): string[] => markup.match(/<[a-z/!?](?:"[^"]*"|[^">])*>/gi) ?? [];

/** Tag and attribute names in order, without any value: what a page is built of. */
export function skeleton(page: string): string[] {
  const { head, body, islands } = partsOf(page);
  expect(page).not.toMatch(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u);
  const names = tagsOf(head + body).map((tag) => {
    const name = /^<[/!]?[a-z0-9]+/i.exec(tag)?.[0];
    const attributes = tag.replace(/"[^"]*"/g, '').matchAll(/\s([a-z-]+)/gi);
    return [name, ...[...attributes].map(([, attribute]) => attribute)].join(' ');
  });
  return [...names, ...islands.map(([name]) => `island ${name}`)];
}

/** The text of markup as a person reads it. */
export const textOf = (markup: string): string =>
  markup
    .replace(/<title>.*?<\/title>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replace(/\s+/g, ' ')
    .trim();

export const sectionIds = (page: string): string[] =>
  [...page.matchAll(/<section id="([a-z-]+)"/g)].map(([, id = '']) => id);

/** The markup of a section, which contains no other. */
export function sectionOf(page: string, id: string): string {
  const found = new RegExp(`<section id="${id}"[^>]*>.*?</section>`, 's').exec(page);
  if (!found) throw new Error(`the page has no section ${id}`);
  return found[0];
}

/** The rows of the tables in markup, as text; not those that title others. */
export const rowsOf = (markup: string): string[] => (markup.match(/<tr>.*?<\/tr>/gs) ?? []).map(textOf);

export const hostile = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'><svg onload=alert(1)>",
  '</title><script>alert(1)</script>',
  '</style><script>alert(1)</script>',
  '</pre></code></svg><iframe srcdoc="<script>alert(1)</script>">',
  '" onmouseover="alert(1)" x="',
  "' onfocus='alert(1)' autofocus='",
  '<a href="javascript:alert(1)">x</a>',
  '<!--', // a comment that would swallow the page
  '--><script>alert(1)</script>',
  '<![CDATA[<script>alert(1)</script>]]>',
  '<style>*{background:url(https://example.org/)}</style>',
  '<meta http-equiv="refresh" content="0;url=https://example.org/">',
  '<base href="https://example.org/">',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
  '`$\u007balert(1)}`',
  '<scr\u0000ipt>alert(1)</scr\u0000ipt>',
  '\u202e\u2066<b>reversed',
  '\u001b]0;unterminated',
  '<math><mtext></p><style><img src=x onerror=alert(1)>',
];
