import type { AgentSpec } from '../../domain/agent.ts';
import { armsOf, banditOptionsSchema, isLocal, type SoleModelName } from '../../domain/model.ts';
import type { Lesson, View, ViewNode } from '../../domain/node.ts';
import {
  BudgetExhaustedError,
  type Gateway,
  type LlmClient,
  ProviderUnavailableError,
  RequestRejectedError,
} from '../../llm/index.ts';
import { type Arm, rankedArms, whyArm } from '../models/bandit.ts';
import type { ProposalResult, ProposeInput, Proposer } from './proposer.ts';

/** The mind of one of the models. A language model asks through the gateway that is given here. */
export type ProposerFor = (model: SoleModelName, gateway: LlmClient | null) => Proposer;

/** Why a model did not answer where another one may. */
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

/** Adds up what is asked through it. */
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
      recall: (...sought) => gateway.recall(...sought),
    },
    dollars: () => dollars,
  };
}

/**
 * Several models as one mind: for each attempt the one of highest confidence bound proposes, and the next one where it is
 * away, turns the question down or is beyond what is left of the budget.
 *
 * N1. The choice is folded from the view (models/bandit.ts); this keeps nothing between questions (I5).
 * N2. That a thought went on without a model is recorded once another one has answered, so that a resume and a replay go
 *     the same way; where nobody answers nothing is recorded, and all are asked again later.
 * N3. Who began an attempt goes on with it: repairs go to the model whose answer they are about, and so does what it asked to
 *     read. Another one takes over for a repair only, since what a provider wants carried along is its own.
 */
export function banditProposer(spec: AgentSpec, mindOf: ProposerFor, gateway: Gateway | null): Proposer {
  const models = armsOf(spec.model);
  const talker = models.find((model) => !isLocal(model));
  const options = spec.bandit ?? banditOptionsSchema.parse({});
  const recordUnavailable = (thrown: Absence): void => {
    // What was refused by the budget is in the recording already.
    if (!(thrown instanceof BudgetExhaustedError)) gateway?.recordUnavailable(thrown);
  };

  return {
    name: spec.model,
    canRepair: talker !== undefined,
    // All of them read with the same: the specification allows reading only where every model can be shown what was read.
    reader: spec.literature && talker !== undefined ? mindOf(talker, gateway).reader : null,

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
          const offer = await mindOf(arm.model, meter.gateway).propose(input);
          for (const each of absent) recordUnavailable(each);
          const why = [...skipped, whyArm(arm, arms)].join('; ');
          const dollars = (begun?.dollars ?? 0) + meter.dollars();
          return { ...offer, made: { model: arm.model, dollars, reason: why.slice(0, 1400) } };
        } catch (thrown) {
          absent.push(absence(thrown));
          // In a replay nothing is known of the reason.
          skipped.push(`${arm.model} was away`);
        }
      }
      // The most hopeful: who is away may come back, and a budget ends an agent in good order.
      throw (
        absent.find((each) => each instanceof ProviderUnavailableError) ??
        absent.find((each) => each instanceof BudgetExhaustedError) ??
        absent[0]
      );
    },

    /** Lessons come from the model for analysis, else from the one that will propose; a classical searcher has none. */
    async learn(view: View, results: readonly ViewNode[], signal: AbortSignal): Promise<Lesson[]> {
      const [first] = rankedArms(models, view, options);
      const teacher = spec.models?.analyze ? talker : first?.model;
      if (teacher === undefined || isLocal(teacher)) return [];
      try {
        return await mindOf(teacher, gateway).learn(view, results, signal);
      } catch (thrown) {
        recordUnavailable(absence(thrown));
        return [];
      }
    },
  };
}
