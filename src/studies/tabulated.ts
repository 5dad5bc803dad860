import { mean } from 'd3-array';
import {
  attemptsOf,
  type LocalModel,
  type Searchers,
  type Attempt as Submission,
  type ThinkDeps,
  think,
} from '../agents/index.ts';
import { aggregate, type ScoredNode } from '../aggregation/index.ts';
import { type AgentSpec, mostAttempts } from '../domain/agent.ts';
import { canonicalText, parseArchitecture } from '../domain/architecture.ts';
import { canonicalCandidate } from '../domain/candidate.ts';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { nodeId, searchIdSchema } from '../domain/ids.ts';
import { armsOf, isLocal, isProgram, type LocalModelName } from '../domain/model.ts';
import { describeNearDuplicate, findNearDuplicate, horizonOf } from '../domain/nearDuplicates.ts';
import { byAge, isRefused, isScored, type NodeStatus, type View, type ViewNode } from '../domain/node.ts';
import { type PlanContext, planSearch } from '../domain/plan.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Task } from '../domain/task.ts';
import { fewestTrainingSeeds, type Table, type TableQuery } from '../evaluators/index.ts';
import { type Arm, interleaved, type RunResult, type Study, searchFileOf, type TaskFacts } from './spec.ts';

/** Facts about a tabular benchmark; its label is task and depth. */
export function tableFacts(table: Table): TaskFacts {
  const { task, space, profile, rung, evaluator, torch, python, device, measured, seeds } = table.file;
  return {
    label: `${task}-${space.layers}`,
    kind: 'table',
    metric: 'validation',
    best: table.best.mean,
    course: 'worth',
    trainingSeeds: seeds.length,
    versions: {
      table: table.version,
      space: `all ${table.size} architectures of ${space.layers} layers of ${space.primitives.join(', ')}, ${seeds.length} training seeds each`,
      settings: `${task}, profile ${profile}, rung ${rung}`,
      measured: `${measured.from.slice(0, 10)} with ${evaluator}, torch ${torch}, Python ${python}, ${device}`,
    },
  };
}

/** The search of a run on a table. @throws PrerequisiteError for agents without local models, or too few training seeds. */
export function tableSearch(
  study: Study,
  arm: Arm,
  table: Table,
  seed: number,
  known: Pick<PlanContext, 'programs' | 'scaffolds'> = {},
): SearchSpec {
  const { task: name, profile, space, settings, cpuSeconds } = table.file;
  if (table.file.seeds.length < fewestTrainingSeeds) {
    throw new PrerequisiteError(
      'study-table-seeds',
      `the table has ${table.file.seeds.length} training seeds: one that a run sees, and too few to judge it`,
      `build it with: aira table build --seeds ${fewestTrainingSeeds} or more`,
    );
  }
  const rung = { seconds: Math.max(cpuSeconds, 0.001), settings };
  const rungs = { screen: rung, confirm: rung, final: rung };
  const task: Task = {
    name,
    directory: '',
    description: '',
    metric: 'validation',
    lowerIsBetter: false,
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
    ...known,
  });
  for (const { name: agent, claims } of spec.agents) {
    if (claims === undefined) continue;
    const message = `arm "${arm.name}": ${agent} makes claims, but agents on a table propose in turn and never at once`;
    throw new PrerequisiteError('study-table-claims', message, 'remove claims, or use a task instead of the table');
  }
  for (const { name: agent, model } of spec.agents) {
    if (!armsOf(model).every(isLocal)) {
      throw new PrerequisiteError(
        'study-table-model',
        `arm "${arm.name}": ${agent} uses ${model}, but tables work with local models and programs only`,
        'use a task instead of the table',
      );
    }
  }
  return spec;
}

export interface TabulatedOptions {
  readonly study: Study;
  readonly table: Table;
  /** Creates a model per lane, since one with a subprocess answers one question at a time. */
  readonly createModel: (name: LocalModelName) => LocalModel;
  /** The files of `program/` models, and how their programs are opened: for each run again, since a run is independent. */
  readonly programs?: PlanContext['programs'];
  readonly openSearchers?: () => Searchers;
  /** Scaffolds of the user: as planned, and their functions. */
  readonly plannedScaffolds?: PlanContext['scaffolds'];
  readonly scaffolds?: ThinkDeps['scaffolds'];
  /** Parallel runs; helps if models run in subprocesses. */
  readonly lanes: number;
  readonly onRun: (result: RunResult) => void;
  readonly signal: AbortSignal;
}

