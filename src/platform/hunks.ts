import { structuredPatch } from 'diff';

/** Changed lines with their context; each line starts with `+`, `-`, a blank or `\`. */
export interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

/** Changed lines beyond which a file counts as rewritten. The cost of a diff grows with the square of this number: 20 to 40 ms here. */
const mostEdits = 400;

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

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

/** Differences of two texts, in order; none if they are equal. */
export function hunksOf(name: string, from: string, to: string, context: number): readonly Hunk[] {
  if (from === to) return [];
  const patch = structuredPatch(name, name, from, to, undefined, undefined, { context, maxEditLength: mostEdits });
  return patch?.hunks ?? replaced(linesOf(from), linesOf(to), context);
}
