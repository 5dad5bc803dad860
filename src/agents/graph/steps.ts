import type { AgentSpec } from '../../domain/agent.ts';
import { canonicalCandidate, type Space } from '../../domain/candidate.ts';
import { CandidateError, TerminalError } from '../../domain/errors.ts';
import { type ClaimReply, claimText, type StatedInsight } from '../../domain/ideas.ts';
import type { NodeId } from '../../domain/ids.ts';
import { isOnline } from '../../domain/literature.ts';
import { describeNearDuplicate, findNearDuplicate, type NearDuplicate } from '../../domain/nearDuplicates.ts';
import {
  type Lesson,
  type Operator,
  type Rationale,
  rationaleSchema,
  unusableText,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import { rngFor } from '../../domain/rng.ts';
import { type Asks, noReading, type ReadingState } from '../reading/tools.ts';
import { type Decision, namedBy } from '../scaffolds/decision.ts';
import { changedAfterRefusals } from '../scaffolds/patience.ts';
import { scaffoldFor } from '../scaffolds/scaffold.ts';
import type { ToolOccasion } from '../tools/toolbox.ts';
import { noAnalysis, type Problem, type ProposalResult, type Proposer } from './proposer.ts';

/** An attempt, ready for submission. */
export interface Thought {
  readonly operator: Operator;
  readonly parents: NodeId[];
  /** Canonical text in the space; without a usable answer, the answer itself, to be stored as rejected. */
  readonly candidate: string;
  readonly rationale: Rationale;
  readonly lessons?: Lesson[];
  readonly insights?: StatedInsight[];
}

/** Claims a canonical candidate for the attempt; the reply is recorded by the archive. */
export type Claim = (candidate: string) => Promise<ClaimReply>;

export interface ThoughtDeps {
  readonly spec: AgentSpec;
  readonly space: Space;
  readonly seed: number;
  readonly brief?: Brief | undefined;
  /** Whether a lower metric is better. */
  readonly lowerIsBetter?: boolean | undefined;
  readonly proposer: Proposer;
  /** For agents with `claims`. */
  readonly claim?: Claim | undefined;
  readonly signal: AbortSignal;
}

/** Repairs per attempt. */
const mostRepairs = 1;
/** Extra draws of a local model when novelty is required and the draw is not new. */
const mostRetries = 7;
/** Results per analysis; more arrive between two attempts only after a pause. */
const mostResults = 4;

/** State that passes between steps; plain data, because it is checkpointed. */
export interface ThoughtState {
  readonly view: View;
  readonly decision: Decision;
  readonly lessons: Lesson[];
  readonly insights: StatedInsight[];
  readonly reading: ReadingState;
  readonly offer: ProposalResult;
  readonly problems: Problem[];
  readonly thought: Thought;
}
type Update = Promise<Partial<ThoughtState>>;

/** The view with the lessons learned in this thought. */
function informed({ view, lessons }: ThoughtState): View {
  if (!lessons?.length) return view;
  const texts = new Map(lessons.map(({ node, text }) => [node, text]));
  return {
    ...view,
    nodes: view.nodes.map((node) => ({ ...node, ...(texts.has(node.id) ? { lesson: texts.get(node.id) } : {}) })),
  };
}

/** Recent results without a lesson, oldest first. */
function freshResults(view: View, pending: number): ViewNode[] {
  const since = view.ordinal - pending - mostResults;
  // Each agent learns from its own results; others read its lessons if they share memory.
  const fresh = view.nodes.filter(({ ordinal, status, lesson, foreign }) => {
    return !foreign && ordinal >= since && lesson === undefined && (status === 'evaluated' || status === 'failed');
  });
  return fresh.sort((a, b) => a.ordinal - b.ordinal).slice(-mostResults);
}

/** The nearest earlier candidate that makes this one a duplicate. The ledger applies the same rule. */
export function closest(candidate: string, view: View, { novelty }: AgentSpec): NearDuplicate | null {
  // An exact repeat always counts; a rejected or duplicate node counts for nothing else.
  const tried = view.nodes.find((node) => node.candidate === candidate);
  if (tried) return { id: tried.id, distance: 0 };
  const accepted = view.nodes.filter(({ status }) => status !== 'rejected' && status !== 'duplicate');
  return findNearDuplicate(candidate, accepted, novelty);
}

/** A result without tool calls. */
type FinalResult = Extract<ProposalResult, { proposal: unknown } | { problem: unknown }>;

/** The problem that keeps an offer from becoming a candidate, or null. */
function objection(offer: FinalResult, view: View, { spec, space, proposer }: ThoughtDeps): Problem | null {
  if ('problem' in offer) return offer.problem;
  const { proposal, text } = offer;
  try {
    const candidate = canonicalCandidate(proposal.candidate, space);
    if (!proposer.canRepair) return null;
    const close = closest(candidate, view, spec);
    if (!close) return null;
    const message = `${describeNearDuplicate(close, spec.novelty)}: propose a different candidate`;
    return { kind: 'duplicate', message, text, candidate };
  } catch (error) {
    if (!(error instanceof CandidateError)) throw error;
    if (proposer.canRepair) return { kind: 'invalid', message: error.message, text };
    throw new TerminalError('proposal', `${proposer.name} proposed a candidate outside the space: ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * The other agent's idea that an offer is near to, as a problem; null if there is none, or for an agent without claims. It is
 * raised once: after the repair the candidate is claimed, and submitted whatever the reply, so that a crowded region does not
 * end an agent.
 */
async function crowding(
  offer: FinalResult,
  problems: readonly Problem[],
  { spec, space, proposer, claim }: ThoughtDeps,
): Promise<Problem | null> {
  if (!claim || !spec.claims || !proposer.canRepair || 'problem' in offer) return null;
  const candidate = canonicalCandidate(offer.proposal.candidate, space);
  const reply = await claim(candidate);
  if (reply.state !== 'taken' || problems.length > 0) return null;
  const message = `${claimText(reply)}: propose a different candidate`;
  return { kind: 'duplicate', message, text: offer.text, candidate };
}

function checkedRationale(rationale: Rationale, proposer: Proposer): Rationale {
  const checked = rationaleSchema.safeParse(rationale);
  if (checked.success) return checked.data;
  throw new TerminalError(
    'proposal',
    `${proposer.name} returned an invalid rationale: ${checked.error.issues[0]?.message}`,
  );
}

export type Step = 'recall' | 'analyze' | 'retrieve' | 'propose' | 'read' | 'check' | 'repair' | 'submit';

/** The next step after each; null after the last. */
export const transitions: Readonly<Record<Step, Step | null | ((state: ThoughtState) => Step)>> = {
  recall: 'analyze',
  analyze: 'retrieve',
  retrieve: 'propose',
  propose: ({ offer }) => ('asks' in offer ? 'read' : 'toolless' in offer ? 'retrieve' : 'check'),
  read: 'propose',
  check: ({ offer, problems }) => {
    // A model that declined once declines again; the budget is better spent on the next attempt.
    const hopeless = 'problem' in offer && offer.problem.kind === 'refused';
    return 'problem' in offer && !hopeless && problems.length <= mostRepairs ? 'repair' : 'submit';
  },
  repair: 'check',
  submit: null,
};

/**
 * The steps of one thought: recall, analyze, retrieve, propose, read (and propose again), check, repair, submit.
 *
 * Role: what each step does and which one follows. Non-role: running them (graph), the life cycle (the agent actor), the
 * choice of operator and parents (scaffold), wording (operators), cost (gateway). The last step returns the attempt to the
 * caller, who submits it to the ledger.
 *
 * STP-1. A step is a function of the state, the specification and the recorded answers (I5): it may run again.
 * STP-2. Every thought ends in an attempt. Without a usable answer the attempt says so and is stored (I8).
 * STP-3. All randomness derives from (seed, agent, attempt, step).
 */
export function thoughtSteps(deps: ThoughtDeps): Readonly<Record<Step, (state: ThoughtState) => Update>> {
  const { spec, space, brief, seed, proposer, signal } = deps;
  const scopeOf = ({ view, decision, problems }: ThoughtState) => ({
    agent: spec.name,
    ordinal: view.ordinal,
    purpose: decision.operator,
    round: problems?.length ?? 0,
  });
  const parentsOf = ({ view, decision }: ThoughtState): ViewNode[] => {
    const byId = new Map(view.nodes.map((node) => [node.id, node]));
    return decision.parents.map((id) => byId.get(id) as ViewNode);
  };
  const occasionOf = (state: ThoughtState): ToolOccasion => {
    const view = informed(state);
    return { view, parents: parentsOf({ ...state, view }), scope: scopeOf(state) };
  };
  const offer = async (state: ThoughtState): Update => {
    const { operator } = state.decision;
    const rng = rngFor(seed, spec.name, state.view.ordinal, 'model');
    const problems = state.problems ?? [];
    const view = informed(state);
    const input = { operator, parents: parentsOf({ ...state, view }), view, space, brief, signal };
    const begun = state.offer?.made;
    const propose = (chance: typeof rng) =>
      proposer.propose({ ...input, rng: chance, reading: state.reading ?? noReading, problems, begun });
    let offered = await propose(rng);
    // A proposer that cannot repair may draw again a few times; then the ledger stores the proposal as a duplicate.
    for (let retry = 1; retry <= mostRetries && (await isUnwanted(offered, view)); retry++) {
      offered = await propose(rngFor(seed, spec.name, view.ordinal, 'model', `again ${retry}`));
    }
    return { offer: offered };
  };
  /** A draw of a local model that is not new, or near to what another agent has claimed. */
  const isUnwanted = async (offered: ProposalResult, view: View): Promise<boolean> => {
    if (proposer.canRepair || !('proposal' in offered)) return false;
    const { candidate } = offered.proposal;
    if (spec.novelty !== undefined && closest(candidate, view, spec) !== null) return true;
    if (!deps.claim || !spec.claims) return false;
    return (await deps.claim(canonicalCandidate(candidate, space))).state === 'taken';
  };

  return {
    recall: async ({ view }) => {
      const decision = scaffoldFor(spec.scaffold, deps)(view, rngFor(seed, spec.name, view.ordinal, 'scaffold'));
      const { patience } = spec;
      if (patience === undefined) return { decision };
      const rng = rngFor(seed, spec.name, view.ordinal, 'patience');
      const isOneShot = spec.scaffold.kind === 'one-shot';
      const named = namedBy(deps.lowerIsBetter ?? false);
      return { decision: changedAfterRefusals(decision, view, { patience, isOneShot, named, rng }) };
    },
    analyze: async ({ view }) => {
      // One-shot agents are the baseline that does not learn from results.
      const results = proposer.canRepair && spec.scaffold.kind !== 'one-shot' ? freshResults(view, spec.pending) : [];
      const { lessons, insights } = results.length > 0 ? await proposer.learn(view, results, signal) : noAnalysis;
      return { lessons: [...lessons], insights: [...insights] };
    },
    retrieve: async (state) => {
      if (!proposer.toolbox) return { reading: noReading };
      const toolless = state.offer !== undefined && 'toolless' in state.offer;
      const about = { operator: state.decision.operator, ...occasionOf(state), toolless };
      return { reading: await proposer.toolbox.begin(about, signal) };
    },
    propose: offer,
    read: async (state) => {
      if (!proposer.toolbox) throw new TerminalError('tools', `${proposer.name} calls tools but has none`);
      const { asks } = state.offer as { asks: Asks };
      return { reading: await proposer.toolbox.answer(asks, state.reading, occasionOf(state), signal) };
    },
    check: async ({ offer: offered, view, problems }) => {
      const final = offered as FinalResult;
      const problem = objection(final, view, deps) ?? (await crowding(final, problems ?? [], deps));
      const made = offered.made ? { made: offered.made } : {};
      return problem ? { offer: { problem, ...made }, problems: [...(problems ?? []), problem] } : {};
    },
    repair: offer,
    submit: async (state) => ({ thought: conclusion(state, deps) }),
  };
}

/** What was read, in the form of the node's rationale. */
export function readOf({ retrieved, readings }: Pick<Rationale, 'readings'> & Pick<ReadingState, 'retrieved'>) {
  const works = retrieved.filter(({ source }) => isOnline(source));
  const known = new Map(
    works.map(({ id, url, retrievedAt, licence, title }) => [id, { id, url, retrievedAt, licence, title }]),
  );
  return {
    retrieved: [...new Set(retrieved.map(({ id }) => id))].slice(0, 64),
    ...(readings?.length ? { readings: readings.slice(0, 40) } : {}),
    ...(known.size > 0 ? { works: [...known.values()].slice(0, 64) } : {}),
  };
}

/** The attempt that a finished thought submits. */
function conclusion(state: ThoughtState, { space, proposer }: ThoughtDeps): Thought {
  const { decision, lessons, insights, problems } = state;
  const offer = state.offer as FinalResult;
  const { tried = [] } = state.reading;
  const read = {
    ...readOf({ retrieved: state.reading.retrieved, readings: [...state.reading.readings] }),
    ...(tried.length > 0 ? { tried: tried.slice(0, 40) } : {}),
  };
  const { operator, parents, reason } = decision;
  const { made } = offer;
  const choice = made ? `${reason}; ${made.reason}` : reason;
  const maker = made ? { model: made.model, dollars: made.dollars } : {};
  const learned = { ...(lessons?.length ? { lessons } : {}), ...(insights?.length ? { insights } : {}) };
  if ('problem' in offer) {
    const { kind, message, text, candidate } = offer.problem;
    const change = `no usable answer after ${problems.length === 1 ? 'one try' : `${problems.length} tries`} (${kind}): ${message}`;
    const rationale = { choice, change: change.slice(0, 2000), expected: null, ...read, evidence: [], ...maker };
    // A repeated candidate is stored as a duplicate; anything else gets a prefix, so that it never parses as a candidate.
    const answer = candidate ?? unusableText(kind, text.slice(0, 4000));
    return { operator, parents: [...parents], candidate: answer, rationale, ...learned };
  }
  const { candidate, change, expected, hypothesis, retrieved, readings, evidence = [] } = offer.proposal;
  const statement = {
    ...(hypothesis === undefined ? {} : { hypothesis }),
    ...read,
    // Local models that read do so by themselves.
    ...(retrieved ? { retrieved: [...retrieved], readings: [...(readings ?? [])] } : {}),
    evidence: [...evidence],
    ...maker,
  };
  return {
    operator,
    parents: [...parents],
    candidate: canonicalCandidate(candidate, space),
    rationale: checkedRationale({ choice, change, expected, ...statement }, proposer),
    ...learned,
  };
}
