import { jsonLine } from '../platform/index.ts';

/**
 * Longest answer of a tool in bytes of UTF-8: about 8,000 tokens, at three bytes each. Clients cut or refuse longer ones
 * (Claude Code at 25,000 tokens by default).
 */
export const maxAnswerBytes = 24_000;

const bytesOf = (value: unknown): number => Buffer.byteLength(jsonLine(value));

/** A part of a list, and where the next part begins; null at the end. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: number | null;
}

/** The items from `from` on that fit into `room` bytes of JSON, at least one. */
export function pageOf<T>(items: readonly T[], from: number, room: number): Page<T> {
  const page: T[] = [];
  let used = 0;
  for (const item of items.slice(from)) {
    used += bytesOf(item) + 1;
    if (page.length > 0 && used > room) break;
    page.push(item);
  }
  const end = from + page.length;
  return { items: page, next: end < items.length ? end : null };
}

/** A part of a text, and the offset of the next part in UTF-16 units; null at the end. */
export interface TextPage {
  readonly text: string;
  readonly next: number | null;
}

const splitsPair = (text: string, end: number): boolean =>
  /[\ud800-\udbff]/.test(text.charAt(end - 1)) && /[\udc00-\udfff]/.test(text.charAt(end));

/** The text from `from` on, as much as fits into `room` bytes of JSON; never ends within a character. */
export function textPageOf(text: string, from: number, room: number): TextPage {
  let [low, high] = [from, Math.min(text.length, from + room)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (bytesOf(text.slice(from, middle)) <= room) low = middle;
    else high = middle - 1;
  }
  const end = low > from + 1 && splitsPair(text, low) ? low - 1 : low;
  return { text: text.slice(from, end), next: end < text.length ? end : null };
}
