import { distance as editDistance } from 'fastest-levenshtein';
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

/** The least number of parts that have to be inserted, removed or replaced. */
function editsBetween(parts: readonly string[], others: readonly string[]): number {
  // A character for each different part, so that the distance of texts is that of parts.
  const codes = new Map<string, string>();
  const encode = (list: readonly string[]): string => {
    const encoded = list.map((part) => {
      const code = codes.get(part) ?? String.fromCharCode(1 + codes.size);
      codes.set(part, code);
      return code;
    });
    return encoded.join('');
  };
  return editDistance(encode(parts), encode(others));
}

/**
 * The first of `known` that is closer to `candidate` than novelty asks for, an equal one before any other; null where the
 * candidate is new. Distance is Levenshtein's over layers or lines: shifting a block by one layer costs two edits, however long
 * the block is.
 */
export function tooClose(candidate: string, known: readonly Known[], novelty?: Novelty): Closeness | null {
  const equal = known.find((each) => each.candidate === candidate);
  if (equal) return { id: equal.id, distance: 0 };
  const least = novelty?.distance ?? 1;
  if (least <= 1) return null;
  const parts = partsOf(candidate);
  for (const each of known) {
    const others = partsOf(each.candidate);
    if (Math.abs(others.length - parts.length) >= least) continue;
    const distance = editsBetween(parts, others);
    if (distance < least) return { id: each.id, distance };
  }
  return null;
}

/** Why a candidate is not new, in words. */
export function describeCloseness({ id, distance }: Closeness, novelty?: Novelty): string {
  if (distance === 0) return `${id} is the same candidate`;
  return `${id} differs by ${distance === 1 ? '1 edit' : `${distance} edits`}, and ${novelty?.distance ?? 1} are asked for`;
}
