import type { AgentSpec } from '../domain/agent.ts';
import type { Space } from '../domain/candidate.ts';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { OpenRetriever } from '../domain/literature.ts';
import { isBandit, isLocal, type LocalModelName, type SoleModelName } from '../domain/model.ts';
import type { View } from '../domain/node.ts';
import type { Brief } from '../domain/program.ts';
import type { Gateway, LlmClient } from '../llm/index.ts';
import { banditProposer } from './graph/banditProposer.ts';
import { chatProposer } from './graph/chatProposer.ts';
import { runSteps, type Thoughts } from './graph/graph.ts';
import { localProposer, type Proposer } from './graph/proposer.ts';
import type { Thought, ThoughtDeps } from './graph/steps.ts';
import type { AnyModel } from './models/model.ts';

export type { Thought } from './graph/steps.ts';

/** What language-model agents think with, beside what every agent is given. */
export interface ChatThinking {
  /** The one way to language models. */
  readonly gateway: Gateway;
  readonly search: SearchId;
  /** Where a thought is kept while it lasts, so that a killed agent goes on within it; without it nothing is kept. */
  readonly thoughts?: Thoughts | undefined;
}

/** What the search is about, in the words of its task. */
export interface ThoughtTopic {
  readonly task: string;
  readonly metric: string;
  /** The metric falls as things improve; without it, it rises. */
  readonly lowerIsBetter?: boolean | undefined;
  readonly brief?: Brief | undefined;
}

export interface ThinkDeps {
  readonly spec: AgentSpec;
  /** The nodes of the agent's memory as the attempt `view.ordinal` may know them. */
  readonly view: View;
  readonly space: Space;
  /** The search's seed. */
  readonly seed: number;
  readonly topic: ThoughtTopic;
  /** The local models that are at hand; they belong to the caller, who closes them. */
  readonly models: Readonly<Partial<Record<LocalModelName, AnyModel>>>;
  /** Needed by agents with a language model. */
  readonly chat?: ChatThinking | undefined;
  /** Needed by agents that read with a language model. */
  readonly openRetriever?: OpenRetriever | undefined;
  readonly signal?: AbortSignal | undefined;
}

function mindOf({ spec, space, topic, models, chat, openRetriever }: ThinkDeps): Proposer {
  if (spec.literature && !openRetriever)
    throw new TerminalError('reading', `${spec.name} reads, and nothing to read was opened`);
  const sole = (model: SoleModelName, gateway: LlmClient | null): Proposer => {
    if (!isLocal(model)) {
      if (!gateway)
        throw new TerminalError('model', `${spec.name} thinks with ${model}, and no language models are open`);
      return chatProposer({ ...spec, model }, space, { gateway, openRetriever: openRetriever ?? null, ...topic });
    }
    const local = models[model];
    if (!local) throw new TerminalError('model', `${spec.name} thinks with ${model}, which was not opened`);
    return localProposer(local);
  };
  const gateway = chat?.gateway ?? null;
  return isBandit(spec.model) ? banditProposer(spec, sole, gateway) : sole(spec.model, gateway);
}

/**
 * One thought of one agent: decide, learn, read, propose, check. A function of its input and of what models answer (I5):
 * every chance is drawn from the seed, the agent's name and the number of the attempt.
 *
 * A thought that costs money is kept step by step; called again for the same attempt, it goes on where it was. Thoughts of
 * local models are cheaper to have again than to keep.
 *
 * @throws TerminalError when the view is not this agent's, the model is not at hand, or a local model breaks its contract;
 * BudgetError when a question would exceed the budget; RetryableError when a provider is away; and whatever the model throws.
 */
export async function think(thinker: ThinkDeps): Promise<Thought> {
  const { spec, view, space, seed, chat, signal } = thinker;
  const mayBeForeign = spec.memory === 'ensemble';
  const stranger = view.nodes.find(
    ({ agent, foreign }) => (agent !== spec.name) !== (foreign ?? false) || (foreign && !mayBeForeign),
  );
  if (stranger)
    throw new TerminalError('view', `the view of ${spec.name} holds ${stranger.id}, made by ${stranger.agent}`);
  const mind = mindOf(thinker);
  const setting: ThoughtDeps = {
    ...{ spec, space, seed, mind },
    brief: thinker.topic.brief,
    lowerIsBetter: thinker.topic.lowerIsBetter,
    signal: signal ?? new AbortController().signal,
  };
  if (!mind.canRepair || !chat?.thoughts) return runSteps(setting, view);
  // Loaded when it is needed: LangGraph takes longer to load than most commands take.
  const { runWithCheckpoints: thinkDurably } = await import('./graph/graph.ts');
  return thinkDurably(setting, view, chat.thoughts, { search: chat.search, agent: spec.name, ordinal: view.ordinal });
}
