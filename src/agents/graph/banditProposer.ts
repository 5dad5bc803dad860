import type { AgentSpec } from '../../domain/agent.ts';
import { armsOf, type BanditOptions, banditOptionsSchema, isLocal, type SoleModelName } from '../../domain/model.ts';
import { isScored, type View, type ViewNode } from '../../domain/node.ts';
import {
  BudgetExhaustedError,
  type Gateway,
  type LlmClient,
  ProviderUnavailableError,
  RequestRejectedError,
} from '../../llm/index.ts';
import type { Analysis } from '../operators/answers.ts';
import { noAnalysis, type ProposalResult, type ProposeInput, type Proposer } from './proposers.ts';

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
export type ProposerFor = (model: SoleModelName, gateway: LlmClient | null) => Proposer;

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
 * BND-1. The choice is computed from the view (models/bandit.ts); no state survives between calls (I5).
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
