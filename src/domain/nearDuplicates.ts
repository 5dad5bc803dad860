import * as z from 'zod';
import type { AgentName, NodeId } from './ids.ts';
import { parseProgram } from './program.ts';

/** Whose attempts an agent remembers: its own, or those of the whole ensemble as well. */
export const memorySchema = z.enum(['own', 'ensemble']);
export type MemoryScope = z.infer<typeof memorySchema>;

/** What counts as new. Without it everything is that is not a candidate of the agent's memory already. */
export const noveltySchema = z.strictObject({
  /**
   * A candidate closer than this to one in the agent's memory is not evaluated. Counted in edits of layers, or of lines of
   * programs, blanks and comments apart. 1 refuses equals alone.
   */
  distance: z.int().min(1).max(512),
});
export type Novelty = z.infer<typeof noveltySchema>;

/** What an agent's choice of memory says; the rest of its specification does not matter here. */
export interface DuplicateRules {
  readonly name: AgentName;
  readonly pending: number;
  readonly memory?: MemoryScope | undefined;
  readonly novelty?: Novelty | undefined;
}

/** The last attempt, of whichever agent, whose outcome attempt `ordinal` of an agent may know (V1 of memory/views.ts). */
export const horizonOf = (ordinal: number, { pending }: Pick<DuplicateRules, 'pending'>): number =>
  Math.max(0, ordinal - pending);

/** A candidate that was taken up before. */
export interface Known {
  readonly id: NodeId;
  readonly candidate: string;
}

export interface NearDuplicate {
  readonly id: NodeId;
  /** Edits of layers or lines from one to the other. */
  readonly distance: number;
}

/** What an edit changes one of: a layer, or a line of a program that says something. */
function partsOf(candidate: string): readonly string[] {
  if (!candidate.startsWith('{')) return candidate.split(' ');
  return Object.entries(parseProgram(candidate)).flatMap(([name, text]) =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => `${name}: ${line}`),
  );
}

/** Lists of codes that are at hand, and how many codes they may hold together: 16 MiB. */
const mostCodes = 4 * 2 ** 20;

/**
 * A number for each different part, so that lists of numbers stand for candidates.
 *
 * Role: reads a candidate once, although every later one is compared with it. Non-role: what is close.
 *
 * C1. Equal parts have equal numbers as long as no list is forgotten; all are forgotten together.
 * C2. Memory is bounded, whatever is asked.
 */
class PartCodes {
  #codes = new Map<string, number>();
  #lists = new Map<string, Int32Array>();
  #size = 0;

  /** The lists of two candidates, by one numbering. */
  pair(one: string, other: string): readonly [Int32Array, Int32Array] {
    if (this.#size > mostCodes) {
      this.#codes = new Map();
      this.#lists = new Map();
      this.#size = 0;
    }
    return [this.#list(one), this.#list(other)];
  }

  #list(candidate: string): Int32Array {
    const known = this.#lists.get(candidate);
    if (known) return known;
    const list = Int32Array.from(partsOf(candidate), (part) => {
      const code = this.#codes.get(part) ?? this.#codes.size;
      this.#codes.set(part, code);
      return code;
    });
    this.#lists.set(candidate, list);
    this.#size += list.length + 16;
    return list;
  }
}

const partCodes = new PartCodes();

/**
 * The first of `known` that is closer to `candidate` than novelty asks for, an equal one before any other; null where the
 * candidate is new. Distance is Levenshtein's over layers or lines: shifting a block by one layer costs two edits, however long
 * the block is.
 *
 * The work is bounded by a number of steps: where a memory full of very long programs uses them up, the rest of it counts as far
 * away.
 */
export function findNearDuplicate(candidate: string, known: readonly Known[], novelty?: Novelty): NearDuplicate | null {
  const equal = known.find((each) => each.candidate === candidate);
  if (equal) return { id: equal.id, distance: 0 };
  const least = novelty?.distance ?? 1;
  if (least <= 1) return null;
  const steps: Steps = { left: defaultSteps };
  for (const each of known) {
    const distance = editsBelow(least, ...partCodes.pair(candidate, each.candidate), steps);
    if (distance !== null) return { id: each.id, distance };
    if (steps.left < 0) break;
  }
  return null;
}

/** Why a candidate is not new, in words. */
export function describeNearDuplicate({ id, distance }: NearDuplicate, novelty?: Novelty): string {
  if (distance === 0) return `${id} is the same candidate`;
  return `${id} differs by ${distance === 1 ? '1 edit' : `${distance} edits`}, and ${novelty?.distance ?? 1} are asked for`;
}

/** Comparison steps that one decision may take: some 20 ms on one core. */
export const defaultSteps = 10_000_000;

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
