import {
  type Architecture,
  canonicalText,
  changedLayers,
  type Primitive,
  parseInSpace,
  runLengthText,
  runs,
  type StackSpace,
} from '../../domain/architecture.ts';
import type { View } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';

/**
 * Variations of architectures, which other models use too, and the models that need nothing else: `local/mutate`, `local/random`.
 *
 * Variations are pure functions that preserve the depth and the space. One may return its input if nothing can vary (a single
 * primitive, a single layer); the caller checks for novelty.
 */

export function randomArchitecture(space: StackSpace, rng: Rng): Architecture {
  return Array.from({ length: space.layers }, () => rng.pick(space.primitives));
}

/** Gives `count` different layers (or all, if there are fewer) another primitive. */
export function substitute(architecture: Architecture, space: StackSpace, rng: Rng, count: number): Architecture {
  const result = [...architecture];
  const untouched = result.map((_, layer) => layer);
  for (let done = 0; done < count && untouched.length > 0; done++) {
    const [layer] = untouched.splice(rng.below(untouched.length), 1) as [number];
    const others = space.primitives.filter((primitive) => primitive !== result[layer]);
    if (others.length > 0) result[layer] = rng.pick(others);
  }
  return result;
}

/** Swaps two layers that differ. */
export function swapLayers(architecture: Architecture, rng: Rng): Architecture {
  const first = rng.below(architecture.length);
  const partners = architecture.flatMap((layer, index) => (layer === architecture[first] ? [] : [index]));
  if (partners.length === 0) return architecture;
  const second = rng.pick(partners);
  return architecture.with(first, architecture[second] as Primitive).with(second, architecture[first] as Primitive);
}

/** Moves a block of up to half of the layers. */
export function moveBlock(architecture: Architecture, rng: Rng): Architecture {
  const length = 1 + rng.below(Math.max(1, Math.floor(architecture.length / 2)));
  const start = rng.below(architecture.length - length + 1);
  const rest = architecture.toSpliced(start, length);
  return rest.toSpliced(rng.below(rest.length + 1), 0, ...architecture.slice(start, start + length));
}

/** Grows one run of equal layers at the expense of another, which may vanish. */
export function resizeRuns(architecture: Architecture, rng: Rng): Architecture {
  const pieces = runs(architecture);
  if (pieces.length < 2) return architecture;
  const shrinking = rng.below(pieces.length);
  const growing = (shrinking + 1 + rng.below(pieces.length - 1)) % pieces.length;
  const shrunk = pieces[shrinking] as (typeof pieces)[number];
  const grown = pieces[growing] as (typeof pieces)[number];
  const amount = 1 + rng.below(Math.min(3, shrunk.length));
  shrunk.length -= amount;
  grown.length += amount;
  return pieces.flatMap(({ primitive, length }) => Array<Primitive>(length).fill(primitive));
}

/** Applies `strength` random variations: one to three point substitutions (most often), a swap, a move or a resize. */
export function mutate(architecture: Architecture, space: StackSpace, rng: Rng, strength: number): Architecture {
  let result = architecture;
  for (let step = 0; step < strength; step++) {
    switch (rng.weighted(['substitute', 'swap', 'move', 'resize'] as const, [0.55, 0.15, 0.15, 0.15])) {
      case 'substitute':
        result = substitute(result, space, rng, 1 + rng.below(3));
        break;
      case 'swap':
        result = swapLayers(result, rng);
        break;
      case 'move':
        result = moveBlock(result, rng);
        break;
      case 'resize':
        result = resizeRuns(result, rng);
        break;
    }
  }
  return result;
}

interface Recombination {
  readonly architecture: Architecture;
  readonly kind: 'one-point' | 'two-point' | 'uniform';
}

/** One-point, two-point or uniform crossover of two architectures of equal depth. */
export function recombine(first: Architecture, second: Architecture, rng: Rng): Recombination {
  const depth = first.length;
  const kind = rng.pick(['one-point', 'two-point', 'uniform'] as const);
  const from = (fromSecond: (layer: number) => boolean) =>
    first.map((layer, index) => (fromSecond(index) ? (second[index] as Primitive) : layer));
  if (kind === 'uniform') return { kind, architecture: from(() => rng.float() < 0.5) };
  // Layers from `low` up to, but not including, `high` come from the second parent.
  const cut = rng.below(depth + 1);
  const other = kind === 'one-point' ? depth : rng.below(depth + 1);
  const [low, high] = [Math.min(cut, other), Math.max(cut, other)];
  return { kind, architecture: from((layer) => layer >= low && layer < high) };
}

