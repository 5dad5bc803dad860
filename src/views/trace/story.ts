import type { Spend } from '../../domain/agent.ts';
import type { OwnPrimitive } from '../../domain/architecture.ts';
import { shortCandidate } from '../../domain/candidate.ts';
import type { AgentEnd } from '../../domain/ending.ts';
import { PrerequisiteError } from '../../domain/errors.ts';
import { type ClaimReply, claimText } from '../../domain/ideas.ts';
import { type AgentName, nodeId, type SearchId } from '../../domain/ids.ts';
import type { NodeStatus, Origin, Rationale } from '../../domain/node.ts';
import { scaffoldLabel } from '../../domain/scaffold.ts';
import type { SearchSpec } from '../../domain/search.ts';
import { metricValue } from '../../domain/task.ts';
import { type ArchiveReader, type InsightRecord, type NodeRecord, type Plateau, statusOf } from '../../memory/index.ts';
import { type Difference, differenceOf, distanceOf } from '../../studies/index.ts';

/** A node as mentioned in a trace. Scores are in the task's metric. */
export interface Mention {
  readonly node: string;
  readonly agent: string;
  readonly screen: number | null;
}

/** One attempt. */
export interface Step {
  readonly node: string;
  readonly ordinal: number;
  /** The thought that gave this candidate and others; null for the only one. Its calls are in the step of the first. */
  readonly thought: { readonly node: string; readonly place: number; readonly of: number } | null;
  readonly operator: Origin;
  /** What the agent knew: results and pending attempts in its view, and the best result. */
  readonly view: {
    readonly known: number;
    readonly pending: number;
    readonly others: number;
    readonly best: Mention | null;
  };
  /** Why this operator and these parents. */
  readonly choice: string;
  /** Model that proposed, if the agent chooses among several. */
  readonly model: string | null;
  readonly parents: readonly Mention[];
  readonly readings: NonNullable<Rationale['readings']>;
  /** What was tried out before the proposal. */
  readonly tried: NonNullable<Rationale['tried']>;
  readonly works: NonNullable<Rationale['works']>;
  readonly retrieved: readonly string[];
  readonly evidence: readonly string[];
  /** LLM calls of this attempt; none for a further candidate of a thought. */
  readonly calls: {
    readonly calls: number;
    readonly tokens: number;
    readonly dollars: number;
    readonly input: number;
    /** Of the input, read from the provider's cache. */
    readonly cached: number;
    readonly output: number;
    /** Calls without a complete answer. */
    readonly failed: number;
    /** Of calls that ended, in milliseconds. */
    readonly latencies: readonly number[];
    /** Models as the providers report them. */
    readonly served: readonly string[];
  };
  readonly effort: string | null;
  /** Claims of the attempt, and what they met. */
  readonly claims: readonly { readonly state: ClaimReply['state']; readonly text: string }[];
  readonly hypothesis: string | null;
  /** The change in the proposer's words. */
  readonly change: string;
  readonly candidate: string;
  readonly short: string;
  readonly status: NodeStatus;
  /** Against the first parent; null for a draft, or if the reply was not a candidate. */
  readonly difference: Difference | null;
  /** Share of layers or lines that differ from the first parent, and from the agent's nearest earlier candidate. */
  readonly distance: { readonly parent: number | null; readonly nearest: number | null };
  readonly predicted: number | null;
  readonly measured: {
    readonly screen: number | null;
    readonly confirm: readonly number[];
    readonly final: readonly number[];
  };
  /** Metric minus that of the first parent, on the screening rung; null if either is missing. */
  readonly effect: number | null;
  /** Whether the effect is a gain. */
  readonly improved: boolean | null;
  /** Why there is no score. */
  readonly reason: string | null;
  readonly message: string | null;
  readonly lesson: { readonly text: string; readonly learnedBefore: number } | null;
  /** Reuse of other agents' work: parents, cited results, or a candidate that another agent proposed first. */
  readonly taken: readonly {
    readonly node: string;
    readonly agent: string;
    readonly how: 'parent' | 'cited' | 'same candidate';
  }[];
}

export interface AgentStory {
  readonly agent: string;
  readonly model: string;
  readonly scaffold: string;
  readonly reads: string | null;
  /** Null while it may still propose, and for searches of versions that did not record it. */
  readonly end: AgentEnd | null;
  readonly plateaus: readonly Plateau[];
  readonly insights: readonly InsightRecord[];
  /** Claims that another agent's idea stood in the way of. */
  readonly claimsTaken: number;
  /** All its LLM calls, including lost ones. */
  readonly spend: Spend;
  readonly steps: readonly Step[];
}

