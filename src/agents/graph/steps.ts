import type { AgentSpec } from '../../domain/agent.ts';
import { canonicalCandidate, type Space } from '../../domain/candidate.ts';
import { CandidateError, TerminalError } from '../../domain/errors.ts';
import type { NodeId } from '../../domain/ids.ts';
import { isOnline } from '../../domain/literature.ts';
import { describeNearDuplicate, findNearDuplicate, type NearDuplicate } from '../../domain/nearDuplicates.ts';
import {
  type Lesson,
  type Operator,
  type Rationale,
  rationaleSchema,
  type View,
  type ViewNode,
} from '../../domain/node.ts';
import type { Brief } from '../../domain/program.ts';
import { rngFor } from '../../domain/rng.ts';
import { type Asks, noReading, type ReadingState } from '../reading/tools.ts';
import type { Decision } from '../scaffolds/decision.ts';
import { scaffoldFor } from '../scaffolds/scaffold.ts';
import type { Problem, ProposalResult, Proposer } from './proposer.ts';

/** An attempt, ready to be submitted. */
export interface Thought {
  readonly operator: Operator;
  readonly parents: NodeId[];
  /** Canonical text, of the space; where no usable answer was had, what was answered instead, to be kept as rejected. */
  readonly candidate: string;
  readonly rationale: Rationale;
  readonly lessons?: Lesson[];
}

export interface ThoughtDeps {
  readonly spec: AgentSpec;
  readonly space: Space;
  readonly seed: number;
  readonly brief?: Brief | undefined;
  /** The task's metric falls as things improve. */
  readonly lowerIsBetter?: boolean | undefined;
  readonly mind: Proposer;
  readonly signal: AbortSignal;
}

/** Answers that are asked for again with the reason why they could not be used. */
const mostRepairs = 1;
/** Draws of a local model beyond the first, where novelty is asked for and the drawn candidate is not new. */
const mostRetries = 7;
/** Results that one analysis looks at; more than come in between two attempts only after a pause. */
const mostResults = 4;

/** What passes between the steps of a thought; plain data, because it is written down between them. */
export interface ThoughtState {
  readonly view: View;
  readonly decision: Decision;
  readonly lessons: Lesson[];
  readonly reading: ReadingState;
  readonly offer: ProposalResult;
  readonly problems: Problem[];
  readonly thought: Thought;
}
type Update = Promise<Partial<ThoughtState>>;

/** The view with the lessons that were learned in this thought. */
function informed({ view, lessons }: ThoughtState): View {
  if (!lessons?.length) return view;
  const texts = new Map(lessons.map(({ node, text }) => [node, text]));
  return {
    ...view,
    nodes: view.nodes.map((node) => ({ ...node, ...(texts.has(node.id) ? { lesson: texts.get(node.id) } : {}) })),
  };
}

/** Results of late that nothing was learned from yet, oldest first. */
function freshResults(view: View, pending: number): ViewNode[] {
  const since = view.ordinal - pending - mostResults;
  // Each agent learns from its own results: the others read its lessons, where they remember them.
  const fresh = view.nodes.filter(({ ordinal, status, lesson, foreign }) => {
    return !foreign && ordinal >= since && lesson === undefined && (status === 'evaluated' || status === 'failed');
  });
  return fresh.sort((a, b) => a.ordinal - b.ordinal).slice(-mostResults);
}

/** What in the agent's memory keeps a candidate from being new. The ledger refuses it by the same rule. */
function closest(candidate: string, view: View, { novelty }: AgentSpec): NearDuplicate | null {
  // Whatever was tried is not worth trying again; of what was refused, only an equal says so.
  const tried = view.nodes.find((node) => node.candidate === candidate);
  if (tried) return { id: tried.id, distance: 0 };
  const accepted = view.nodes.filter(({ status }) => status !== 'rejected' && status !== 'duplicate');
  return findNearDuplicate(candidate, accepted, novelty);
}

/** An offer that is no question. */
type Judged = Extract<ProposalResult, { proposal: unknown } | { problem: unknown }>;

