import { cleanText } from './text.ts';

/** More words than this make a query slow and no better. */
const mostWords = 32;
const longestWord = 64;

const commonWords = new Set(
  'a an and are as at be by can do does for from has have how i in into is it its of on or our than that the their then there these this to was we were what when where which while with'.split(
    ' ',
  ),
);

/** The words of a text, lower-case, each once, in order of appearance. */
export function words(text: string): string[] {
  // Letters carry their combining marks along: a script that writes vowels as marks would otherwise fall apart.
  const found =
    cleanText(text)
      .toLowerCase()
      .match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu) ?? [];
  return [...new Set(found.map((word) => word.slice(0, longestWord)))];
}

/** Words without those that every text has. */
export function telling(text: string): string[] {
  return words(text).filter((word) => !commonWords.has(word));
}

const quoted = (word: string): string => `"${word.replaceAll('"', '""')}"`;

/**
 * An FTS5 expression for free text: each word a quoted string, joined by OR, so that no operator, column name or special
 * character of the text can reach FTS5; words of `must` are joined by AND. Null when there is nothing to look for.
 */
export function matchExpression(text: string, must: readonly string[] = []): string | null {
  const all = words(text);
  const content = all.filter((word) => !commonWords.has(word));
  const wanted = (content.length > 0 ? content : all).slice(0, mostWords).map(quoted);
  const required = must.flatMap(words).slice(0, mostWords).map(quoted);
  if (required.length === 0) return wanted.length === 0 ? null : wanted.join(' OR ');
  // The words that need not occur still rank what has all of those that must.
  const extra = wanted.filter((word) => !required.includes(word));
  const every = required.join(' AND ');
  return extra.length === 0 ? every : `(${every}) AND (${[...required, ...extra].join(' OR ')})`;
}