export interface Story {
  readonly search: string;
  readonly task: string;
  readonly metric: string;
  readonly lowerIsBetter: boolean;
  /** Manifest entries of the user's own primitives in the space. */
  readonly primitives: readonly OwnPrimitive[];
  readonly agents: readonly AgentStory[];
}

const screenOf = (record: NodeRecord): number | null =>
  record.evaluations.find(({ rung }) => rung === 'screen')?.validation ?? null;

/** The node of an evidence id, `walker-3` or `archive:walker-3`; null for a work. */
const citedNode = (id: string): string | null =>
  id.startsWith('archive:') ? id.slice('archive:'.length) : id.includes(':') ? null : id;

function agentStories(reader: ArchiveReader, spec: SearchSpec) {
  const { id: search, lowerIsBetter, space } = spec;
  const records = reader.records.nodes(search);
  const byId = new Map(records.map((record) => [record.id as string, record]));
  const order = new Map(records.map(({ id }, index) => [id as string, index]));
  const lessons = new Map(reader.records.lessons(search).map((lesson) => [lesson.node as string, lesson]));
  const calls = reader.calls.of(search);
  const claims = reader.ideas.claimsOf(search);
  const insights = reader.ideas.insightsOf(search);
  const plateaus = reader.plateaus.of(search);
  const efforts = new Map(spec.agents.map(({ name, effort }) => [name as string, effort ?? null]));
  const searchStatus = reader.searchStatus.of(search);
  const figure = (fitness: number | null) => (fitness === null ? null : metricValue(fitness, lowerIsBetter));

  /** The first accepted node of each candidate. */
  const firsts = new Map<string, NodeRecord>();
  for (const record of records) {
    if (record.verdict === 'accepted' && !firsts.has(record.candidate)) firsts.set(record.candidate, record);
  }

  const mention = (id: string): Mention => {
    const record = byId.get(id);
    return { node: id, agent: record?.agent ?? '', screen: record ? figure(screenOf(record)) : null };
  };

  const taken = (record: NodeRecord): Step['taken'] => {
    const reuses: Step['taken'][number][] = [];
    const add = (id: string | null, how: Step['taken'][number]['how']) => {
      const other = id === null ? undefined : byId.get(id);
      if (other && other.agent !== record.agent && !reuses.some(({ node }) => node === other.id)) {
        reuses.push({ node: other.id, agent: other.agent, how });
      }
    };
    for (const parent of record.parents) add(parent, 'parent');
    for (const cited of record.rationale.evidence) add(citedNode(cited), 'cited');
    const first = firsts.get(record.candidate);
    if (first && (order.get(first.id) ?? 0) < (order.get(record.id) ?? 0)) add(first.id, 'same candidate');
    return reuses;
  };

  const step = (record: NodeRecord, before: readonly NodeRecord[]): Step => {
    const { rationale, parents, candidate, ordinal } = record;
    const shared = rationale.thought;
    const thoughtAt = shared?.first ?? ordinal;
    const { nodes: viewed } = reader.views.past(search, record.agent, thoughtAt);
    const known = viewed.filter(({ fitness }) => fitness !== null);
    const best = known.reduce<(typeof known)[number] | null>(
      (top, node) => ((node.fitness ?? 0) > (top?.fitness ?? Number.NEGATIVE_INFINITY) ? node : top),
      null,
    );
    const [parent] = parents.map((id) => byId.get(id));
    const own = calls.filter((call) => call.agent === record.agent && call.ordinal === ordinal);
    const nearest = before
      .filter(({ verdict }) => verdict === 'accepted')
      .map((other) => distanceOf(space.kind, other.candidate, candidate))
      .filter((distance) => distance !== null);
    const screen = screenOf(record);
    const base = parent ? screenOf(parent) : null;
    const failed = record.evaluations.find(({ status }) => status === 'failed');
    const lesson = lessons.get(record.id);
    const on = (rung: string) =>
      record.evaluations.flatMap((each) =>
        each.rung === rung && each.validation !== null ? [metricValue(each.validation, lowerIsBetter)] : [],
      );
    return {
      node: record.id,
      ordinal,
      thought: shared ? { node: nodeId(record.agent, shared.first), place: shared.place, of: shared.of } : null,
      operator: record.origin,
      view: {
        known: known.length,
        pending: viewed.filter(({ status }) => status === 'pending').length,
        others: viewed.filter(({ agent }) => agent !== record.agent).length,
        best: best ? mention(best.id) : null,
      },
      choice: rationale.choice,
      model: rationale.model ?? null,
      parents: parents.map(mention),
      readings: rationale.readings ?? [],
      tried: rationale.tried ?? [],
      works: rationale.works ?? [],
      retrieved: rationale.retrieved,
      evidence: rationale.evidence,
      calls: {
        calls: own.length,
        tokens: own.reduce((sum, { input, output }) => sum + (input ?? 0) + (output ?? 0), 0),
        dollars: own.reduce((sum, { dollars }) => sum + (dollars ?? 0), 0),
        input: own.reduce((sum, { input }) => sum + (input ?? 0), 0),
        cached: own.reduce((sum, { cached }) => sum + (cached ?? 0), 0),
        output: own.reduce((sum, { output }) => sum + (output ?? 0), 0),
        failed: own.filter(({ outcome }) => outcome !== 'complete').length,
        latencies: own.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs])),
        served: [...new Set(own.flatMap(({ served }) => served ?? []))],
      },
      effort: efforts.get(record.agent) ?? null,
      claims: claims
        .filter((claim) => claim.agent === record.agent && claim.ordinal === ordinal)
        .map(({ reply }) => ({ state: reply.state, text: reply.state === 'granted' ? 'granted' : claimText(reply) })),
      hypothesis: rationale.hypothesis ?? null,
      change: rationale.change,
      candidate,
      short: shortCandidate(candidate),
      status: statusOf(record),
      difference: parent ? differenceOf(space.kind, parent.candidate, candidate) : null,
      distance: {
        parent: parent ? distanceOf(space.kind, parent.candidate, candidate) : null,
        nearest: record.verdict === 'rejected' || nearest.length === 0 ? null : Math.min(...nearest),
      },
      predicted: figure(rationale.expected),
      measured: { screen: figure(screen), confirm: on('confirm'), final: on('final') },
      effect: screen === null || base === null ? null : metricValue(screen - base, lowerIsBetter),
      improved: screen === null || base === null ? null : screen > base,
      reason: failed?.reason ?? (record.verdict === 'accepted' ? null : record.verdict),
      message: failed?.message ?? record.message,
      lesson: lesson ? { text: lesson.text, learnedBefore: lesson.ordinal } : null,
      taken: taken(record),
    };
  };

  return (self: SearchSpec['agents'][number]): AgentStory => {
    const own = records.filter(({ agent }) => agent === self.name).sort((a, b) => a.ordinal - b.ordinal);
    const row = searchStatus.agents.find(({ agent }) => agent === self.name);
    return {
      agent: self.name,
      model: self.model,
      scaffold: scaffoldLabel(self.scaffold),
      reads: self.literature ? self.literature.sources.join(', ') : self.model === 'local/prior' ? 'corpus' : null,
      end: row?.end ?? null,
      plateaus: plateaus.filter(({ agent }) => agent === self.name),
      insights: insights.filter(({ agent }) => agent === self.name),
      claimsTaken: claims.filter(({ agent, reply }) => agent === self.name && reply.state === 'taken').length,
      spend: row?.spend ?? { calls: 0, tokens: 0, dollars: 0 },
      steps: own.map((record, index) => step(record, own.slice(0, index))),
    };
  };
}

/**
 * Why each agent did what it did, from the archive only; nothing is re-executed.
 *
 * @throws PrerequisiteError `unknown-search`; PrerequisiteError `unknown-agent`.
 */
export function storyOf(reader: ArchiveReader, search: SearchId, agent: AgentName | null): Story {
  const spec = reader.searches.spec(search);
  const selected = spec.agents.filter(({ name }) => agent === null || name === agent);
  if (selected.length === 0) {
    const names = spec.agents.map(({ name }) => name).join(', ');
    const remedy = names === '' ? 'omit the agent' : `choose one of ${names}`;
    throw new PrerequisiteError('unknown-agent', `"${agent}" is not an agent of "${search}"`, remedy);
  }
  const { task, metric, lowerIsBetter, primitives = [] } = spec;
  return { search, task, metric, lowerIsBetter, primitives, agents: selected.map(agentStories(reader, spec)) };
}
