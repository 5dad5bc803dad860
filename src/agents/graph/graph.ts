import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import type { AgentSpec } from '../../domain/agent.ts';
import { ArchitectureError, canonicalText, parseInSpace, type Space } from '../../domain/architecture.ts';
import { TerminalError } from '../../domain/errors.ts';
import type { NodeId } from '../../domain/ids.ts';
import { type Lesson, type Operator, type Rationale, rationaleSchema, type View, type ViewNode } from '../../domain/node.ts';
import { rngFor } from '../../domain/rng.ts';
import type { Decision } from '../scaffolds/decision.ts';
import { scaffoldFor } from '../scaffolds/scaffold.ts';
import type { Mind, Offer, Problem } from './mind.ts';
import { switchOffTracing } from './privacy.ts';
import type { Passage, Retriever } from './retriever.ts';

/** An attempt, ready to be submitted. */
export interface Thought {
  readonly operator: Operator;
  readonly parents: NodeId[];
  /** Canonical text, of the space; where no usable answer was had, what was answered instead, to be kept as rejected. */
  readonly candidate: string;
  readonly rationale: Rationale;
  readonly lessons?: Lesson[];
}

export interface ThoughtSetting {
  readonly spec: AgentSpec;
  readonly space: Space;
  readonly seed: number;
  readonly task: string;
  readonly mind: Mind;
  readonly retriever: Retriever | null;
  readonly signal: AbortSignal;
}

/** Answers that are asked for again with the reason why they could not be used. */
const mostRepairs = 1;
/** Results that one analysis looks at; more than come in between two attempts only after a pause. */
const mostResults = 4;

const State = Annotation.Root({
  view: Annotation<View>(),
  decision: Annotation<Decision>(),
  lessons: Annotation<Lesson[]>(),
  passages: Annotation<Passage[]>(),
  offer: Annotation<Offer>(),
  problems: Annotation<Problem[]>(),
  thought: Annotation<Thought>(),
});
type ThoughtState = typeof State.State;

/** The view with the lessons that were learned in this thought. */
function informed({ view, lessons }: ThoughtState): View {
  if (!lessons?.length) return view;
  const texts = new Map(lessons.map(({ node, text }) => [node, text]));
  return { ...view, nodes: view.nodes.map((node) => ({ ...node, ...(texts.has(node.id) ? { lesson: texts.get(node.id) } : {}) })) };
}

/** Results of late that nothing was learned from yet, oldest first. */
function freshResults(view: View, pending: number): ViewNode[] {
  const since = view.ordinal - pending - mostResults;
  const fresh = view.nodes.filter(({ ordinal, status, lesson }) => {
    return ordinal >= since && lesson === undefined && (status === 'evaluated' || status === 'failed');
  });
  return fresh.sort((a, b) => a.ordinal - b.ordinal).slice(-mostResults);
}

/** What keeps an offer from becoming a candidate, or null. */
function objection(offer: Offer, view: View, { space, mind }: ThoughtSetting): Problem | null {
  if ('problem' in offer) return offer.problem;
  const { proposal, text } = offer;
  try {
    const candidate = canonicalText(parseInSpace(proposal.candidate, space));
    const twin = mind.mendable ? view.nodes.find((node) => node.candidate === candidate) : undefined;
    return twin ? { kind: 'duplicate', message: `${twin.id} is the same architecture: propose another`, text } : null;
  } catch (error) {
    if (!(error instanceof ArchitectureError)) throw error;
    if (mind.mendable) return { kind: 'invalid', message: error.message, text };
    throw new TerminalError('proposal', `${mind.name} left the space: ${error.message}`, { cause: error });
  }
}

function checkedRationale(rationale: Rationale, mind: Mind): Rationale {
  const checked = rationaleSchema.safeParse(rationale);
  if (checked.success) return checked.data;
  throw new TerminalError('proposal', `${mind.name} gave no proper rationale: ${checked.error.issues[0]?.message}`);
}

/**
 * One thought: recall, analyze, retrieve, propose, check, repair, submit.
 *
 * Role: the order of the steps and what passes between them. Non-role: life cycle (the agent actor), the choice (scaffold),
 * words (operators), money (gateway). The last step hands the attempt to its caller, who takes it to the ledger.
 *
 * T1. A step is a function of the state, the specification and the recorded answers (I5): it may be run again.
 * T2. Every thought ends in an attempt. Where no usable answer was had, the attempt says so and is kept (I8).
 * T3. All chance is drawn from (seed, agent, attempt, step).
 */