/** What keeps an offer from becoming a candidate, or null. */
function objection(offer: Judged, view: View, { spec, space, mind }: ThoughtDeps): Problem | null {
  if ('problem' in offer) return offer.problem;
  const { proposal, text } = offer;
  try {
    const candidate = canonicalCandidate(proposal.candidate, space);
    if (!mind.canRepair) return null;
    const close = closest(candidate, view, spec);
    if (!close) return null;
    const message = `${describeNearDuplicate(close, spec.novelty)}: propose another`;
    return { kind: 'duplicate', message, text, candidate };
  } catch (error) {
    if (!(error instanceof CandidateError)) throw error;
    if (mind.canRepair) return { kind: 'invalid', message: error.message, text };
    throw new TerminalError('proposal', `${mind.name} left the space: ${error.message}`, { cause: error });
  }
}

function checkedRationale(rationale: Rationale, mind: Proposer): Rationale {
  const checked = rationaleSchema.safeParse(rationale);
  if (checked.success) return checked.data;
  throw new TerminalError('proposal', `${mind.name} gave no proper rationale: ${checked.error.issues[0]?.message}`);
}

export type Step = 'recall' | 'analyze' | 'retrieve' | 'propose' | 'read' | 'check' | 'repair' | 'submit';

/** Which step follows which; after the last comes null. */
export const transitions: Readonly<Record<Step, Step | null | ((state: ThoughtState) => Step)>> = {
  recall: 'analyze',
  analyze: 'retrieve',
  retrieve: 'propose',
  propose: ({ offer }) => ('asks' in offer ? 'read' : 'toolless' in offer ? 'retrieve' : 'check'),
  read: 'propose',
  check: ({ offer, problems }) => {
    // Who declined once declines again; the budget is better spent on the next attempt.
    const hopeless = 'problem' in offer && offer.problem.kind === 'refused';
    return 'problem' in offer && !hopeless && problems.length <= mostRepairs ? 'repair' : 'submit';
  },
  repair: 'check',
  submit: null,
};

/**
 * The steps of one thought: recall, analyze, retrieve, propose, read (and propose again), check, repair,
 * submit.
 *
 * Role: what each step does, and which follows. Non-role: running them (graph), the life cycle (the agent actor), the
 * choice (scaffold), words (operators), money (gateway). The last step hands the attempt to its caller, who takes it to
 * the ledger.
 *
 * T1. A step is a function of the state, the specification and the recorded answers (I5): it may be run again.
 * T2. Every thought ends in an attempt. Where no usable answer was had, the attempt says so and is kept (I8).
 * T3. All chance is drawn from (seed, agent, attempt, step).
 */
