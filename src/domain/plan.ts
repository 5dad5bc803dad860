import { type AgentSpec, defaultPatience, type SearcherFile, usesCorpus } from './agent.ts';
import { canonicalCandidate } from './candidate.ts';
import { errorMessage, PrerequisiteError } from './errors.ts';
import type { TaskContent } from './evaluation.ts';
import { agentNameSchema, type SearchId } from './ids.ts';
import {
  banditOptionsSchema,
  chatArms,
  isBandit,
  isProgram,
  localModels,
  type ModelName,
  supportsSpace,
} from './model.ts';
import { type OwnPrimitive, ownTokens } from './primitive.ts';
import { type Brief, programText } from './program.ts';
import { referencesFor } from './references.ts';
import type { OwnScaffoldEntry, OwnScaffoldSpec } from './scaffold.ts';
import { reservedNames, type SearchFile, type SearchSpec, searchSpecSchema } from './search.ts';
import { type DeviceClass, type Profile, type Task, taskVersion } from './task.ts';

/** What a search file leaves open: decided by the task and the machine. */
export interface PlanContext {
  readonly id: SearchId;
  readonly task: Task;
  readonly profile: Profile;
  /** Version of the evaluator, own primitives included. */
  readonly evaluator: string;
  /** Manifest entries of the space's own primitives. */
  readonly primitives?: readonly OwnPrimitive[] | undefined;
  readonly deviceClass: DeviceClass;
  /** Digests of the task's files and data; absent for tabular benchmarks. */
  readonly content?: TaskContent;
  /** Corpus version, recorded for searches with agents that read it. */
  readonly corpus?: string | undefined;
  /** Files of `program/` models. */
  readonly programs?: ReadonlyMap<ModelName, SearcherFile> | undefined;
  /** What is recorded of a scaffold of the user that the file names. */
  readonly scaffolds?: ((entry: OwnScaffoldEntry) => OwnScaffoldSpec | undefined) | undefined;
}

/** Splits `total` into shares that differ by at most one, larger ones first. */
function shares(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor(total / parts) + (index < total % parts ? 1 : 0));
}

/**
 * The agents of a search: expands entries with a count and splits the budget. An entry's own limit applies to each of its
 * agents; the others split the rest evenly.
 *
 * @throws PrerequisiteError for duplicate or reserved names, or limits above the search's budget.
 */
function expandAgents(
  file: SearchFile,
  { space }: Task,
  { rungs }: Profile,
  { programs = new Map(), scaffolds }: Pick<PlanContext, 'programs' | 'scaffolds'>,
): AgentSpec[] {
  const single = file.agents.flatMap((entry) =>
    Array.from({ length: entry.count }, (_, index) => ({
      ...entry,
      name: agentNameSchema.parse(entry.count === 1 ? entry.name : `${entry.name}-${index + 1}`),
    })),
  );
  const names = new Set<string>();
  for (const { name } of single) {
    if (names.has(name)) throw new PrerequisiteError('agents', `two agents are named "${name}"`, 'rename one of them');
    if (reservedNames.some((word) => name === word || name.startsWith(`${word}-`))) {
      throw new PrerequisiteError('agents', `"${name}" is a reserved name`, 'choose another name');
    }
    names.add(name);
  }
  const misfit = single.find(({ model }) => !supportsSpace(model, space.kind));
  if (misfit) {
    const use = localModels.filter((model) => supportsSpace(model, space.kind)).join(', ');
    throw new PrerequisiteError(
      'agents',
      `"${misfit.name}" uses ${misfit.model}, which cannot propose ${space.kind === 'stack' ? 'layers' : 'programs'}`,
      `use ${use}, or a language model`,
    );
  }
  const total = file.budget.evaluations;
  const limited = single.reduce((sum, entry) => sum + (entry.evaluations ?? 0), 0);
  if (limited > total) {
    throw new PrerequisiteError(
      'budget',
      `the agents' limits add up to ${limited} evaluations, but the search has ${total}`,
      'raise budget.evaluations, or lower the agents’ limits',
    );
  }
  const open = shares(total - limited, single.filter((entry) => entry.evaluations === undefined).length);
  return single.map(({ count: _, literature, operators, scaffold, proposals = 1, ...entry }) => {
    const evaluations = entry.evaluations ?? open.shift() ?? 0;
    return {
      ...entry,
      scaffold: scaffold.kind === 'own' ? ownScaffold(scaffold, scaffolds) : scaffold,
      ...(literature ? { literature } : {}),
      ...(proposals > 1 ? { proposals } : {}),
      ...(operators
        ? { operators: { ...operators, deviceSeconds: operators.deviceSeconds ?? evaluations * rungs.screen.seconds } }
        : {}),
      evaluations,
      // Defaults are written out, so that a later version resumes with the same settings.
      ...(isBandit(entry.model) ? { bandit: entry.bandit ?? banditOptionsSchema.parse({}) } : {}),
      ...(chatArms(entry.model).length > 0 ? { patience: entry.patience ?? defaultPatience } : {}),
      ...(isProgram(entry.model) ? { program: programOf(entry.model, programs) } : {}),
    };
  });
}

function ownScaffold(entry: OwnScaffoldEntry, scaffolds: PlanContext['scaffolds']): OwnScaffoldSpec {
  const spec = scaffolds?.(entry);
  if (spec) return spec;
  throw new PrerequisiteError('scaffold', `unknown scaffold "${entry.name}"`, 'use a shipped scaffold here');
}