export function thoughtGraph(setting: ThoughtSetting) {
  switchOffTracing(process.env);
  const { spec, space, seed, task, mind, retriever, signal } = setting;
  const parentsOf = ({ view, decision }: ThoughtState): ViewNode[] => {
    const byId = new Map(view.nodes.map((node) => [node.id, node]));
    return decision.parents.map((id) => byId.get(id) as ViewNode);
  };
  const offer = async (state: ThoughtState): Promise<Partial<ThoughtState>> => {
    const { operator } = state.decision;
    const rng = rngFor(seed, spec.name, state.view.ordinal, 'model');
    const problems = state.problems ?? [];
    const view = informed(state);
    const input = { operator, parents: parentsOf({ ...state, view }), view, space, rng, signal };
    return { offer: await mind.propose({ ...input, passages: state.passages ?? [], problems }) };
  };

  const steps = {
    recall: async ({ view }: ThoughtState): Promise<Partial<ThoughtState>> => ({
      decision: scaffoldFor(spec.scaffold)(view, rngFor(seed, spec.name, view.ordinal, 'scaffold')),
    }),
    analyze: async ({ view }: ThoughtState): Promise<Partial<ThoughtState>> => {
      // One-shot agents are the baseline that learns nothing from results.
      const results = mind.mendable && spec.scaffold.kind !== 'one-shot' ? freshResults(view, spec.pending) : [];
      return { lessons: results.length > 0 ? await mind.learn(view, results, signal) : [] };
    },
    retrieve: async (state: ThoughtState): Promise<Partial<ThoughtState>> => {
      const query = { operator: state.decision.operator, parents: parentsOf(state), task };
      return { passages: retriever ? [...(await retriever.retrieve(query, signal))] : [] };
    },
    check: async (state: ThoughtState): Promise<Partial<ThoughtState>> => {
      const problem = objection(state.offer, state.view, setting);
      return problem ? { offer: { problem }, problems: [...(state.problems ?? []), problem] } : {};
    },
    submit: async (state: ThoughtState): Promise<Partial<ThoughtState>> => ({ thought: conclusion(state, setting) }),
  };

  const next = ({ offer, problems }: ThoughtState): 'repair' | 'submit' => {
    // Who declined once declines again; the budget is better spent on the next attempt.
    const hopeless = 'problem' in offer && offer.problem.kind === 'refused';
    return 'problem' in offer && !hopeless && problems.length <= mostRepairs ? 'repair' : 'submit';
  };

  return new StateGraph(State)
    .addNode('recall', steps.recall)
    .addNode('analyze', steps.analyze)
    .addNode('retrieve', steps.retrieve)
    .addNode('propose', offer)
    .addNode('check', steps.check)
    .addNode('repair', offer)
    .addNode('submit', steps.submit)
    .addEdge(START, 'recall')
    .addEdge('recall', 'analyze')
    .addEdge('analyze', 'retrieve')
    .addEdge('retrieve', 'propose')
    .addEdge('propose', 'check')
    .addConditionalEdges('check', next, ['repair', 'submit'])
    .addEdge('repair', 'check')
    .addEdge('submit', END);
}

/** The attempt that a thought has come to. */
function conclusion({ decision, lessons, offer, problems }: ThoughtState, { space, mind }: ThoughtSetting): Thought {
  const { operator, parents, reason: choice } = decision;
  const learned = lessons?.length ? { lessons } : {};
  if ('problem' in offer) {
    const { kind, message, text } = offer.problem;
    const change = `no usable answer after ${problems.length === 1 ? 'one try' : `${problems.length} tries`} (${kind}): ${message}`;
    const rationale = { choice, change: change.slice(0, 2000), expected: null };
    return { operator, parents: [...parents], candidate: `(${kind}) ${text.slice(0, 4000)}`, rationale, ...learned };
  }
  const { candidate, change, expected, hypothesis, evidence } = offer.proposal;
  const said = { ...(hypothesis === undefined ? {} : { hypothesis }), ...(evidence?.length ? { evidence: [...evidence] } : {}) };
  return {
    operator,
    parents: [...parents],
    candidate: canonicalText(parseInSpace(candidate, space)),
    rationale: checkedRationale({ choice, change, expected, ...said }, mind),
    ...learned,
  };
}
