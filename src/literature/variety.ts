import type { LiteratureSource } from '../domain/literature.ts';
import { telling } from './text.ts';

/**
 * A choice among ranked works that neither repeats itself nor comes from one place alone: maximal marginal relevance
 * (Carbonell and Goldstein 1998), with a cap per source.
 */

export interface Candidate {
  readonly source: LiteratureSource;
  /** In [0, 1], comparable between sources. */
  readonly relevance: number;
  /** What the likeness of two works is judged by. */
  readonly text: string;
}

/** Weight of relevance against novelty. */
const lambda = 0.7;

/** Share of words that two works have in common, of all that either has. */
function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  if (a.size === 0 || b.size === 0) return 0;
  let common = 0;
  for (const word of a) if (b.has(word)) common++;
  return common / (a.size + b.size - common);
}

/**
 * At most `limit` of them, best first. No source fills more than `share` of the places while others have something to
 * offer. Among equals the earlier one wins.
 */
export function varied<T extends Candidate>(candidates: readonly T[], limit: number, share = 0.6): T[] {
  const bags = new Map(candidates.map((candidate) => [candidate, new Set(telling(candidate.text))]));
  const bag = (candidate: T) => bags.get(candidate) as ReadonlySet<string>;
  const sources = new Set(candidates.map(({ source }) => source)).size;
  const cap = sources > 1 ? Math.max(1, Math.ceil(limit * share)) : limit;
  const rest = [...candidates];
  const chosen: T[] = [];
  const taken = new Map<LiteratureSource, number>();
  while (chosen.length < limit && rest.length > 0) {
    const open = rest.filter(({ source }) => (taken.get(source) ?? 0) < cap);
    // Where only capped sources are left, a full answer is worth more than a mixed one.
    const pool = open.length > 0 ? open : rest;
    let best = pool[0] as T;
    let bestValue = Number.NEGATIVE_INFINITY;
    for (const candidate of pool) {
      const nearest = chosen.reduce((most, other) => Math.max(most, likeness(bag(candidate), bag(other))), 0);
      const value = lambda * candidate.relevance - (1 - lambda) * nearest;
      if (value > bestValue) [best, bestValue] = [candidate, value];
    }
    chosen.push(best);
    rest.splice(rest.indexOf(best), 1);
    taken.set(best.source, (taken.get(best.source) ?? 0) + 1);
  }
  return chosen;
}
