import { type Thinker, think } from '../agents/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { errorMessage } from '../domain/errors.ts';
import { type NodeId, nodeId } from '../domain/ids.ts';
import { describeCloseness, horizonOf, tooClose } from '../domain/memory.ts';
import { byAge, type NodeStatus, type View, type ViewNode } from '../domain/node.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { TableLook } from '../evaluators/index.ts';
import { attemptsPerProposal, spareAttempts } from '../memory/nodes.ts';
import type { RunResult } from './results.ts';

/**
 * A search without a laboratory around it: where every answer is known beforehand, server, ledger and workers would take
 * a thousand times longer than the thoughts.
 *
 * Role: the archivist's rules of submission and view, in memory, around the ordinary `think`. Non-role: thinking,
 * statistics, the upper rungs.
 *
 * M1. An agent sees what the ledger would show it (V1 and V2 of memory/views.ts), spends as the ledger would have it
 *     spend, and so makes the nodes that the laboratory would have made. A test holds the two against each other.
 * M2. A run is a function of the specification and of the answers (I5); nothing in it is random or takes time.
 */

/** An agent's attempt with the answer that it got, whether or not the agent may know it yet. */
export interface Attempt {
  /** As the agent sees it once the outcome is known to it. */
  readonly node: ViewNode;
  readonly look: TableLook | null;
}

const accepted = ({ node }: Attempt): boolean => node.status !== 'duplicate' && node.status !== 'rejected';

/** The attempts of every agent so far. */
export type Runs = ReadonlyMap<AgentSpec, readonly Attempt[]>;

/** What attempt `ordinal` of an agent knows of the others: all up to its horizon, with their outcomes. */
function foreign(self: AgentSpec, ordinal: number, runs: Runs): ViewNode[] {
  if (self.memory !== 'ensemble') return [];
  const horizon = horizonOf(ordinal, self);
  return [...runs].flatMap(([other, attempts]) =>
    other.name === self.name ? [] : attempts.slice(0, horizon).map(({ node }) => ({ ...node, foreign: true as const })),
  );
}

/** The tree as the agent's next attempt may know it, or null where the agent may make no further attempt. */
export function viewOf(self: AgentSpec, runs: Runs): View | null {
  const { pending, evaluations } = self;
  const attempts = runs.get(self) ?? [];
  const ordinal = attempts.length + 1;
  const remaining = evaluations - attempts.filter(accepted).length;
  if (remaining <= 0 || ordinal > evaluations * attemptsPerProposal + spareAttempts) return null;
  const nodes = attempts.map(({ node }): ViewNode => {
    const open = node.ordinal > ordinal - pending && (node.status === 'evaluated' || node.status === 'failed');
    if (!open) return node;
    const { message: _, ...rest } = node;
    return { ...rest, status: 'pending', reason: null, fitness: null };
  });
  return { ordinal, remaining, nodes: [...nodes, ...foreign(self, ordinal, runs)].sort(byAge), left: {} };
}

export interface SimulationParts {
  readonly models: Thinker['models'];
  /** Answers what is known of a candidate. */
  readonly look: (candidate: string) => TableLook;
  readonly signal?: AbortSignal | undefined;
}

async function attempt(spec: SearchSpec, self: AgentSpec, view: View, parts: SimulationParts) {
  const { models, look, signal } = parts;
  const topic = { task: spec.task, metric: spec.metric };
  const thought = await think({ spec: self, view, space: spec.space, seed: spec.seed, topic, models, signal });
  const { operator, parents, rationale } = thought;
  const made = {
    id: nodeId(self.name, view.ordinal),
    agent: self.name,
    ordinal: view.ordinal,
    operator,
    parents,
    fitness: null,
    ...(rationale.change === '' ? {} : { change: rationale.change.slice(0, 2000) }),
    ...(rationale.model === undefined ? {} : { model: rationale.model }),
    ...(rationale.dollars === undefined ? {} : { dollars: rationale.dollars }),
  };
  let candidate = thought.candidate;
  try {
    candidate = canonicalCandidate(candidate, spec.space);
  } catch (thrown) {
    const message = errorMessage(thrown).slice(0, 2000);
    return {
      node: { ...made, candidate, status: 'rejected', reason: 'invalid', message },
      look: null,
    } satisfies Attempt;
  }
  const remembered = view.nodes.filter(({ status }) => status !== 'rejected' && status !== 'duplicate');
  const close = tooClose(candidate, remembered, self.novelty);
  if (close) {
    const message = describeCloseness(close, self.novelty);
    return {
      node: { ...made, candidate, status: 'duplicate', reason: 'duplicate', message },
      look: null,
    } satisfies Attempt;
  }
  const seen = look(candidate);
  const node: ViewNode =
    seen.score === null
      ? { ...made, candidate, status: 'failed', reason: 'nan', message: 'the measured training gave no score' }
      : { ...made, candidate, status: 'evaluated', reason: null, fitness: seen.score };
  return { node, look: seen } satisfies Attempt;
}

/**
 * All attempts of all agents, in rounds: whatever an attempt may know of others was made in an earlier round, whichever
 * agents remember the ensemble.
 */
export async function simulate(spec: SearchSpec, parts: SimulationParts): Promise<Map<AgentSpec, Attempt[]>> {
  const runs = new Map<AgentSpec, Attempt[]>(spec.agents.map((self) => [self, []]));
  for (let going = true; going; ) {
    going = false;
    for (const [self, attempts] of runs) {
      parts.signal?.throwIfAborted();
      const view = viewOf(self, runs);
      if (!view) continue;
      going = true;
      attempts.push(await attempt(spec, self, view, parts));
    }
  }
  return runs;
}

/**
 * What a simulated search hands in, and would have handed in after each evaluation: the candidate with the best score
 * that it saw, the earlier among equals. Agents take turns in the order of the specification.
 */
export function courseOf(runs: ReadonlyMap<AgentSpec, readonly Attempt[]>): Omit<RunResult, 'arm' | 'task' | 'seed'> {
  const lanes = [...runs.values()].map((attempts) => attempts.filter(accepted));
  const longest = Math.max(0, ...lanes.map((lane) => lane.length));
  const order = Array.from({ length: longest }, (_, turn) => lanes.flatMap((lane) => lane[turn] ?? [])).flat();
  let best: { id: NodeId; score: number; candidate: string; worth: number | null } | null = null;
  const course: (number | null)[] = [];
  for (const { node, look } of order) {
    if (look && look.score !== null && (best === null || look.score > best.score)) {
      best = { id: node.id, score: look.score, candidate: node.candidate, worth: look.worth };
    }
    course.push(best?.worth ?? null);
  }
  const all = [...runs.values()].flat();
  const count = (status: NodeStatus) => all.filter(({ node }) => node.status === status).length;
  return {
    worth: best?.worth ?? null,
    candidate: best?.candidate ?? null,
    course,
    evaluated: count('evaluated'),
    failed: count('failed'),
    rejected: count('rejected'),
    duplicate: count('duplicate'),
    lostAgents: 0,
    readings: 0,
    failedReadings: 0,
  };
}
