/**
 * Text that someone else wrote, made fit for a terminal, a page, a log or a prompt. The one place that decides which
 * characters may be shown.
 */

export interface PrintableOptions {
  /** Keep line breaks and tabs; without it, the text becomes one line. */
  readonly lines?: boolean;
  /** At most so many UTF-16 units, the mark of the cut included. */
  readonly width?: number;
  /** Stands for a character that must not be shown; U+FFFD by default. */
  readonly mark?: string;
}

// Colours and cursor movements (CSI), titles and links (OSC), with either form of their first character. Linear: no two parts
// that follow each other share a character.
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)/g;
// Whatever ends a line somewhere: in a terminal, in JavaScript, in Python's splitlines().
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
const lineEnds = /\r\n|[\r\n\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/g;
// Controls, marks that reorder text, halves of surrogate pairs, characters without a public meaning.
const unshowable = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Cs}\p{Co}]/gu;
// Zero-width characters, joiners, soft hyphens, variation selectors, the tag block: read by programs and seen by nobody.
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;
// Accents piled upon each other reach into other lines, and are normalised in quadratic time. Unicode's stream-safe format has
// the same limit.
const piled = /(\p{M}{30})\p{M}+/gu;

/** What may be cut off before any expression is run: sequences and invisible characters count, too. */
const slack = 8;

/** The text with at most `width` UTF-16 units, cut at its end, never within a character. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = width - 1;
  if (end < 0) return '';
  const splits = /[\ud800-\udbff]/.test(text.charAt(end - 1));
  return `${text.slice(0, splits ? end - 1 : end)}…`;
}

/**
 * The text without anything that a terminal would act on or a reader could not see: control characters, escape sequences,
 * marks that reorder, zero-width characters, tags, lone surrogates. In one line, unless `lines` is set.
 */
export function printable(text: string, { lines = false, width, mark = '\ufffd' }: PrintableOptions = {}): string {
  const most = width === undefined ? text.length : slack * width + 1000;
  const shown = text
    .slice(0, most)
    .replace(sequences, '')
    .replace(lineEnds, '\n')
    .replace(unshowable, mark)
    .replace(invisible, '')
    .replace(piled, '$1');
  const formed = lines ? shown : shown.replace(/\s+/g, ' ').trim();
  if (width === undefined) return formed;
  return cut(text.length > most ? `${formed}…` : formed, width);
}

/** NFKC, in time that grows with the length of the text alone. */
export function normalised(text: string): string {
  return text.replace(piled, '$1').normalize('NFKC');
}

// What JSON lets through and a terminal acts on, or nobody sees.
const unsafeInJson = /[\u007f-\u009f\u2028\u2029\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/gu;

const escaped = (character: string): string =>
  [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');

/** A value as one line of JSON, as it is, but with every character escaped that {@link printable} would not show. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unsafeInJson, escaped);
}