/** Changes listed individually; the rest is counted. Stays below the 2000 characters of a rationale. */
const listed = 32;

/** `layer 3: mA -> Mb; layer 7: M -> mA`, layers counted from 0. */
export function describeChange(from: Architecture, to: Architecture): string {
  const layers = changedLayers(from, to);
  if (layers.length === 0) return 'no layer changed';
  const parts = layers.slice(0, listed).map((layer) => `layer ${layer}: ${from[layer]} -> ${to[layer]}`);
  if (layers.length > listed) parts.push(`and ${layers.length - listed} more layers`);
  return parts.join('; ');
}

/** Describes a candidate without parents, in run-length form. */
export function describeDraft(architecture: Architecture): string {
  const text = runLengthText(architecture);
  return `random draft ${text.length > 500 ? `${text.slice(0, 500)}...` : text}`;
}

/** Canonical texts of all candidates in the view, whatever their status: none is worth another attempt. */
export function seenCandidates(view: View): ReadonlySet<string> {
  return new Set(view.nodes.map((node) => node.candidate));
}

/** The next architecture in counting order, first layer fastest, with wrap-around. */
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
 * A random unseen architecture. It counts up from a random start to the first unseen one: at most |seen| + 1 steps, by the
 * pigeonhole principle. Only in an exhausted space it returns a seen one, which the archivist rejects as a duplicate.
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
function firstUnseen<T extends { readonly architecture: Architecture }>(
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

/** Probability of a point substitution after a recombination that is new by itself. */
const substitutionRate = 0.3;

/**
 * Variation without a model of the space: mutation for improve and debug (a classical searcher cannot read why a candidate
 * failed, but its neighbours may train), recombination for crossover, random architectures for drafts. In an exhausted
 * neighbourhood it varies more strongly, and finally drafts an unseen candidate.
 */
export function mutateModel(): LocalModel {
  return {
    name: 'local/mutate',
    async propose(input) {
      return vary(input) ?? freshDraft(input);
    },
    async close() {},
  };
}

function freshDraft({ operator, view, space, rng }: ProposalInput): Proposal {
  const architecture = randomUnseen(space, seenCandidates(view), rng);
  const why = operator === 'draft' ? '' : '; all variations of the parents are already known';
  return { candidate: canonicalText(architecture), change: `${describeDraft(architecture)}${why}`, expected: null };
}

/** The smallest unseen variation of the parents that it finds; null for a draft and in an exhausted neighbourhood. */
export function vary({ operator, parents, view, space, rng }: ProposalInput): Proposal | null {
  const [first, second] = parents;
  if (operator === 'draft' || !first) return null;
  const base = parseInSpace(first.candidate, space);
  const partner = operator === 'crossover' && second ? parseInSpace(second.candidate, space) : null;
  const found = firstUnseen(seenCandidates(view), (strength) => {
    if (!partner) return { architecture: mutate(base, space, rng, strength), how: 'mutation' };
    const { architecture, kind } = recombine(base, partner, rng);
    const extra = strength - 1 + (rng.float() < substitutionRate ? 1 : 0);
    const how = `${kind} crossover with ${second?.id}${extra > 0 ? ` and ${extra} substituted layer${extra > 1 ? 's' : ''}` : ''}`;
    return { architecture: substitute(architecture, space, rng, extra), how };
  });
  if (!found) return null;
  return {
    candidate: canonicalText(found.architecture),
    change: `${found.how}, relative to ${first.id}: ${describeChange(base, found.architecture)}`,
    expected: null,
  };
}

/** Uniform random search without replacement. It drafts for every operator and says so. */
export function randomModel(): LocalModel {
  return {
    name: 'local/random',
    async propose({ operator, view, space, rng }) {
      const architecture = randomUnseen(space, seenCandidates(view), rng);
      const ignored = operator === 'draft' ? '' : `; ${operator} was requested, but this model ignores parents`;
      return {
        candidate: canonicalText(architecture),
        change: `${describeDraft(architecture)}${ignored}`,
        expected: null,
      };
    },
    async close() {},
  };
}
