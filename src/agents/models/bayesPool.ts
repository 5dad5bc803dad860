import { type Architecture, canonicalText, parseInSpace, type StackSpace } from '../../domain/architecture.ts';
import type { ViewNode } from '../../domain/node.ts';
import type { Rng } from '../../domain/rng.ts';
import { mutate, randomArchitecture, recombine } from './variation.ts';

/** How many candidates the surrogate chooses from, and which share of them is varied from good ones. */
const poolSize = 400;
const variedShare = 0.75;

export interface PoolEntry {
  readonly architecture: Architecture;
  /** `a mutation of composer-3`: what the trace tells of where it came from. */
  readonly origin: string;
}

interface Sources {
  /** What is mutated. */
  readonly sources: readonly ViewNode[];
  /** What is crossed, if there are two. */
  readonly pair: readonly ViewNode[];
  /** Nothing from elsewhere: no candidates by chance. */
  readonly near: boolean;
}

function entry({ sources, pair, near }: Sources, space: StackSpace, rng: Rng): PoolEntry {
  if (sources.length === 0 || (!near && rng.float() >= variedShare)) {
    return { architecture: randomArchitecture(space, rng), origin: 'chosen at random' };
  }
  const [first, second] = pair;
  if (first && second && rng.float() < 0.5) {
    const { architecture, kind } = recombine(
      parseInSpace(first.candidate, space),
      parseInSpace(second.candidate, space),
      rng,
    );
    return { architecture, origin: `a ${kind} crossover of ${first.id} and ${second.id}` };
  }
  const source = rng.pick(sources);
  const strength = 1 + rng.below(3);
  return {
    architecture: mutate(parseInSpace(source.candidate, space), space, rng, strength),
    origin: `a mutation of ${source.id}`,
  };
}

/**
 * What the surrogate may choose from: mutations of `sources`, crossovers of `pair` if there are two of them, and, unless
 * it shall stay near, random architectures, all different and none seen. Fewer than asked for where the space is nearly exhausted: the number of
 * tries is bounded.
 */
export function candidatePool(from: Sources, space: StackSpace, seen: ReadonlySet<string>, rng: Rng): PoolEntry[] {
  const pool = new Map<string, PoolEntry>();
  for (let attempt = 0; attempt < 3 * poolSize && pool.size < poolSize; attempt++) {
    const made = entry(from, space, rng);
    const text = canonicalText(made.architecture);
    if (!seen.has(text) && !pool.has(text)) pool.set(text, made);
  }
  return [...pool.values()];
}
