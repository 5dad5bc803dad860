import * as z from 'zod';
import type { AgentName, NodeId } from './ids.ts';
import { key } from './inputFile.ts';
import { parseProgram } from './program.ts';

/** Whose attempts an agent remembers: its own, or also those of the ensemble. */
export const memorySchema = z.enum(['own', 'ensemble']);
export type MemoryScope = z.infer<typeof memorySchema>;

/** What counts as new; by default every candidate that is not yet in the agent's memory. */
export const noveltySchema = z.strictObject({
  distance: key(z.int().min(1).max(512), {
    does: 'Minimum edit distance to the candidates in memory. 1 rejects equal candidates only.',
    example: 2,
    unit: 'layers, or program lines without blank lines and comments',
  }),
});
export type Novelty = z.infer<typeof noveltySchema>;

/** The part of an agent's specification that concerns its memory. */
export interface DuplicateRules {
  readonly name: AgentName;
  readonly pending: number;
  readonly memory?: MemoryScope | undefined;
  readonly novelty?: Novelty | undefined;
}

/** The last attempt of any agent whose outcome attempt `ordinal` may know (VIE-1 of memory/views.ts). */
export const horizonOf = (ordinal: number, { pending }: Pick<DuplicateRules, 'pending'>): number =>
  Math.max(0, ordinal - pending);

/** An accepted candidate. */
export interface Known {
  readonly id: NodeId;
  readonly candidate: string;
}

export interface NearDuplicate {
  readonly id: NodeId;
  /** Edits of layers or lines. */
  readonly distance: number;
}

/** The units of an edit: layers, or program lines that are neither blank nor comments. */
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

/** Total length of cached code lists: 16 MiB. */
const maxCachedCodes = 4 * 2 ** 20;

/**
 * Integer codes of layers and lines, so that candidates compare as integer lists.
 *
 * Role: encodes each candidate once, although every later one is compared with it. Non-role: deciding what is close.
 *
 * COD-1  Equal parts have equal codes as long as no list is dropped; all lists are dropped together.
 * COD-2  Memory is bounded.
 */
class PartCodes {
  #codes = new Map<string, number>();
  #lists = new Map<string, Int32Array>();
  #size = 0;

  /** The code lists of two candidates, under one encoding. */
  pair(one: string, other: string): readonly [Int32Array, Int32Array] {
    if (this.#size > maxCachedCodes) {
      this.#codes = new Map();
      this.#lists = new Map();
      this.#size = 0;
    }
    return [this.#list(one), this.#list(other)];
  }

  #list(candidate: string): Int32Array {
    const cached = this.#lists.get(candidate);
    if (cached) return cached;
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
 * The first of `known` closer to `candidate` than the required novelty, an equal one before any other; null for a new
 * candidate. The distance is Levenshtein's over layers or lines: shifting a block by one layer costs two edits.
 *
 * The work is bounded by a step count; if a memory of very long programs exhausts it, the rest counts as distant.
 */
export function findNearDuplicate(candidate: string, known: readonly Known[], novelty?: Novelty): NearDuplicate | null {
  const equal = known.find((each) => each.candidate === candidate);
  if (equal) return { id: equal.id, distance: 0 };
  const minDistance = novelty?.distance ?? 1;
  if (minDistance <= 1) return null;
  const steps: Steps = { left: defaultSteps };
  for (const each of known) {
    const distance = editsBelow(minDistance, ...partCodes.pair(candidate, each.candidate), steps);
    if (distance !== null) return { id: each.id, distance };
    if (steps.left < 0) break;
  }
  return null;
}

/** Why a candidate is not new. */
export function describeNearDuplicate({ id, distance }: NearDuplicate, novelty?: Novelty): string {
  if (distance === 0) return `${id} is the same candidate`;
  return `${id} differs by only ${distance === 1 ? '1 edit' : `${distance} edits`}; ${novelty?.distance ?? 1} are required`;
}

/** Comparison steps per decision: some 20 ms on one core. */
export const defaultSteps = 10_000_000;

/** Remaining steps; counted, not timed, so that decisions are equal on every machine (I5). */
export interface Steps {
  left: number;
}

/** Lower bound on the edits: the larger surplus of codes of either list. */
function minEdits(one: Int32Array, other: Int32Array): number {
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
 * Levenshtein distance of two lists of small integers if it is below `limit`, else null; null also if the steps run out.
 * Ukkonen's furthest-reaching diagonals: time grows with length times `limit`, not with the product of the lengths.
 */
export function editsBelow(limit: number, one: Int32Array, other: Int32Array, steps: Steps): number | null {
  if (Math.abs(one.length - other.length) >= limit || minEdits(one, other) >= limit) return null;
  const goal = other.length - one.length;
  const width = 2 * limit + 3;
  const middle = limit + 1;
  const unreached = -2;
  // Per diagonal: the furthest position in `one` reachable with this number of edits.
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
