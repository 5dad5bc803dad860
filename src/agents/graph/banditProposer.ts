import type { AgentSpec } from '../../domain/agent.ts';
import { armsOf, banditOptionsSchema, isLocal, type SoleModelName } from '../../domain/model.ts';
import type { View, ViewNode } from '../../domain/node.ts';
import {
  BudgetExhaustedError,
  type Gateway,
  type LlmClient,
  ProviderUnavailableError,
  RequestRejectedError,
} from '../../llm/index.ts';
import { type Arm, rankedArms, whyArm } from '../models/bandit.ts';
import type { Analysis } from '../operators/answers.ts';
import { noAnalysis, type ProposalResult, type ProposeInput, type Proposer } from './proposer.ts';

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
