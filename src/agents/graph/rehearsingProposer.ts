import { canonicalCandidate, type Space, shortCandidate } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import { parseProgram } from '../../domain/program.ts';
import { longestShort, type MultiTurnSpec } from '../../domain/rehearsal.ts';
import type { AnyModel, Proposal } from '../models/model.ts';
import { mostAtOnce } from '../reading/reader.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { localProposer, type ProposeInput, type Proposer } from './proposer.ts';

/** Draws of the model per different candidate. */
const drawsEach = 8;

/** A candidate as the arguments of `run_experiment`. */
function argumentsFor(candidate: string, space: Space): string {
  if (space.kind === 'stack') return JSON.stringify({ architecture: candidate });
  const files = Object.entries(parseProgram(candidate)).map(([name, text]) => ({ name, text }));
  return JSON.stringify({ files, base: null, script: null });
}

/** Different candidates that the model draws, unknown to the view; at least one. */
async function drawn(model: AnyModel, input: ProposeInput, count: number): Promise<Proposal[]> {
  const { reading: _, problems: __, begun: ___, ...asked } = input;
  const known = new Set(input.view.nodes.map(({ candidate }) => candidate));
  const found = new Map<string, Proposal>();
  for (let draw = 0; draw < count * drawsEach && found.size < count; draw++) {
    const proposal = await model.propose(asked);
    const text = canonicalCandidate(proposal.candidate, input.space);
    if (found.size === 0 || !(known.has(text) || found.has(text))) found.set(text, proposal);
  }
  return [...found.values()];
}

/**
 * A classical searcher with multi-turn operators: it draws as many candidates as it may experiment with, trains each for a
 * short time, and proposes the best of them. Draws come from the attempt's random stream, so that the same attempt draws the
 * same candidates before and after its experiments (I5).
 */
export function rehearsingProposer(model: AnyModel, { experiments }: MultiTurnSpec, toolbox: Toolbox): Proposer {
  const plain = localProposer(model);
  const count = Math.min(experiments, mostAtOnce);
  return {
    ...plain,
    toolbox,
    async propose(input) {
      const { reading, space } = input;
      const candidates = await drawn(model, input, Math.max(1, count));
      const [first] = candidates;
      if (!first) throw new TerminalError('proposal', `${model.name} drew no candidate`);
      if (reading.turns.length === 0 && candidates.length > 1 && toolbox.mayCall(reading)) {
        const calls = candidates.map(({ candidate }, index) => {
          return { id: `try-${index + 1}`, name: 'run_experiment', arguments: argumentsFor(candidate, space) };
        });
        return { asks: { text: '', calls, carried: [] } };
      }
      // By name and not by place: where a draw is too close to a known node, the next pass draws others.
      const fitnessOf = new Map((reading.tried ?? []).map(({ short, fitness }) => [short, fitness]));
      const scored = candidates.flatMap((proposal) => {
        const fitness = fitnessOf.get(shortCandidate(proposal.candidate).slice(0, longestShort)) ?? null;
        return fitness === null ? [] : [{ proposal, fitness }];
      });
      const best = scored.sort((one, other) => other.fitness - one.fitness)[0];
      const proposal = best?.proposal ?? first;
      if (!best) return { proposal, text: proposal.candidate };
      const hypothesis = `the best of ${scored.length} in shortened trainings, with ${Number(best.fitness.toPrecision(5))}`;
      return { proposal: { ...proposal, hypothesis }, text: proposal.candidate };
    },
  };
}
