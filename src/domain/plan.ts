import { type AgentSpec, defaultPatience, type SearcherFile, usesCorpus } from './agent.ts';
import { canonicalText, type OwnPrimitive, ownTokens, parseArchitecture, type StackSpec } from './architecture.ts';
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
import { type Brief, programText } from './program.ts';
import type { OwnScaffoldEntry, OwnScaffoldSpec } from './scaffold.ts';
import { reservedNames, type SearchFile, type SearchSpec, searchSpecSchema } from './search.ts';
import { type DeviceClass, type Profile, type Task, taskVersion } from './task.ts';

/** From a search file to the specification of a search: agents, budget, space and references. */

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

/**
 * Known architectures that a search is compared with: at 16 layers, for spaces with attention and MLP ("two primitives") and
 * for those with Mamba-2 as well ("three primitives").
 *
 * A reference is recorded in a search's specification by name and layers. Archives of earlier versions hold other layers
 * under `sandwich` (8mA+8M) and a reference `hybrid-1-7`; they are read as recorded.
 */
export interface KnownReference {
  readonly name: string;
  /** 16 layers, run-length form. */
  readonly layers: string;
  /** Where the order is published, and how it was brought to 16 layers. */
  readonly source: string;
}

const llama: KnownReference = {
  name: 'llama',
  layers: 'mA+M+mA+M+mA+M+mA+M+mA+M+mA+M+mA+M+mA+M',
  source: 'Llama 3 (arXiv 2407.21783): attention and MLP in turn, 8 pairs',
};

const composer: KnownReference = {
  name: 'composer',
  layers: '2mA+5M+2mA+3M+mA+3M',
  source: 'Composer (arXiv 2510.00379): best of its 16-layer searches over attention and MLP',
};

/** Best published k is 6 of n = 16 pairs; 3 of 8 is the same share. */
const sandwich: KnownReference = {
  name: 'sandwich',
  layers: '4mA+M+mA+M+mA+M+mA+M+mA+4M',
  source: 'Sandwich Transformer (Press et al. 2020, arXiv 1911.03864): s^k (sf)^(n-k) f^k, here n = 8, k = 3',
};

const mambaMlp: KnownReference = {
  name: 'mamba-mlp',
  layers: 'Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M+Mb+M',
  source: 'Mamba-2 and MLP in turn: the Mamba model of "Hybrid Architectures for Language Models" (arXiv 2510.04800)',
};

/**
 * Published order of the 8B model, 52 layers: `M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-` (M Mamba-2, * attention,
 * - MLP). Its four attention layers are 1.2 of 16; their mean height, 24 of 52, is layer 7 of 16.
 */
const nemotronH: KnownReference = {
  name: 'nemotron-h',
  layers: 'Mb+M+Mb+M+Mb+M+mA+M+Mb+M+Mb+M+Mb+M+Mb+M',
  source: 'Nemotron-H 8B (arXiv 2504.03624), like it: 4 attention layers in 52 are one in 16, at the same mean height',
};

/**
 * Published order of the 12B base model, 62 layers: six times `M-M-M-M*-`, then `M-M-M-M-`. Its six attention layers are 1.5 of
 * 16, here two, each straight after a Mamba-2 layer, as there.
 */
const nemotron2: KnownReference = {
  name: 'nemotron-2',
  layers: 'Mb+M+Mb+mA+M+Mb+M+Mb+M+Mb+mA+M+Mb+M+Mb+M',
  source:
    'Nemotron Nano 2 12B (arXiv 2508.14444), modified: 6 attention layers in 62 are two in 16, SwiGLU in place of its MLP',
};

export const twoPrimitiveReferences: readonly KnownReference[] = [llama, composer, sandwich];
/** As many as before the sets were separate, so that a search trains no more. */
export const threePrimitiveReferences: readonly KnownReference[] = [llama, composer, mambaMlp, nemotronH, nemotron2];

/** The known references of a task's space; none at another depth, or without a primitive that they need. */
export function referencesFor(space: StackSpec): { name: string; architecture: string }[] {
  const known = space.primitives.includes('Mb') ? threePrimitiveReferences : twoPrimitiveReferences;
  return known.flatMap(({ name, layers }) => {
    const architecture = parseArchitecture(layers);
    const fits =
      architecture.length === space.layers && architecture.every((layer) => space.primitives.includes(layer));
    return fits ? [{ name, architecture: canonicalText(architecture) }] : [];
  });
}
