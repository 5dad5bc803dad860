/**
 * Text that people read: what of it may be visible, its colours, the differences of two texts, and the log.
 *
 * Role: makes untrusted text safe for a terminal, page, log or prompt; the only place that decides which characters may be
 * visible. Non-role: what is said.
 */
import { structuredPatch } from 'diff';
import pc from 'picocolors';
import { type Logger, pino } from 'pino';
import { PrerequisiteError } from '../domain/errors.ts';

interface PrintableOptions {
  /** Keep line breaks and tabs; without it, the text becomes one line. */
  readonly lines?: boolean;
  /** Limit in UTF-16 units, including the ellipsis. */
  readonly width?: number;
  /** Replacement of a forbidden character; default U+FFFD. */
  readonly mark?: string;
}

// Colours and cursor movements (CSI), titles and links (OSC), with either introducer. Linear: adjacent parts share no
// characters.
const sequences =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
  /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\u001b\]|\u009d)[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)/g;

// Everything that ends a line somewhere: in a terminal, in JavaScript, in Python's splitlines().
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is to be found
const lineEnds = /\r\n|[\r\n\u000b\u000c\u001c-\u001e\u0085\u2028\u2029]/g;

// Controls, bidirectional marks, unpaired surrogates, private-use and unassigned characters.
const unshowable = /(?![\t\n])[\p{Cc}\p{Bidi_Control}\p{Cs}\p{Co}]/gu;

// Invisible characters that programs read: zero-width, joiners, soft hyphens, variation selectors, tags.
const invisible = /[\p{Default_Ignorable_Code_Point}\p{Cf}]/gu;

// Accents piled upon each other reach into other lines, and are normalised in quadratic time. Unicode's stream-safe format has
// the same limit.
const piled = /(\p{M}{30})\p{M}+/gu;

/** Bound applied before any regular expression: escape sequences and invisible characters count, too. */
const slack = 8;

/** The text cut to `width` UTF-16 units, never within a character. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = width - 1;
  if (end < 0) return '';
  const splits = /[\ud800-\udbff]/.test(text.charAt(end - 1));
  return `${text.slice(0, splits ? end - 1 : end)}…`;
}

/**
 * The text without anything that a terminal acts on or a reader cannot see: control characters, escape sequences,
 * bidirectional marks, zero-width characters, tags, unpaired surrogates. One line, unless `lines` is set.
 */
export function printable(text: string, { lines = false, width, mark = '\ufffd' }: PrintableOptions = {}): string {
  const most = width === undefined ? text.length : slack * width + 1000;
  const visible = text
    .slice(0, most)
    .replace(sequences, '')
    .replace(lineEnds, '\n')
    .replace(unshowable, mark)
    .replace(invisible, '')
    .replace(piled, '$1');
  const formed = lines ? visible : visible.replace(/\s+/g, ' ').trim();
  if (width === undefined) return formed;
  return cut(text.length > most ? `${formed}…` : formed, width);
}

/** NFKC in linear time. */
export function normalised(text: string): string {
  return text.replace(piled, '$1').normalize('NFKC');
}

// Characters valid in JSON that a terminal acts on, or that are invisible.
const unsafeInJson = /[\u007f-\u009f\u2028\u2029\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/gu;

const escaped = (character: string): string =>
  [...Array(character.length).keys()]
    .map((at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`)
    .join('');

/** A value as one line of JSON, with every character escaped that {@link printable} would remove. */
export function jsonLine(value: unknown): string {
  return JSON.stringify(value).replace(unsafeInJson, escaped);
}

// Colours.

export type Colours = ReturnType<typeof pc.createColors>;

export const noColours: Colours = pc.createColors(false);

/** Colours on terminals only: pipes, files and CI logs get plain text. NO_COLOR and FORCE_COLOR (not empty) override, NO_COLOR first. */
export function coloursFor(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Colours {
  if (environment.NO_COLOR) return noColours;
  return pc.createColors(Boolean(environment.FORCE_COLOR) || (stream.isTTY === true && environment.TERM !== 'dumb'));
}

// Differences.

/** Changed lines with their context; each line starts with `+`, `-`, a blank or `\`. */
interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

/** Changed lines beyond which a file counts as rewritten. The cost of a diff grows with the square of this number: 20 to 40 ms here. */
const mostEdits = 400;

/** Differences of two texts, in order; none if they are equal. */
export function hunksOf(name: string, from: string, to: string, context: number): readonly Hunk[] {
  if (from === to) return [];
  const patch = structuredPatch(name, name, from, to, undefined, undefined, { context, maxEditLength: mostEdits });
  return patch?.hunks ?? replaced(linesOf(from), linesOf(to), context);
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** Keeps common lines at both ends and replaces everything between them. */
function replaced(from: readonly string[], to: readonly string[], context: number): Hunk[] {
  let [head, tail] = [0, 0];
  const least = Math.min(from.length, to.length);
  while (head < least && from[head] === to[head]) head++;
  while (tail < least - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) tail++;
  const before = from.slice(Math.max(0, head - context), head);
  const after = from.slice(from.length - tail, from.length - tail + context);
  const removed = from.slice(head, from.length - tail);
  const added = to.slice(head, to.length - tail);
  // As in the library: an empty range is numbered by the line after it.
  const start = head - before.length + 1;
  return [
    {
      oldStart: start,
      oldLines: before.length + removed.length + after.length,
      newStart: start,
      newLines: before.length + added.length + after.length,
      lines: [
        ...before.map((line) => ` ${line}`),
        ...removed.map((line) => `-${line}`),
        ...added.map((line) => `+${line}`),
        ...after.map((line) => ` ${line}`),
      ],
    },
  ];
}

// The log.

export type { Logger } from 'pino';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** @throws PrerequisiteError `log-level` for an unknown level. */
function levelOf(level: string | undefined): string {
  if (level === undefined || level === '') return 'warn';
  if (levels.includes(level)) return level;
  const message = `AIRA_LOG is "${level.slice(0, 40)}", which is not a log level`;
  throw new PrerequisiteError('log-level', message, `set it to ${levels.join(', ')}, or unset it`);
}

/**
 * Diagnostics: JSON lines on stderr, warnings and above unless `AIRA_LOG` says otherwise (`debug`, `info`, `warn`, `error`,
 * `silent`). Messages for users are printed by the command line.
 */
export function createLogger(name: string): Logger {
  return pino(
    {
      name,
      level: levelOf(process.env.AIRA_LOG),
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: ['*.apiKey', '*.authorization', 'headers.authorization'], censor: '[redacted]' },
    },
    // Synchronous, so that the last lines before a crash are not lost.
    pino.destination({ dest: 2, sync: true }),
  );
}
