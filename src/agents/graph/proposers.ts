import type { AgentSpec } from '../../domain/agent.ts';
import type { OwnPrimitive } from '../../domain/architecture.ts';
import { canonicalCandidate, type Space, shortCandidate } from '../../domain/candidate.ts';
import { TerminalError } from '../../domain/errors.ts';
import {
  armsOf,
  type BanditOptions,
  banditOptionsSchema,
  isLocal,
  type ModelName,
  type SoleModelName,
  supportsSpace,
} from '../../domain/model.ts';
import { type AnswerProblem, isScored, type View, type ViewNode } from '../../domain/node.ts';
import { type Brief, parseProgram } from '../../domain/program.ts';
import { longestShort, type MultiTurnSpec, type Stage } from '../../domain/rehearsal.ts';
import type { Experiment } from '../../domain/search.ts';
import {
  BudgetExhaustedError,
  type Gateway,
  type LlmClient,
  ProviderUnavailableError,
  RequestRejectedError,
} from '../../llm/index.ts';
import type { AnyModel, Proposal, ProposalInput } from '../models/model.ts';
import type { Analysis } from '../operators/answers.ts';
import { mostAtOnce } from '../tools/reading.ts';
import type { Asks, ReadingState, Toolbox } from '../tools/toolbox.ts';

