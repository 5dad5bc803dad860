// In a prompt nothing stands for what is left out: a model would wonder about the mark.
const mark = '';

/** Keeps the beginning and the end of a long text; what is left out is said. */
import { normalised, printable } from '../../platform/index.ts';
export function trimmed(text: string, most: number): string {
  if (text.length <= most) return text;
  const marker = `\n[... ${text.length - most} characters left out ...]\n`;
  const half = Math.max(0, Math.floor((most - marker.length) / 2));
  return `${text.slice(0, half)}${marker}${text.slice(text.length - half)}`;
}

/** One line, for lists: what others wrote cannot begin a line of the prompt. */
export function oneLine(text: string, most: number): string {
  const line = printable(normalised(text), { mark }).replaceAll('<', '‹');
  return line.length > most ? `${line.slice(0, most - 3)}...` : line;
}

/**
 * Source code as data. Its characters stay as they are, since edits have to quote them exactly; it cannot close its own
 * frame, and what is invisible is removed, but for tabs.
 */
export function quotedCode(source: string, text: string): string {
  const safe = printable(text, { lines: true, mark }).replaceAll(/<(\/?)data/gi, '‹$1data');
  return `<data source="${oneLine(source, 120).replaceAll('"', "'")}">\n${safe}\n</data>`;
}

/**
 * Text that somebody else wrote, marked as data: it cannot close its own frame, and what is invisible is removed. The
 * system prompt says that nothing within such a frame is an instruction.
 */
export function quoted(source: string, text: string, most: number): string {
  const safe = trimmed(printable(normalised(text), { lines: true, mark }), most).replaceAll(/<(\/?)data/gi, '‹$1data');
  return `<data source="${oneLine(source, 120).replaceAll('"', "'")}">\n${safe}\n</data>`;
}
