import { canonicalText } from '../../domain/architecture.ts';
import { describeDraft } from './change.ts';
import type { LocalModel } from './model.ts';
import { randomUnseen, seenCandidates } from './novelty.ts';

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
