import * as z from 'zod';
import { editsBelow, type Steps, usualSteps } from './editDistance.ts';
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
export interface Remembering {
  readonly name: AgentName;
  readonly pending: number;
  readonly memory?: MemoryScope | undefined;
  readonly novelty?: Novelty | undefined;
}

/** The last attempt, of whichever agent, whose outcome attempt `ordinal` of an agent may know (V1 of memory/views.ts). */
export const horizonOf = (ordinal: number, { pending }: Pick<Remembering, 'pending'>): number =>
  Math.max(0, ordinal - pending);

/** A candidate that was taken up before. */
export interface Known {
  readonly id: NodeId;
  readonly candidate: string;
}

export interface Closeness {
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
export function tooClose(candidate: string, known: readonly Known[], novelty?: Novelty): Closeness | null {
  const equal = known.find((each) => each.candidate === candidate);
  if (equal) return { id: equal.id, distance: 0 };
  const least = novelty?.distance ?? 1;
  if (least <= 1) return null;
  const steps: Steps = { left: usualSteps };
  for (const each of known) {
    const distance = editsBelow(least, ...partCodes.pair(candidate, each.candidate), steps);
    if (distance !== null) return { id: each.id, distance };
    if (steps.left < 0) break;
  }
  return null;
}

/** Why a candidate is not new, in words. */
export function describeCloseness({ id, distance }: Closeness, novelty?: Novelty): string {
  if (distance === 0) return `${id} is the same candidate`;
  return `${id} differs by ${distance === 1 ? '1 edit' : `${distance} edits`}, and ${novelty?.distance ?? 1} are asked for`;
}
