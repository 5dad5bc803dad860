import type { OwnPrimitive } from '../../domain/architecture.ts';
import { canonicalCandidate, type Space, shortCandidate } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import { type ModelName, type SoleModelName, supportsSpace } from '../../domain/model.ts';
import type { AnswerProblem, View, ViewNode } from '../../domain/node.ts';
import { type Brief, parseProgram } from '../../domain/program.ts';
import { longestShort, type MultiTurnSpec, type Stage } from '../../domain/rehearsal.ts';
import type { Experiment } from '../../domain/search.ts';
import type { AnyModel, Proposal, ProposalInput } from '../models/model.ts';
import type { Analysis } from '../operators/answers.ts';
import { mostAtOnce } from '../tools/reading.ts';
import type { Asks, ReadingState, Toolbox } from '../tools/toolbox.ts';

/** The task of the search, in its own words. */
export interface TaskDescription {
  readonly task: string;
  readonly metric: string;
  /** Whether a lower metric is better. Default: higher is. */
  readonly lowerIsBetter?: boolean | undefined;
  /** Manifest entries of the user's own primitives in the space. */
  readonly primitives?: readonly OwnPrimitive[] | undefined;
  readonly brief?: Brief | undefined;
  /** The search itself: description, budgets, references. */
  readonly experiment?: Experiment | undefined;
  /** Of multi-turn agents: what they rehearse. */
  readonly stage?: Stage | undefined;
}

/** Why an answer could not become a candidate. */
export interface Problem {
  readonly kind: AnswerProblem;
  readonly message: string;
  /** The answer's text; may be empty. */
  readonly text: string;
  /** The duplicate candidate, for kind `duplicate`. */
  readonly candidate?: string;
}

/** Which model made a proposal, if several could. */
interface ProposalRecord {
  readonly model: SoleModelName;
  /** Cost of this thought's proposal answers so far. */
  readonly dollars: number;
  /** Why this model was chosen. */
  readonly reason: string;
}

/** One candidate with its reasons, or why there is none. */
export type SingleResult = { readonly proposal: Proposal; readonly text: string } | { readonly problem: Problem };

export type ProposalResult = { readonly made?: ProposalRecord } & (
  | SingleResult
  /** At least one, at most as many as were asked for. */
  | { readonly several: readonly SingleResult[] }
  /** The model calls tools first. */
  | { readonly asks: Asks }
  /** The server supports no tools. */
  | { readonly toolless: true }
);

/** A result without tool calls. */
export type FinalResult = Extract<ProposalResult, { proposal: unknown } | { problem: unknown } | { several: unknown }>;

/** The complete input of a proposal. */
export interface ProposeInput extends ProposalInput<Space> {
  /** Candidates asked for; more than one may give `several`. */
  readonly count: number;
  /** What this thought has read and tried so far. */
  readonly reading: ReadingState;
  /** What was wrong with earlier answers to this question, oldest first. */
  readonly problems: readonly Problem[];
  /** The last model that answered in this thought, if several could. */
  readonly begun?: ProposalRecord | undefined;
  readonly signal: AbortSignal;
}

/** The part of a thought that differs between kinds of agents; everything else is one graph. */
export interface Proposer {
  readonly name: ModelName;
  /**
   * Whether it can repair an answer when given the problem. For a proposer that cannot, an invalid proposal is a bug in
   * Aira and not a failed attempt.
   */
  readonly canRepair: boolean;
  /** Its tools; null if it uses none, or reads by itself. */
  readonly toolbox: Toolbox | null;
  propose(input: ProposeInput): Promise<ProposalResult>;
  /** What results teach; nothing if it does not learn in words. */
  learn(view: View, results: readonly ViewNode[], signal: AbortSignal): Promise<Analysis>;
}

export const noAnalysis: Analysis = { lessons: [], insights: [] };

/** Draws of a classical searcher per different candidate. */
const drawsEach = 8;

/** Different candidates that a model draws, unknown to the view except for the first; at least one. */
export async function drawn(
  model: AnyModel,
  { reading: _, problems: __, begun: ___, count: ____, ...input }: ProposeInput,
  count: number,
): Promise<Proposal[]> {
  const known = new Set(input.view.nodes.map(({ candidate }) => candidate));
  const found = new Map<string, Proposal>();
  for (let draw = 0; draw < count * drawsEach && found.size < count; draw++) {
    const proposal = await model.propose(input);
    const text = canonicalOr(proposal.candidate, input.space);
    if (found.size === 0 || !(known.has(text) || found.has(text))) found.set(text, proposal);
  }
  return [...found.values()];
}

/** The canonical text; of a candidate outside the space, which the thought will object to, the text itself. */
function canonicalOr(candidate: string, space: Space): string {
  try {
    return canonicalCandidate(candidate, space);
  } catch {
    return candidate;
  }
}

/** Proposals of a classical searcher, whose texts are their candidates. */
export function resultOf(proposals: readonly Proposal[]): ProposalResult {
  const results = proposals.map((proposal) => ({ proposal, text: proposal.candidate }));
  const [only] = results;
  return results.length === 1 && only ? only : { several: results };
}

/** A classical searcher as a proposer: it reads by itself or not at all, learns no lessons and needs no repair. */
export function localProposer(model: AnyModel): Proposer {
  return {
    name: model.name,
    canRepair: false,
    toolbox: null,
    async propose(input) {
      if (!supportsSpace(model.name, input.space.kind)) {
        throw new TerminalError('model', `${model.name} does not support ${input.space.kind} spaces`);
      }
      return resultOf(await drawn(model, input, input.count));
    },
    async learn() {
      return noAnalysis;
    },
  };
}

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
