import { structuredPatch } from 'diff';

/** A stretch of lines that differ, with what stands around them; each line begins with `+`, `-`, a blank or `\`. */
export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

/**
 * Lines that may be removed and added before a file counts as written anew. The cost of a difference grows with the square of
 * this number: 20 to 40 ms at this one.
 */
const mostEdits = 400;

/** Common lines at either end stay; what lies between is replaced as a whole. */
function replaced(from: readonly string[], to: readonly string[], context: number): Hunk[] {
  let [head, tail] = [0, 0];
  const least = Math.min(from.length, to.length);
  while (head < least && from[head] === to[head]) head++;
  while (tail < least - head && from[from.length - 1 - tail] === to[to.length - 1 - tail]) tail++;
  const before = from.slice(Math.max(0, head - context), head);
  const after = from.slice(from.length - tail, from.length - tail + context);
  const removed = from.slice(head, from.length - tail);
  const added = to.slice(head, to.length - tail);
  // As the library has it: an empty stretch is named by the line that follows it.
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

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** What differs between two texts, in the order of their lines; none where they are equal. */
export function hunksOf(name: string, from: string, to: string, context: number): readonly Hunk[] {
  if (from === to) return [];
  const patch = structuredPatch(name, name, from, to, undefined, undefined, { context, maxEditLength: mostEdits });
  return patch?.hunks ?? replaced(linesOf(from), linesOf(to), context);
}