/**
 * Proposers: the part of a thought that differs between kinds of agents.
 *
 * Role: the contract, a local model, a local model that rehearses, and several models of which a bandit chooses one. Non-role: a
 * language model (chatProposer.ts), the steps around a proposal (steps.ts).
 */

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
async function drawn(
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
function resultOf(proposals: readonly Proposal[]): ProposalResult {
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

/** Statistics of one model as a bandit arm. */
interface Arm {
  readonly model: SoleModelName;
  /** Attempts that it proposed, pending ones included. */
  readonly pulls: number;
  /** Mean reward in [0, 1] of its completed attempts; 0.5 without any. */
  readonly reward: number;
  /** Mean dollars per attempt. */
  readonly dollars: number;
  /** Cost per attempt relative to the mean of all models, with the evaluation as a part. */
  readonly price: number;
  /** Ranking index; infinite before the first attempt. */
  readonly index: number;
}

/** Number of preceding attempts that an attempt is compared with. */
const window = 10;

/** The fraction of the preceding attempts that a completed attempt beats, ties count half; 0 without a score. */
function rewardOf(node: ViewNode, completed: readonly ViewNode[]): number {
  if (!isScored(node)) return 0;
  const others = completed.filter((each) => each.ordinal < node.ordinal && node.ordinal - each.ordinal <= window);
  if (others.length === 0) return 0.5;
  const beaten = others.map((other) => {
    if (!isScored(other)) return 1;
    return node.fitness > other.fitness ? 1 : node.fitness === other.fitness ? 0.5 : 0;
  });
  return beaten.reduce<number>((sum, each) => sum + each, 0) / others.length;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * The models in order of preference for the next proposal, ties in the order of the specification. Each is tried once before
 * any is tried twice; then by
 *
 *     index = (mean reward + c sqrt(ln t / n)) / ((1 - w) + w d / D)
 *
 * with n of the t attempts by the model, d its mean dollars, D the mean of d over the models, c the exploration and w the
 * thrift. This is the upper confidence bound UCB1 (Auer, Cesa-Bianchi, Fischer 2002, Machine Learning 47) per unit of cost,
 * as in fractional KUBE (Tran-Thanh, Chapman, Rogers, Jennings 2012, AAAI 26), with a cost that is part evaluation, part
 * money.
 *
 * The reward is a rank among the preceding attempts, because scores grow during a search and a raw score would favour models
 * that are asked late. A pending attempt counts in n and not in the mean, so that one model is not asked repeatedly while its
 * results are pending. Everything is computed from the view, whose order does not matter (I5).
 */
export function rankedArms(models: readonly SoleModelName[], view: View, options: BanditOptions): Arm[] {
  const { exploration, thrift } = options;
  const attempts = view.nodes.filter(({ model, ordinal }) => {
    return ordinal < view.ordinal && model !== undefined && models.includes(model);
  });
  const completed = attempts.filter(({ status }) => status !== 'pending');
  const known = models.map((model) => {
    const own = attempts.filter((node) => node.model === model).sort((a, b) => a.ordinal - b.ordinal);
    const rewards = own.filter(({ status }) => status !== 'pending').map((node) => rewardOf(node, completed));
    const dollars = own.length === 0 ? 0 : mean(own.map((node) => node.dollars ?? 0));
    return { model, pulls: own.length, reward: rewards.length === 0 ? 0.5 : mean(rewards), dollars };
  });
  const tried = known.filter(({ pulls }) => pulls > 0);
  const meanDollars = tried.length === 0 ? 0 : mean(tried.map(({ dollars }) => dollars));
  return known
    .map((arm): Arm => {
      const price = meanDollars > 0 ? 1 - thrift + (thrift * arm.dollars) / meanDollars : 1;
      const bound = arm.reward + exploration * Math.sqrt(Math.log(attempts.length) / arm.pulls);
      return { ...arm, price, index: arm.pulls === 0 ? Number.POSITIVE_INFINITY : bound / price };
    })
    .sort((a, b) => (a.index === b.index ? 0 : b.index - a.index));
}

const short = (value: number): string => String(Number(value.toPrecision(3)));

/** One line on a choice, for the trace. */
export function whyArm(chosen: Arm, all: readonly Arm[]): string {
  if (chosen.pulls === 0) return `${chosen.model} proposes: not tried yet`;
  const figures = ({ reward, pulls, price }: Arm) =>
    `reward ${short(reward)} after ${pulls}${price === 1 ? '' : `, price ${short(price)}`}`;
  const others = all.filter(({ model }) => model !== chosen.model);
  const rest = others.map((arm) => `${arm.model} ${short(arm.index)} (${figures(arm)})`).join(', ');
  return `${chosen.model} proposes by confidence bound ${short(chosen.index)} (${figures(chosen)}) against ${rest}`;
}

/** The proposer of one model. A language model asks through the given gateway. */
type ProposerFor = (model: SoleModelName, gateway: LlmClient | null) => Proposer;

/** Errors after which another model may answer instead. */
type Absence = ProviderUnavailableError | RequestRejectedError | BudgetExhaustedError;
function absence(thrown: unknown): Absence {
  if (
    thrown instanceof ProviderUnavailableError ||
    thrown instanceof RequestRejectedError ||
    thrown instanceof BudgetExhaustedError
  )
    return thrown;
  throw thrown;
}

/** Sums the cost of the calls that pass through it. */
function metered(gateway: Gateway | null): { readonly gateway: LlmClient | null; readonly dollars: () => number } {
  let dollars = 0;
  if (!gateway) return { gateway, dollars: () => dollars };
  return {
    gateway: {
      async ask(question, signal) {
        const answer = await gateway.ask(question, signal);
        dollars += answer.dollars;
        return answer;
      },
      recall: (...query) => gateway.recall(...query),
    },
    dollars: () => dollars,
  };
}

/**
 * Several models as one proposer: the model with the highest confidence bound proposes; if it is unavailable, rejects the
 * request or would exceed the remaining budget, the next one does.
 *
 * BND-1. The choice is computed from the view (`rankedArms`); no state survives between calls (I5).
 * BND-2. That a model was skipped is recorded once another one has answered, so that a resume and a replay take the same
 *        path. If no model answers, nothing is recorded and all are asked again later.
 * BND-3. The model that started an attempt continues it: it gets the repairs of its own answers and the results of its own
 *        tool calls. Another model takes over for a repair only, because provider state cannot move between providers.
 */
export function banditProposer(spec: AgentSpec, proposerFor: ProposerFor, gateway: Gateway | null): Proposer {
  const models = armsOf(spec.model);
  const chatModel = models.find((model) => !isLocal(model));
  const options = spec.bandit ?? banditOptionsSchema.parse({});
  const recordUnavailable = (thrown: Absence): void => {
    // Refusals by the budget are already recorded.
    if (!(thrown instanceof BudgetExhaustedError)) gateway?.recordUnavailable(thrown);
  };

  return {
    name: spec.model,
    canRepair: chatModel !== undefined,
    // One toolbox serves all: the specification allows reading only if every model can be shown the passages.
    toolbox: spec.literature && chatModel !== undefined ? proposerFor(chatModel, gateway).toolbox : null,

    async propose(input: ProposeInput): Promise<ProposalResult> {
      const arms = rankedArms(models, input.view, options);
      const { begun, reading } = input;
      const first = (arm: Arm): number => Number(arm.model === begun?.model);
      const order = [...arms].sort((a, b) => first(b) - first(a)).slice(0, reading.turns.length > 0 ? 1 : undefined);
      const absent: Absence[] = [];
      const skipped: string[] = [];
      for (const arm of order) {
        const meter = metered(gateway);
        try {
          const offer = await proposerFor(arm.model, meter.gateway).propose(input);
          for (const each of absent) recordUnavailable(each);
          const why = [...skipped, whyArm(arm, arms)].join('; ');
          const dollars = (begun?.dollars ?? 0) + meter.dollars();
          return { ...offer, made: { model: arm.model, dollars, reason: why.slice(0, 1400) } };
        } catch (thrown) {
          absent.push(absence(thrown));
          // A replay does not know the reason.
          skipped.push(`${arm.model} was unavailable`);
        }
      }
      // The most recoverable error first: a provider may come back, and an exhausted budget ends an agent cleanly.
      throw (
        absent.find((each) => each instanceof ProviderUnavailableError) ??
        absent.find((each) => each instanceof BudgetExhaustedError) ??
        absent[0]
      );
    },

    /** Lessons come from the analysis model, else from the model that will propose; a classical searcher has none. */
    async learn(view: View, results: readonly ViewNode[], signal: AbortSignal): Promise<Analysis> {
      const [first] = rankedArms(models, view, options);
      const teacher = spec.models?.analyze ? chatModel : first?.model;
      if (teacher === undefined || isLocal(teacher)) return noAnalysis;
      try {
        return await proposerFor(teacher, gateway).learn(view, results, signal);
      } catch (thrown) {
        recordUnavailable(absence(thrown));
        return noAnalysis;
      }
    },
  };
}
