import { TerminalError } from '../../domain/errors.ts';
import { proposes } from '../../domain/model.ts';
import type { AnyModel } from '../models/model.ts';
import type { Mind } from './mind.ts';

/** A classical searcher as a mind: it reads by itself or not at all, learns no lessons, and is right the first time. */
export function localMind(model: AnyModel): Mind {
  return {
    name: model.name,
    mendable: false,
    reader: null,
    async propose({ reading: _reading, problems: _problems, begun: _begun, ...input }) {
      if (!proposes(model.name, input.space.kind)) {
        throw new TerminalError('model', `${model.name} knows nothing of a ${input.space.kind}`);
      }
      const proposal = await model.propose(input);
      return { proposal, text: proposal.candidate };
    },
    async learn() {
      return [];
    },
  };
}
