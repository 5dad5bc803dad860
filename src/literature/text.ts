import { normalised, printable } from '../platform/printable.ts';

/**
 * Text from outside, made fit to be shown: what is invisible to a reader is invisible to a model too, and no item is long
 * enough to crowd out the rest.
 */

/** Bytes of UTF-8 that one item may bring. */
export const textCap = 8 * 1024;

// Marks of direction may stand within a word, which must be found all the same.
const shown = (text: string): string => printable(text.replace(/\p{Bidi_Control}/gu, ''), { lines: true, mark: ' ' });
const comment = /<!--[\s\S]*?(?:-->|$)/g;

/** NFKC, without invisible characters, control characters and HTML comments; runs of blanks become one. Idempotent. */
export function cleanText(raw: string): string {
  // Twice, since composing may bring forth what is not to be shown.
  return normalised(shown(normalised(shown(raw.replaceAll('\r', '\n')))))
    .replace(comment, ' ')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** The longest beginning of at most `cap` bytes of UTF-8 that splits no character. */
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