export function thoughtSteps(setting: ThoughtDeps): Readonly<Record<Step, (state: ThoughtState) => Update>> {
  const { spec, space, brief, seed, mind, signal } = setting;
  const scopeOf = ({ view, decision, problems }: ThoughtState) => ({
    ...{ agent: spec.name, ordinal: view.ordinal },
    ...{ purpose: decision.operator, round: problems?.length ?? 0 },
  });
  const parentsOf = ({ view, decision }: ThoughtState): ViewNode[] => {
    const byId = new Map(view.nodes.map((node) => [node.id, node]));
    return decision.parents.map((id) => byId.get(id) as ViewNode);
  };
  const offer = async (state: ThoughtState): Update => {
    const { operator } = state.decision;
    const rng = rngFor(seed, spec.name, state.view.ordinal, 'model');
    const problems = state.problems ?? [];
    const view = informed(state);
    const input = { operator, parents: parentsOf({ ...state, view }), view, space, brief, signal };
    const begun = state.offer?.made;
    const propose = (chance: typeof rng) =>
      mind.propose({ ...input, rng: chance, reading: state.reading ?? noReading, problems, begun });
    let offered = await propose(rng);
    // A mind that cannot be told what was wrong may draw again, a few times; then the ledger keeps what it refuses.
    for (let retry = 1; retry <= mostRetries && isStale(offered, view); retry++) {
      offered = await propose(rngFor(seed, spec.name, view.ordinal, 'model', `again ${retry}`));
    }
    return { offer: offered };
  };
  const isStale = (offered: ProposalResult, view: View): boolean =>
    !mind.canRepair &&
    spec.novelty !== undefined &&
    'proposal' in offered &&
    closest(offered.proposal.candidate, view, spec) !== null;

  return {
    recall: async ({ view }) => ({
      decision: scaffoldFor(spec.scaffold, setting)(view, rngFor(seed, spec.name, view.ordinal, 'scaffold')),
    }),
    analyze: async ({ view }) => {
      // One-shot agents are the baseline that learns nothing from results.
      const results = mind.canRepair && spec.scaffold.kind !== 'one-shot' ? freshResults(view, spec.pending) : [];
      return { lessons: results.length > 0 ? await mind.learn(view, results, signal) : [] };
    },
    retrieve: async (state) => {
      if (!mind.reader) return { reading: noReading };
      const toolless = state.offer !== undefined && 'toolless' in state.offer;
      const about = { operator: state.decision.operator, view: informed(state), scope: scopeOf(state), toolless };
      return { reading: await mind.reader.begin(about, signal) };
    },
    propose: offer,
    read: async (state) => {
      if (!mind.reader) throw new TerminalError('reading', `${mind.name} reads, and has nothing to read with`);
      const { asks } = state.offer as { asks: Asks };
      return {
        reading: await mind.reader.answer(
          asks,
          state.reading,
          { view: informed(state), scope: scopeOf(state) },
          signal,
        ),
      };
    },
    check: async ({ offer: offered, view, problems }) => {
      const problem = objection(offered as Judged, view, setting);
      const made = offered.made ? { made: offered.made } : {};
      return problem ? { offer: { problem, ...made }, problems: [...(problems ?? []), problem] } : {};
    },
    repair: offer,
    submit: async (state) => ({ thought: conclusion(state, setting) }),
  };
}

/** What was read, as the node's rationale keeps it. */
function readOf({ retrieved, readings }: Pick<Rationale, 'readings'> & Pick<ReadingState, 'retrieved'>) {
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

/** The attempt that a thought has come to. */
function conclusion(state: ThoughtState, { space, mind }: ThoughtDeps): Thought {
  const { decision, lessons, problems } = state;
  const offer = state.offer as Judged;
  const read = readOf({ retrieved: state.reading.retrieved, readings: [...state.reading.readings] });
  const { operator, parents, reason } = decision;
  const { made } = offer;
  const choice = made ? `${reason}; ${made.reason}` : reason;
  const maker = made ? { model: made.model, dollars: made.dollars } : {};
  const learned = lessons?.length ? { lessons } : {};
  if ('problem' in offer) {
    const { kind, message, text, candidate } = offer.problem;
    const change = `no usable answer after ${problems.length === 1 ? 'one try' : `${problems.length} tries`} (${kind}): ${message}`;
    const rationale = { choice, change: change.slice(0, 2000), expected: null, ...read, evidence: [], ...maker };
    // A repeated candidate is kept as a duplicate; anything else is marked, so that no accident makes a candidate of it.
    const said = candidate ?? `(${kind}) ${text.slice(0, 4000)}`;
    return { operator, parents: [...parents], candidate: said, rationale, ...learned };
  }
  const { candidate, change, expected, hypothesis, retrieved, readings, evidence = [] } = offer.proposal;
  const said = {
    ...(hypothesis === undefined ? {} : { hypothesis }),
    ...read,
    // Local models that read, read by themselves.
    ...(retrieved ? { retrieved: [...retrieved], readings: [...(readings ?? [])] } : {}),
    evidence: [...evidence],
    ...maker,
  };
  return {
    operator,
    parents: [...parents],
    candidate: canonicalCandidate(candidate, space),
    rationale: checkedRationale({ choice, change, expected, ...said }, mind),
    ...learned,
  };
}