function programOf(model: ModelName, programs: NonNullable<PlanContext['programs']>): SearcherFile {
  const file = programs.get(model);
  if (file) return file;
  throw new PrerequisiteError('searcher', `${model} cannot run here`, 'use a program in a search file or a study');
}

/**
 * The space of a search: the task's, with the file's primitives if it names any.
 *
 * @throws PrerequisiteError `primitives` for a task without layers.
 */
export function spaceOf(file: Pick<SearchFile, 'primitives'>, { space }: Pick<Task, 'space'>): Task['space'] {
  if (file.primitives === undefined) return space;
  if (space.kind === 'stack') return { ...space, primitives: file.primitives };
  throw new PrerequisiteError(
    'primitives',
    'primitives are layers, but this task has a program space',
    'remove primitives',
  );
}

/** The own primitives of a space, by name. @throws PrerequisiteError `primitives` for one without a manifest entry. */
function ownOf({ space }: Pick<Task, 'space'>, known: readonly OwnPrimitive[]): OwnPrimitive[] {
  if (space.kind !== 'stack') return [];
  return ownTokens(space).map((token) => {
    const found = known.find((each) => each.token === token);
    if (found) return found;
    const remedy = 'give their folder with --primitives, or use M, mA and Mb';
    throw new PrerequisiteError('primitives', `there is no primitive "${token}"`, remedy);
  });
}

/** References: known patterns, or the task's baseline program. */
function referencesOf(file: SearchFile, { space }: Task, brief: Brief | undefined): { name: string; text: string }[] {
  if (space.kind === 'stack') {
    return (file.references ?? referencesFor(space)).map(({ name, architecture }) => ({ name, text: architecture }));
  }
  if (file.references !== undefined) {
    const message = 'references are patterns of layers, but this task has a program space';
    throw new PrerequisiteError('references', message, 'remove references: the task has its own baseline');
  }
  return brief ? [{ name: 'baseline', text: programText(brief.baseline) }] : [];
}

/** The task's description, with the settings of the screening rung. */
function contractOf(contract: string, name: string, { rungs }: Profile): string {
  const settings = JSON.stringify(rungs.screen.settings, null, 1);
  return `${contract.trimEnd()}\n\n## Settings\n\nThe first rung of the profile "${name}", limits included:\n\n${settings}\n`;
}

/** A specification and its source must fit into one message. */
const maxSpecBytes = 480_000;
export const maxSourceCharacters = 100_000;

/** @throws PrerequisiteError if a specification and its source do not fit into one message. */
export function checkSize(spec: SearchSpec, source: string): void {
  const bytes = Buffer.byteLength(JSON.stringify({ spec, source }));
  if (bytes <= maxSpecBytes && source.length <= maxSourceCharacters) return;
  throw new PrerequisiteError(
    'spec-size',
    `the search with its task takes ${Math.ceil(bytes / 1000)} kB; the limit is ${maxSpecBytes / 1000} kB`,
    'shorten the search file, the task description or its example programs',
  );
}

/**
 * Resolves everything that a search file leaves open. Equal files in equal contexts give equal specifications (I5).
 *
 * @throws PrerequisiteError for incompatible agents, or a reference outside the task's space.
 */
export function planSearch(
  file: SearchFile,
  {
    id,
    task: planned,
    profile,
    evaluator,
    primitives = [],
    deviceClass,
    content,
    corpus,
    programs,
    scaffolds,
  }: PlanContext,
): SearchSpec {
  const task = { ...planned, space: spaceOf(file, planned) };
  const own = ownOf(task, primitives);
  const brief = task.briefs?.[file.profile] ?? task.brief;
  const references = referencesOf(file, task, brief).map(({ name, text }) => {
    try {
      return { name, candidate: canonicalCandidate(text, task.space) };
    } catch (cause) {
      const message = `reference "${name}": ${errorMessage(cause)}`;
      throw new PrerequisiteError('references', message, 'fix or remove the reference', { cause });
    }
  });
  const duplicate = references.find(
    ({ name }, index) => references.findIndex((other) => other.name === name) !== index,
  );
  if (duplicate)
    throw new PrerequisiteError('references', `two references are named "${duplicate.name}"`, 'rename one');
  const agents = expandAgents(file, task, profile, { programs, scaffolds });
  const names = task.metrics?.[file.profile];
  return searchSpecSchema.parse({
    id,
    task: task.name,
    taskVersion: taskVersion(task, profile),
    metric: names?.validation ?? task.metric,
    ...(names && names.test !== names.validation ? { testMetric: names.test } : {}),
    lowerIsBetter: task.lowerIsBetter,
    space: task.space,
    ...(own.length > 0 ? { primitives: own } : {}),
    ...(brief ? { brief: { ...brief, contract: contractOf(brief.contract, file.profile, profile) } } : {}),
    ...(task.space.kind === 'stack' ? { description: contractOf(task.description, file.profile, profile) } : {}),
    profile: file.profile,
    rungs: profile.rungs,
    evaluator,
    deviceClass,
    ...(content ? { content } : {}),
    seed: file.seed,
    budget: file.budget,
    ladder: file.ladder,
    agents,
    references,
    ...(corpus !== undefined && agents.some(usesCorpus) ? { corpus } : {}),
  });
}
