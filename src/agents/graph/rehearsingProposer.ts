import { type Space, shortCandidate } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import { parseProgram } from '../../domain/program.ts';
import { longestShort, type MultiTurnSpec } from '../../domain/rehearsal.ts';
import type { AnyModel } from '../models/model.ts';
import { mostAtOnce } from '../tools/reading.ts';
import type { Toolbox } from '../tools/toolbox.ts';
import { drawn, localProposer, type Proposer, resultOf } from './proposers.ts';

/** A candidate as the arguments of `run_experiment`. */
function argumentsFor(candidate: string, space: Space): string {
  if (space.kind === 'stack') return JSON.stringify({ architecture: candidate });
  const files = Object.entries(parseProgram(candidate)).map(([name, text]) => ({ name, text }));
  return JSON.stringify({ files, base: null, script: null });
}

/**
 * A classical searcher with multi-turn operators: it draws as many candidates as it may experiment with, trains each for a
 * short time, and proposes the best of them, or as many of the best as are asked for. Draws come from the attempt's random
 * stream, so that the same attempt draws the same candidates before and after its experiments (I5).
 */
export function rehearsingProposer(model: AnyModel, { experiments }: MultiTurnSpec, toolbox: Toolbox): Proposer {
  const plain = localProposer(model);
  const count = Math.min(experiments, mostAtOnce);
  return {
    ...plain,
    toolbox,
    async propose(input) {
      const { reading, space } = input;
      const candidates = await drawn(model, input, Math.max(input.count, count));
      if (candidates.length === 0) throw new TerminalError('proposal', `${model.name} drew no candidate`);
      const trials = candidates.slice(0, count);
      if (reading.turns.length === 0 && trials.length > 1 && toolbox.mayCall(reading)) {
        const calls = trials.map(({ candidate }, index) => {
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
      const best = scored
        .sort((one, other) => other.fitness - one.fitness)
        .map(({ proposal, fitness }, index) => {
          const rank = index === 0 ? 'the best' : `number ${index + 1}`;
          const hypothesis = `${rank} of ${scored.length} in shortened trainings, with ${Number(fitness.toPrecision(5))}`;
          return { ...proposal, hypothesis };
        });
      const others = candidates.filter((each) => !scored.some(({ proposal }) => proposal === each));
      return resultOf([...best, ...others].slice(0, input.count));
    },
  };
}
