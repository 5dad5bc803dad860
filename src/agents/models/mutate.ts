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

/** Share of recombinations that are followed by a point substitution even though the recombination alone is new. */
const substitutionRate = 0.3;

/**
 * Variation without a model of the space: mutation for improve and debug (no classical searcher can read why a candidate
 * failed; its neighbours may still train), recombination for crossover, chance for drafts. Where the
 * neighbourhood of the parents has been seen, it varies more strongly, and at last drafts an unseen candidate.
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
  const why = operator === 'draft' ? '' : '; what could be made of the parents has been seen';
  return { candidate: canonicalText(architecture), change: `${describeDraft(architecture)}${why}`, expected: null };
}

/** An unseen variation of the parents, the smallest that is found; null for a draft and where none is found. */
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

/** Uniform random search without replacement. Asked for anything but a draft, it drafts all the same and says so. */
export function randomModel(): LocalModel {
  return {
    name: 'local/random',
    async propose({ operator, view, space, rng }) {
      const architecture = randomUnseen(space, seenCandidates(view), rng);
      const ignored = operator === 'draft' ? '' : `; ${operator} was asked for, but this model ignores parents`;
      return {
        candidate: canonicalText(architecture),
        change: `${describeDraft(architecture)}${ignored}`,
        expected: null,
      };
    },
    async close() {},
  };
}