/** All runs of a study on a table, in order. Equal studies give equal results (I5). */
export async function runTabulated(setting: TabulatedOptions): Promise<RunResult[]> {
  const { study, table, createModel, programs, openSearchers, plannedScaffolds, scaffolds, lanes, onRun, signal } =
    setting;
  const task = tableFacts(table).label;
  const plan = interleaved(study, [table]).map(({ arm, seed }) => ({
    arm,
    seed,
    spec: tableSearch(study, arm, table, seed, { programs, scaffolds: plannedScaffolds }),
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
      const seen = (seed - 1) % table.file.seeds.length;
      const look = (candidate: string) => table.look(candidate, seen);
      const searchers = spec.agents.some(({ model }) => isProgram(model)) ? openSearchers?.() : undefined;
      const runs = await simulate(spec, {
        models: models as ThinkDeps['models'],
        scaffolds,
        searchers,
        look,
        signal,
      }).finally(() => searchers?.close());
      const result = { arm: arm.name, task, seed, ...runOf(runs, { seen, look, handsIn: arm.handsIn }) };
      results[index] = result;
      onRun(result);
      // Yield: a long run of cheap thoughts would starve signals and timers.
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
 * A search in memory: with tabulated scores, server, ledger and workers would take a thousand times longer than the thoughts.
 *
 * Role: the archivist's rules of submission and view around the ordinary `think`. Non-role: thinking, statistics, the upper
 * rungs.
 *
 * SIM-1  An agent sees what the ledger would show (VIE-1 and VIE-2 of memory/views.ts) and spends as the ledger would charge,
 *        so it makes the same nodes as in a lab. A test compares the two.
 * SIM-2  A run is a function of the specification and the table (I5); nothing in it is random or timed.
 */

/** An attempt with its outcome, whether or not its agent may know it yet. */
export interface Attempt {
  /** As the agent sees it once it may know the outcome. */
  readonly node: ViewNode;
  readonly look: TableQuery | null;
}

const accepted = ({ node }: Attempt): boolean => !isRefused(node.status);

/** Attempts of every agent so far. */
export type Runs = ReadonlyMap<AgentSpec, readonly Attempt[]>;

/** Nodes of other agents visible to attempt `ordinal`: all up to its horizon, with outcomes. */
function foreign(self: AgentSpec, ordinal: number, runs: Runs): ViewNode[] {
  if (self.memory !== 'ensemble') return [];
  const horizon = horizonOf(ordinal, self);
  return [...runs].flatMap(([other, attempts]) =>
    other.name === self.name ? [] : attempts.slice(0, horizon).map(({ node }) => ({ ...node, foreign: true as const })),
  );
}

/** The view of the agent's next attempt; null if it may make none. */
export function viewOf(self: AgentSpec, runs: Runs): View | null {
  const { pending, evaluations } = self;
  const attempts = runs.get(self) ?? [];
  const ordinal = attempts.length + 1;
  const remaining = evaluations - attempts.filter(accepted).length;
  if (remaining <= 0 || ordinal > mostAttempts(self)) return null;
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
  readonly searchers?: ThinkDeps['searchers'];
  readonly scaffolds?: ThinkDeps['scaffolds'];
  /** Answers what is known of a candidate. */
  readonly look: (candidate: string) => TableQuery;
  readonly signal?: AbortSignal | undefined;
}

/** The attempts of one thought. Each knows what the thought knew, and the candidates before its own. */
async function attempts(spec: SearchSpec, self: AgentSpec, view: View, parts: SimulationDeps): Promise<Attempt[]> {
  const { models, scaffolds, searchers, look, signal } = parts;
  const topic = { task: spec.task, metric: spec.metric };
  const thought = await think({
    spec: self,
    view,
    space: spec.space,
    seed: spec.seed,
    topic,
    models,
    scaffolds,
    searchers,
    signal,
  });
  const made: Attempt[] = [];
  for (const [index, submission] of attemptsOf(thought).entries()) {
    const nodes = [...view.nodes, ...made.map(({ node }) => node)];
    made.push(judged(spec, self, { submission, ordinal: view.ordinal + index, nodes, look }));
  }
  return made;
}

interface Submitted {
  readonly submission: Submission;
  readonly ordinal: number;
  /** What it must differ from. */
  readonly nodes: readonly ViewNode[];
  readonly look: SimulationDeps['look'];
}

function judged({ space }: SearchSpec, self: AgentSpec, { submission, ordinal, nodes, look }: Submitted): Attempt {
  const { operator, parents, rationale } = submission;
  const thought = rationale.thought?.first ?? ordinal;
  const proposal = {
    id: nodeId(self.name, ordinal),
    agent: self.name,
    ordinal,
    ...(thought === ordinal ? {} : { thought }),
    operator,
    parents,
    fitness: null,
    ...(rationale.change === '' ? {} : { change: rationale.change.slice(0, 2000) }),
    ...(rationale.model === undefined ? {} : { model: rationale.model }),
    ...(rationale.dollars === undefined ? {} : { dollars: rationale.dollars }),
  };
  let candidate = submission.candidate;
  try {
    candidate = canonicalCandidate(candidate, space);
  } catch (thrown) {
    const message = errorMessage(thrown).slice(0, 2000);
    return { node: { ...proposal, candidate, status: 'rejected', reason: 'invalid', message }, look: null };
  }
  const memory = nodes.filter(({ status }) => !isRefused(status));
  const close = findNearDuplicate(candidate, memory, self.novelty);
  if (close) {
    const message = describeNearDuplicate(close, self.novelty);
    return { node: { ...proposal, candidate, status: 'duplicate', reason: 'duplicate', message }, look: null };
  }
  const outcome = look(candidate);
  const node: ViewNode =
    outcome.score === null
      ? { ...proposal, candidate, status: 'failed', reason: 'nan', message: 'the measured training gave no score' }
      : { ...proposal, candidate, status: 'evaluated', reason: null, fitness: outcome.score };
  return { node, look: outcome };
}

/** Whether the attempts of other agents that the next one may know were all made, or will never be. */
function mayDecide(self: AgentSpec, ordinal: number, runs: Runs): boolean {
  if (self.memory !== 'ensemble') return true;
  const horizon = horizonOf(ordinal, self);
  return [...runs].every(([other, made]) => made.length >= horizon || viewOf(other, runs) === null);
}

/** All attempts of all agents, in rounds. An agent waits for what it may know: others may give fewer candidates per thought. */
export async function simulate(spec: SearchSpec, parts: SimulationDeps): Promise<Map<AgentSpec, Attempt[]>> {
  const runs = new Map<AgentSpec, Attempt[]>(spec.agents.map((self) => [self, []]));
  for (let going = true; going; ) {
    going = false;
    for (const [self, made] of runs) {
      parts.signal?.throwIfAborted();
      const view = viewOf(self, runs);
      if (!view || !mayDecide(self, view.ordinal, runs)) continue;
      going = true;
      made.push(...(await attempts(spec, self, view, parts)));
    }
  }
  return runs;
}

const worthOf = (query: TableQuery | null): number | null => mean(query?.judged ?? []) ?? null;

export interface HandIn {
  /** Index of the training seed that the run saw. */
  readonly seen: number;
  readonly look: SimulationDeps['look'];
  readonly handsIn: Arm['handsIn'];
}

/** The pattern on which all evaluated nodes agree; null without nodes. */
function aggregateOf(runs: ReadonlyMap<AgentSpec, readonly Attempt[]>, conditioning: 0 | 1 | 2): string | null {
  const nodes = [...runs].flatMap(([{ name }, attempts]) =>
    attempts.flatMap(({ node }): ScoredNode[] =>
      isScored(node)
        ? [{ node: node.id, agent: name, architecture: parseArchitecture(node.candidate), score: node.fitness }]
        : [],
    ),
  );
  return nodes.length === 0 ? null : canonicalText(aggregate(nodes, conditioning).architecture);
}

/**
 * What a simulated search hands in, judged by the training seeds that it did not see. `best` is the best score seen, earliest
 * among equals, and has a course: the current candidate after each evaluation, agents interleaved in the order of the
 * specification. An aggregate is made once, at the end, and costs no evaluation.
 */
export function runOf(
  runs: ReadonlyMap<AgentSpec, readonly Attempt[]>,
  { seen, look, handsIn }: HandIn,
): Omit<RunResult, 'arm' | 'task' | 'seed'> {
  const lanes = [...runs.values()].map((attempts) => attempts.filter(accepted));
  const rounds = Math.max(0, ...lanes.map((lane) => lane.length));
  const order = Array.from({ length: rounds }, (_, turn) => lanes.flatMap((lane) => lane[turn] ?? [])).flat();
  let best: { score: number; candidate: string; query: TableQuery } | null = null;
  const course: (number | null)[] = [];
  for (const { node, look: query } of order) {
    if (query && query.score !== null && (best === null || query.score > best.score)) {
      best = { score: query.score, candidate: node.candidate, query };
    }
    course.push(worthOf(best?.query ?? null));
  }
  const pattern = handsIn === 'best' ? null : aggregateOf(runs, conditioningOf[handsIn]);
  const candidate = handsIn === 'best' ? (best?.candidate ?? null) : pattern;
  const query = handsIn === 'best' ? (best?.query ?? null) : pattern === null ? null : look(pattern);
  const all = [...runs.values()].flat();
  const count = (status: NodeStatus) => all.filter(({ node }) => node.status === status).length;
  return {
    worth: worthOf(query),
    candidate,
    crossed: { seen, judged: [...(query?.judged ?? [])] },
    course: handsIn === 'best' ? course : [],
    evaluated: count('evaluated'),
    failed: count('failed'),
    rejected: count('rejected'),
    duplicate: count('duplicate'),
    lostAgents: 0,
    readings: 0,
    failedReadings: 0,
  };
}

const conditioningOf = { N0: 0, N1: 1, N2: 2 } as const;
