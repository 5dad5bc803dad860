import type { AgentSpec } from '../domain/agent.ts';
import type { Space } from '../domain/candidate.ts';
import { TerminalError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { OpenRetriever } from '../domain/literature.ts';
import { isBandit, isLocal, isOutside, isProgram, type LocalModelName, type SoleModelName } from '../domain/model.ts';
import type { View } from '../domain/node.ts';
import type { Gateway, LlmClient } from '../llm/index.ts';
import { chatProposer, toolboxOf } from './graph/chatProposer.ts';
import {
  banditProposer,
  localProposer,
  type Proposer,
  rehearsingProposer,
  type TaskDescription,
} from './graph/proposers.ts';
import { type Claim, runSteps, type ThoughtDeps } from './graph/steps.ts';
import type { Thought, Thoughts } from './graph/thoughts.ts';
import type { AnyModel } from './models/model.ts';
import type { OwnScaffolds } from './scaffolds/ownFiles.ts';
import { type Searchers, searcherThought } from './searchers.ts';
import type { RehearsalDeps } from './tools/investigation.ts';

export type { TaskDescription } from './graph/proposers.ts';
export { type Attempt, attemptsOf, type Thought } from './graph/thoughts.ts';

/** What language-model agents need in addition. */
export interface ChatThinking {
  /** The only path to language models. */
  readonly gateway: Gateway;
  readonly search: SearchId;
  /** Checkpoints of thoughts, so that a killed agent resumes within one; without them a thought restarts. */
  readonly thoughts?: Thoughts | undefined;
}

export interface ThinkDeps {
  readonly spec: AgentSpec;
  /** The nodes that the attempt `view.ordinal` may know. */
  readonly view: View;
  readonly space: Space;
  /** The search's seed. */
  readonly seed: number;
  readonly topic: TaskDescription;
  /** The open local models; the caller owns and closes them. */
  readonly models: Readonly<Partial<Record<LocalModelName, AnyModel>>>;
  /** Required by agents with a language model, and by those with multi-turn operators, whose findings it records. */
  readonly chat?: ChatThinking | undefined;
  /** Required by agents that read with a language model. */
  readonly openRetriever?: OpenRetriever | undefined;
  /** Claims ideas, for agents with `claims`; without it they do not. */
  readonly claim?: Claim | undefined;
  /** The user's own scaffolds; required by agents with one. */
  readonly scaffolds?: Pick<OwnScaffolds, 'open'> | undefined;
  /** The open programs of the user; required by agents with a `program/` model unless their replies are recorded. */
  readonly searchers?: Pick<Searchers, 'ask'> | undefined;
  /** Where multi-turn agents rehearse; an audit has none. */
  readonly rehearsing?: RehearsalDeps | undefined;
  readonly signal?: AbortSignal | undefined;
}

function proposerFor({ spec, space, topic, models, chat, openRetriever, rehearsing }: ThinkDeps): Proposer {
  if (spec.literature && !openRetriever)
    throw new TerminalError('reading', `${spec.name} has literature tools, but no retriever is open`);
  const sole = (model: SoleModelName, gateway: LlmClient | null): Proposer => {
    if (!isLocal(model)) {
      if (!gateway) throw new TerminalError('model', `${spec.name} uses ${model}, but no LLM gateway is open`);
      return chatProposer({ ...spec, model }, space, {
        gateway,
        openRetriever: openRetriever ?? null,
        rehearsing,
        ...topic,
      });
    }
    const local = models[model];
    if (!local) throw new TerminalError('model', `${spec.name} uses ${model}, which is not open`);
    if (!spec.operators) return localProposer(local);
    if (!gateway) throw new TerminalError('model', `${spec.name} has multi-turn operators, but no recording is open`);
    const { stage, brief } = topic;
    const toolbox = toolboxOf(spec, { gateway, openRetriever: null, stage, rehearsing, brief });
    return toolbox ? rehearsingProposer(local, spec.operators, toolbox) : localProposer(local);
  };
  if (isOutside(spec.model)) {
    throw new TerminalError('model', `${spec.name} proposes from outside; connect its client with: aira mcp`);
  }
  const gateway = chat?.gateway ?? null;
  return isBandit(spec.model) ? banditProposer(spec, sole, gateway) : sole(spec.model as SoleModelName, gateway);
}

/**
 * One thought of one agent: choose operator and parents, learn, read, propose, check. A function of its input and of the
 * models' answers (I5): all randomness derives from the seed, the agent's name and the attempt number.
 *
 * A thought that costs money is checkpointed after each step and resumes there. Thoughts of local models are cheaper to
 * repeat than to store.
 *
 * @throws TerminalError if the view belongs to another agent, the model is not open, or a local model breaks its contract;
 * BudgetError if a question would exceed the budget; RetryableError if a provider is unavailable; PrerequisiteError for an own
 * scaffold that is missing here or has changed; and the model's own errors.
 */
export async function think(thinker: ThinkDeps): Promise<Thought> {
  const { spec, view, space, seed, chat, claim, signal } = thinker;
  const mayBeForeign = spec.memory === 'ensemble';
  const stranger = view.nodes.find(
    ({ agent, foreign }) => (agent !== spec.name) !== (foreign ?? false) || (foreign && !mayBeForeign),
  );
  if (stranger)
    throw new TerminalError('view', `the view of ${spec.name} contains ${stranger.id} of agent ${stranger.agent}`);
  if (isProgram(spec.model)) {
    const { topic, searchers } = thinker;
    const abort = signal ?? new AbortController().signal;
    const recorded = { gateway: chat?.gateway, search: chat?.search };
    return searcherThought({ spec, view, space, seed, topic, searchers, claim, ...recorded, signal: abort });
  }
  const proposer = proposerFor(thinker);
  const { scaffolds, topic } = thinker;
  const { lowerIsBetter } = topic;
  const deps: ThoughtDeps = {
    spec,
    space,
    seed,
    proposer,
    claim,
    brief: topic.brief,
    lowerIsBetter,
    ...(spec.scaffold.kind === 'own' ? { ownScaffold: await scaffolds?.open(spec.scaffold, { lowerIsBetter }) } : {}),
    signal: signal ?? new AbortController().signal,
  };
  if (!proposer.canRepair || !chat?.thoughts) return runSteps(deps, view);
  // Loaded on demand: LangGraph takes longer to load than most commands take to run.
  const { runWithCheckpoints } = await import('./graph/graph.ts');
  return runWithCheckpoints(deps, view, chat.thoughts, {
    search: chat.search,
    agent: spec.name,
    ordinal: view.ordinal,
  });
}
