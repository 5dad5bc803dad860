import { type LocalModel, type ThinkDeps, think } from '../agents/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { type NodeId, nodeId, searchIdSchema } from '../domain/ids.ts';
import { armsOf, isLocal, type LocalModelName } from '../domain/model.ts';
import { describeNearDuplicate, findNearDuplicate, horizonOf } from '../domain/nearDuplicates.ts';
import { byAge, type NodeStatus, type View, type ViewNode } from '../domain/node.ts';
import { planSearch } from '../domain/plan.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Task } from '../domain/task.ts';
import type { Table, TableQuery } from '../evaluators/index.ts';
import { attemptsPerProposal, spareAttempts } from '../memory/index.ts';
import type { RunResult, TaskFacts } from './results.ts';
import { type Arm, interleaved, type Study, searchFileOf } from './spec.ts';

/** What a table is called in figures and results: the task that it was measured on, and how deep. */
export function tableFacts(table: Table): TaskFacts {
  const { task, space, profile, rung, evaluator, torch, python, device, measured, seeds } = table.file;
  return {
    label: `${task}-${space.layers}`,
    kind: 'table',
    metric: 'validation',
    best: table.best.mean,
    course: 'worth',
    versions: {
      table: table.version,
      space: `all ${table.size} architectures of ${space.layers} layers of ${space.primitives.join(', ')}, ${seeds.length} seeds each`,
      settings: `${task}, profile ${profile}, rung ${rung}`,
      measured: `${measured.from.slice(0, 10)} with ${evaluator}, torch ${torch}, Python ${python}, ${device}`,
    },
  };
}

/** The search that a run of an arm is on a table. @throws PrerequisiteError for agents that a table cannot serve. */
export function tableSearch(study: Study, arm: Arm, table: Table, seed: number): SearchSpec {
  const { task: name, profile, space, settings, cpuSeconds } = table.file;
  const rung = { seconds: Math.max(cpuSeconds, 0.001), settings };
  const rungs = { screen: rung, confirm: rung, final: rung };
  const task: Task = {
    ...{ name, directory: '', description: '', metric: 'validation', lowerIsBetter: false },
    space: { kind: 'stack', ...space },
    profiles: { [profile]: { rungs } },
  };
  const file = searchFileOf(study, arm, { name, profile, kind: 'stack' }, seed);
  const id = searchIdSchema.parse('tabulated');
  const spec = planSearch(file, {
    id,
    task,
    profile: { rungs },
    evaluator: `table-${table.version}`,
    deviceClass: 'cpu',
  });
  for (const { name: agent, model } of spec.agents) {
    if (!armsOf(model).every(isLocal)) {
      throw new PrerequisiteError(
        'study-table-model',
        `arm "${arm.name}": ${agent} thinks with ${model}, and a table serves local models only`,
        'name a task instead of the table, so that the search runs in the laboratory',
      );
    }
  }
  return spec;
}

export interface TabulatedOptions {
  readonly study: Study;
  readonly table: Table;
  /** A model of its own for each lane, since one that starts a process answers one question at a time. */
  readonly createModel: (name: LocalModelName) => LocalModel;
  /** Runs at once; pays where models think in processes of their own. */
  readonly lanes: number;
  readonly onRun: (result: RunResult) => void;
  readonly signal: AbortSignal;
}

/** All runs of a study on a table, in the study's order. The same study gives the same results (I5). */
export async function runTabulated(setting: TabulatedOptions): Promise<RunResult[]> {
  const { study, table, createModel, lanes, onRun, signal } = setting;
  const task = tableFacts(table).label;
  const plan = interleaved(study, [table]).map(({ arm, seed }) => ({
    arm,
    seed,
    spec: tableSearch(study, arm, table, seed),
  }));
  const results = new Array<RunResult>(plan.length);
  const opened: LocalModel[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    const models: Partial<Record<LocalModelName, LocalModel>> = {};
    for (let index = next++; index < plan.length; index = next++) {
      const { arm, seed, spec } = plan[index] as (typeof plan)[number];
      for (const model of spec.agents.flatMap((agent) => armsOf(agent.model))) {
        if (!isLocal(model) || models[model]) continue;
        models[model] = createModel(model);
        opened.push(models[model]);
      }
      const look = (candidate: string) => table.look(candidate, seed);
      const runs = await simulate(spec, { models: models as ThinkDeps['models'], look, signal });
      const result = { arm: arm.name, task, seed, ...trajectoryOf(runs) };
      results[index] = result;
      onRun(result);
      // A long run of cheap thoughts would otherwise leave no turn for signals and timers.
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.max(1, Math.min(lanes, plan.length)) }, lane));
  } finally {
    for (const model of opened) await model.close();
  }
  return results;
}

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
  readonly look: TableQuery | null;
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

export interface SimulationDeps {
  readonly models: ThinkDeps['models'];
  /** Answers what is known of a candidate. */
  readonly look: (candidate: string) => TableQuery;
  readonly signal?: AbortSignal | undefined;
}

async function attempt(spec: SearchSpec, self: AgentSpec, view: View, parts: SimulationDeps) {
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
  const close = findNearDuplicate(candidate, remembered, self.novelty);
  if (close) {
    const message = describeNearDuplicate(close, self.novelty);
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
export async function simulate(spec: SearchSpec, parts: SimulationDeps): Promise<Map<AgentSpec, Attempt[]>> {
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
export function trajectoryOf(
  runs: ReadonlyMap<AgentSpec, readonly Attempt[]>,
): Omit<RunResult, 'arm' | 'task' | 'seed'> {
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
