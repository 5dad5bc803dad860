/** Comparison steps that one decision may take: some 20 ms on one core. */
export const usualSteps = 10_000_000;

/** What is left of the steps of a decision; counted, not timed, so that the decision is the same on every machine (I5). */
export interface Steps {
  left: number;
}

/** How often each code occurs in one list more than in the other: neither insertions nor replacements can be fewer. */
function leastEdits(one: Int32Array, other: Int32Array): number {
  let highest = 0;
  for (const code of one) if (code > highest) highest = code;
  for (const code of other) if (code > highest) highest = code;
  const balance = new Int32Array(highest + 1);
  for (const code of one) balance[code] = (balance[code] as number) + 1;
  for (const code of other) balance[code] = (balance[code] as number) - 1;
  let [more, fewer] = [0, 0];
  for (const each of balance) {
    if (each > 0) more += each;
    else fewer -= each;
  }
  return Math.max(more, fewer);
}

/**
 * Levenshtein's distance of two lists of small whole numbers where it is below `limit`, else null. Ukkonen's furthest-reaching diagonals: time grows
 * with length times `limit`, not with the product of the lengths.
 *
 * Null as well where the steps run out.
 */
export function editsBelow(limit: number, one: Int32Array, other: Int32Array, steps: Steps): number | null {
  if (Math.abs(one.length - other.length) >= limit || leastEdits(one, other) >= limit) return null;
  const goal = other.length - one.length;
  const width = 2 * limit + 3;
  const middle = limit + 1;
  const unreached = -2;
  // By diagonal: the furthest position in `one` that so many edits reach.
  let before = new Int32Array(width).fill(unreached);
  let now = new Int32Array(width).fill(unreached);
  for (let edits = 0; edits < limit; edits++) {
    for (let diagonal = -edits; diagonal <= edits; diagonal++) {
      const at = middle + diagonal;
      let reached =
        edits === 0
          ? 0
          : Math.max((before[at] as number) + 1, before[at - 1] as number, (before[at + 1] as number) + 1);
      reached = Math.min(reached, one.length, other.length - diagonal);
      if (reached < 0 || reached + diagonal < 0) {
        now[at] = unreached;
        continue;
      }
      const from = reached;
      while (reached < one.length && reached + diagonal < other.length && one[reached] === other[reached + diagonal]) {
        reached++;
      }
      steps.left -= 1 + reached - from;
      now[at] = reached;
      if (diagonal === goal && reached === one.length) return edits;
    }
    if (steps.left < 0) return null;
    [before, now] = [now, before];
  }
  return null;
}
