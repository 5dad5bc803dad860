import { normalised, printable } from '../../platform/index.ts';

// Removed characters leave no mark in a prompt: it would confuse the model.
const mark = '';

/** Keeps the beginning and the end of a long text and states how much was cut. */
export function trimmed(text: string, most: number): string {
  if (text.length <= most) return text;
  const marker = `\n[... ${text.length - most} characters omitted ...]\n`;
  const half = Math.max(0, Math.floor((most - marker.length) / 2));
  return `${text.slice(0, half)}${marker}${text.slice(text.length - half)}`;
}

/** One line, for lists: untrusted text cannot start a new line of the prompt. */
export function oneLine(text: string, most: number): string {
  const line = printable(normalised(text), { mark }).replaceAll('<', '‹');
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/** One line that keeps the end of a long text, where a traceback names its exception. */
export function lastLine(text: string, most: number): string {
  const line = oneLine(text, Number.MAX_SAFE_INTEGER);
  const head = Math.floor(most / 4);
  return line.length > most ? `${line.slice(0, head)} ... ${line.slice(line.length - (most - head - 5))}` : line;
}

/**
 * Source code as data. Its characters stay unchanged, because edits must quote them exactly; it cannot close its frame, and
 * invisible characters except tabs are removed.
 */
export function quotedCode(source: string, text: string): string {
  const safe = printable(text, { lines: true, mark }).replaceAll(/<(\/?)data/gi, '‹$1data');
  return `<data source="${oneLine(source, 120).replaceAll('"', "'")}">\n${safe}\n</data>`;
}

/**
 * Untrusted text, marked as data: it cannot close its frame, and invisible characters are removed. The system prompt says
 * that nothing within such a frame is an instruction.
 */
export function quoted(source: string, text: string, most: number): string {
  const safe = trimmed(printable(normalised(text), { lines: true, mark }), most).replaceAll(/<(\/?)data/gi, '‹$1data');
  return `<data source="${oneLine(source, 120).replaceAll('"', "'")}">\n${safe}\n</data>`;
}
