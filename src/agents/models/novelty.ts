import { type Architecture, canonicalText, type Primitive, type StackSpace } from '../../domain/architecture.ts';
import type { View } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { randomArchitecture } from './variation.ts';

/** Canonical texts of all candidates in the view, whatever became of them: none is worth another attempt. */
export function seenCandidates(view: View): ReadonlySet<string> {
  return new Set(view.nodes.map((node) => node.candidate));
}

/** The architecture that follows in the order of counting, first layer fastest; after the last comes the first. */
function successor(architecture: Architecture, digits: readonly Primitive[]): Architecture {
  const next = [...architecture];
  for (const [layer, primitive] of next.entries()) {
    const digit = (digits.indexOf(primitive) + 1) % digits.length;
    next[layer] = digits[digit] as Primitive;
    if (digit !== 0) break;
  }
  return next;
}

/**
 * A random architecture that was not seen. From a random start it counts onwards to the first unseen one: at most
 * |seen| + 1 steps, because so many different architectures cannot all have been seen. Only where the whole space was
 * seen does it return a seen one; the archivist refuses that as a duplicate.
 */
export function randomUnseen(space: StackSpace, seen: ReadonlySet<string>, rng: Rng): Architecture {
  const digits = [...new Set(space.primitives)];
  let candidate = randomArchitecture(space, rng);
  for (let step = 0; step <= seen.size && seen.has(canonicalText(candidate)); step++) {
    candidate = successor(candidate, digits);
  }
  return candidate;
}

/** Tries at each strength before the next. */
const triesPerStrength = 8;
const strongest = 6;

/** The first unseen result of `vary`, called with growing strength; null when the neighbourhood is exhausted. */
export function firstUnseen<T extends { readonly architecture: Architecture }>(
  seen: ReadonlySet<string>,
  vary: (strength: number) => T,
): T | null {
  for (let strength = 1; strength <= strongest; strength++) {
    for (let attempt = 0; attempt < triesPerStrength; attempt++) {
      const result = vary(strength);
      if (!seen.has(canonicalText(result.architecture))) return result;
    }
  }
  return null;
}
