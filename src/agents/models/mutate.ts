import { canonicalText, parseInSpace } from '../../domain/architecture.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';
import {
  describeChange,
  describeDraft,
  firstUnseen,
  mutate,
  randomUnseen,
  recombine,
  seenCandidates,
  substitute,
} from './variation.ts';

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
