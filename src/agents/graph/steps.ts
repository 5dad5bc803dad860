import { type AgentSpec, mostAttempts } from '../../domain/agent.ts';
import { canonicalCandidate, type Space } from '../../domain/candidate.ts';
import { CandidateError, TerminalError } from '../../domain/errors.ts';
import { type ClaimReply, claimText, type StatedInsight } from '../../domain/ideas.ts';
import { nodeId } from '../../domain/ids.ts';
import { describeNearDuplicate, findNearDuplicate, type NearDuplicate } from '../../domain/nearDuplicates.ts';
import { isRefused, type Lesson, type View, type ViewNode } from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import { rngFor } from '../../domain/rng.ts';
import { changedAfterRefusals, type Decision, namedBy, type Scaffold } from '../scaffolds/decision.ts';
import { scaffoldFor } from '../scaffolds/scaffold.ts';
import { type Asks, noReading, type ReadingState, type ToolOccasion } from '../tools/toolbox.ts';
import {
  type FinalResult,
  noAnalysis,
  type Problem,
  type ProposalResult,
  type Proposer,
  type SingleResult,
} from './proposers.ts';
import { conclusion, type Thought } from './thoughts.ts';

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
  /** The policy of an agent whose scaffold is the user's own. */
  readonly ownScaffold?: Scaffold | undefined;
  /** For agents with `claims`. */
  readonly claim?: Claim | undefined;
  readonly signal: AbortSignal;
}

/** Repairs per attempt. */
const mostRepairs = 1;
/** Extra draws of a local model when novelty is required and the draw is not new. */
const mostRetries = 7;
/** Results per analysis, or as many as a thought gives; more arrive between two thoughts only after a pause. */
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
function freshResults(view: View, { pending, proposals = 1 }: AgentSpec): ViewNode[] {
  const most = Math.max(mostResults, proposals);
  const since = view.ordinal - pending - most;
  // Each agent learns from its own results; others read its lessons if they share memory.
  const fresh = view.nodes.filter(({ ordinal, status, lesson, foreign }) => {
    return !foreign && ordinal >= since && lesson === undefined && (status === 'evaluated' || status === 'failed');
  });
  return fresh.sort((a, b) => a.ordinal - b.ordinal).slice(-most);
}

/** The nearest earlier candidate that makes this one a duplicate. The ledger applies the same rule. */
export function closest(candidate: string, view: View, { novelty }: AgentSpec): NearDuplicate | null {
  // An exact repeat always counts; a rejected or duplicate node counts for nothing else.
  const tried = view.nodes.find((node) => node.candidate === candidate);
  if (tried) return { id: tried.id, distance: 0 };
  const accepted = view.nodes.filter(({ status }) => !isRefused(status));
  return findNearDuplicate(candidate, accepted, novelty);
}

/** How many candidates a thought asks for: as many as the policy has a use for, within the budgets of the agent. */
function countOf({ decision, view }: Pick<ThoughtState, 'decision' | 'view'>, spec: AgentSpec): number {
  const room = decision.room ?? Number.POSITIVE_INFINITY;
  return Math.max(1, Math.min(spec.proposals ?? 1, room, view.remaining, mostAttempts(spec) - view.ordinal + 1));
}

