import { normalised, printable } from '../platform/index.ts';

/**
 * Cleans text from outside: removes what a reader cannot see, because a model would, and caps each item, so that none crowds
 * out the rest.
 */

/** Maximum bytes of UTF-8 per item. */
export const textCap = 8 * 1024;

// Direction marks are removed without a gap, because they may occur within a word.
const visible = (text: string): string => printable(text.replace(/\p{Bidi_Control}/gu, ''), { lines: true, mark: ' ' });
const comment = /<!--[\s\S]*?(?:-->|$)/g;

/** NFKC without invisible characters, control characters and HTML comments; runs of blanks become one. Idempotent. */
export function cleanText(raw: string): string {
  // Twice, because normalisation may produce invisible characters.
  return normalised(visible(normalised(visible(raw.replaceAll('\r', '\n')))))
    .replace(comment, ' ')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** The longest prefix of at most `cap` bytes of UTF-8 that splits no character. */
export function capText(text: string, cap: number = textCap): { text: string; truncated: boolean } {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= cap) return { text, truncated: false };
  let end = cap;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return { text: bytes.subarray(0, end).toString('utf8').trimEnd(), truncated: true };
}

/** One line, clean and capped: for titles, names and notices. */
export function cleanLine(raw: string, cap: number): string {
  return capText(cleanText(raw).replace(/\s+/g, ' '), cap).text;
}

/** More words make a query slower and not better. */
const mostWords = 32;
const longestWord = 64;

const commonWords = new Set(
  'a an and are as at be by can do does for from has have how i in into is it its of on or our than that the their then there these this to was we were what when where which while with'.split(
    ' ',
  ),
);

/** The words of a text, lower-case, each once, in order of appearance. */
export function words(text: string): string[] {
  // Combining marks stay with their letters: scripts that write vowels as marks would be split otherwise.
  const found =
    cleanText(text)
      .toLowerCase()
      .match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  return [...new Set(found.map((word) => word.slice(0, longestWord)))];
}

/** Words without stop words. */
export function contentWords(text: string): string[] {
  return words(text).filter((word) => !commonWords.has(word));
}

const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;

/**
 * An FTS5 expression for free text: each word a quoted string, joined by OR, so that no operator, column name or special
 * character of the text reaches FTS5; words of `must` are joined by AND. Null without words.
 */
export function matchExpression(text: string, must: readonly string[] = []): string | null {
  const all = words(text);
  const content = all.filter((word) => !commonWords.has(word));
  const optional = (content.length > 0 ? content : all).slice(0, mostWords).map(quoted);
  const required = must.flatMap(words).slice(0, mostWords).map(quoted);
  if (required.length === 0) return optional.length === 0 ? null : optional.join(' OR ');
  // Optional words still rank the documents that have all required ones.
  const extra = optional.filter((word) => !required.includes(word));
  const every = required.join(' AND ');
  return extra.length === 0 ? every : `(${every}) AND (${[...required, ...extra].join(' OR ')})`;
}