/** The problem that keeps an offer from becoming a candidate, or null. */
function objection(offer: SingleResult, view: View, { spec, space, proposer }: ThoughtDeps): Problem | null {
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
  offer: SingleResult,
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

/**
 * The candidates of one answer. One that is no candidate, or near to another agent's idea, becomes a refused attempt without
 * another question; if all are near to ideas of others, the first is submitted, as after a repair. Duplicates are left to the
 * ledger, with their reasons.
 */
async function checkedEach(
  several: readonly SingleResult[],
  view: View,
  deps: ThoughtDeps,
): Promise<readonly SingleResult[]> {
  const results: SingleResult[] = [];
  const crowded: { readonly at: number; readonly problem: Problem }[] = [];
  let free = 0;
  for (const single of several) {
    const problem = objection(single, view, deps);
    const near = problem === null ? await crowding(single, [], deps) : null;
    // Without a candidate: the ledger would accept it.
    if (near)
      crowded.push({ at: results.length, problem: { kind: near.kind, message: near.message, text: near.text } });
    else if (problem === null) free += 1;
    results.push(problem && problem.kind !== 'duplicate' ? { problem } : single);
  }
  for (const { at, problem } of crowded.slice(free > 0 ? 0 : 1)) results[at] = { problem };
  return results;
}

/** The candidates of an offer; null for one that calls tools. */
function singlesOf(offered: ProposalResult): readonly SingleResult[] | null {
  if ('several' in offered) return offered.several;
  return 'proposal' in offered || 'problem' in offered ? [offered] : null;
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
 * STP-2. Every thought ends in an attempt, or in several: each candidate of an answer is one. Without a usable answer the
 *     attempt says so and is stored (I8).
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
    const propose = (chance: typeof rng, count: number) =>
      proposer.propose({ ...input, count, rng: chance, reading: state.reading ?? noReading, problems, begun });
    const count = countOf(state, spec);
    if (proposer.canRepair) return { offer: await propose(rng, count) };
    // A proposer that cannot repair may draw again a few times; then the ledger stores the proposal as a duplicate.
    const wanted: SingleResult[] = [];
    for (let [retry, judged] = [0, 0]; ; retry++) {
      const chance = retry === 0 ? rng : rngFor(seed, spec.name, view.ordinal, 'model', `again ${retry}`);
      const offered = await propose(chance, count - wanted.length);
      const singles = singlesOf(offered);
      if (!singles) return { offer: offered };
      const before = wanted.length;
      for (const single of singles) if (!(await isUnwanted(single, wanted, view))) wanted.push(single);
      judged += singles.length;
      const all = wanted.length - before === singles.length;
      if (!all && judged + count - wanted.length <= count + mostRetries) continue;
      const [first = singles[0], ...others] = wanted;
      const made = offered.made ? { made: offered.made } : {};
      return { offer: { ...made, ...(others.length > 0 || !first ? { several: wanted } : first) } };
    }
  };
  /** A draw of a local model that is not new, repeats another of the thought, or is near to what another agent has claimed. */
  const isUnwanted = async (single: SingleResult, wanted: readonly SingleResult[], view: View): Promise<boolean> => {
    if (!('proposal' in single)) return false;
    const { candidate } = single.proposal;
    if (spec.novelty !== undefined && closest(candidate, view, spec) !== null) return true;
    const others = wanted.flatMap((each, index) =>
      'proposal' in each ? [{ id: nodeId(spec.name, view.ordinal + index), candidate: each.proposal.candidate }] : [],
    );
    if (findNearDuplicate(candidate, others, spec.novelty) !== null) return true;
    if (!deps.claim || !spec.claims) return false;
    return (await deps.claim(canonicalCandidate(candidate, space))).state === 'taken';
  };

  return {
    recall: async ({ view }) => {
      const decide = deps.ownScaffold ?? scaffoldFor(spec.scaffold, deps);
      const decision = decide(view, rngFor(seed, spec.name, view.ordinal, 'scaffold'));
      const { patience } = spec;
      if (patience === undefined) return { decision };
      const rng = rngFor(seed, spec.name, view.ordinal, 'patience');
      const isOneShot = spec.scaffold.kind === 'one-shot';
      const named = namedBy(deps.lowerIsBetter ?? false);
      return { decision: changedAfterRefusals(decision, view, { patience, isOneShot, named, rng }) };
    },
    analyze: async ({ view }) => {
      // One-shot agents are the baseline that does not learn from results.
      const results = proposer.canRepair && spec.scaffold.kind !== 'one-shot' ? freshResults(view, spec) : [];
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
      if ('several' in final) return { offer: { ...final, several: await checkedEach(final.several, view, deps) } };
      const problem = objection(final, view, deps) ?? (await crowding(final, problems ?? [], deps));
      const made = offered.made ? { made: offered.made } : {};
      return problem ? { offer: { problem, ...made }, problems: [...(problems ?? []), problem] } : {};
    },
    repair: offer,
    submit: async (state) => {
      const { view, decision, offer: offered, reading, lessons, insights, problems } = state;
      const final = offered as FinalResult;
      const finished = {
        ordinal: view.ordinal,
        decision,
        offer: final,
        reading,
        lessons,
        insights,
        problems: problems ?? [],
      };
      return { thought: conclusion(finished, deps) };
    },
  };
}

/** Runs one thought without checkpoints, which takes a hundredth of the time. */
export async function runSteps(deps: ThoughtDeps, view: View): Promise<Thought> {
  const steps = thoughtSteps(deps);
  let state = { view } as ThoughtState;
  for (let step: Step | null = 'recall'; step; ) {
    state = { ...state, ...(await steps[step](state)) };
    const next: (typeof transitions)[Step] = transitions[step];
    step = typeof next === 'function' ? next(state) : next;
  }
  return state.thought;
}
