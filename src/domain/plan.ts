import { type AgentSpec, usesCorpus } from './agent.ts';
import { canonicalText, parseArchitecture, type StackSpec } from './architecture.ts';
import { canonicalCandidate } from './candidate.ts';
import { errorMessage, PrerequisiteError } from './errors.ts';
import type { TaskContent } from './evaluation.ts';
import { agentNameSchema, type SearchId } from './ids.ts';
import { banditOptionsSchema, isBandit, localModels, supportsSpace } from './model.ts';
import { type Brief, programText } from './program.ts';
import { reservedNames, type SearchFile, type SearchSpec, searchSpecSchema } from './search.ts';
import { type DeviceClass, type Profile, type Task, taskVersion } from './task.ts';

/** What a search file leaves open and the place where it runs decides. */
export interface PlanContext {
  readonly id: SearchId;
  readonly task: Task;
  readonly profile: Profile;
  /** Engine and source hash of the trainers. */
  readonly evaluator: string;
  readonly deviceClass: DeviceClass;
  /** The task's files and data; absent where scores are looked up in a table. */
  readonly content?: TaskContent;
  /** The version of the notes, which a search with agents that read them records. */
  readonly corpus?: string | undefined;
}

/** Splits `total` into `parts` shares that differ by at most one, the larger ones first. */
function shares(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, index) => Math.floor(total / parts) + (index < total % parts ? 1 : 0));
}

/**
 * The agents of a search: entries with a count are multiplied, and the budget is shared out. An entry's own limit applies
 * to each of its agents; what the limits leave is shared evenly among the others.
 *
 * @throws PrerequisiteError for two agents of one name, a reserved name, or limits beyond the search's budget.
 */
function shareOut(file: SearchFile, { space }: Task): AgentSpec[] {
  const single = file.agents.flatMap((entry) =>
    Array.from({ length: entry.count }, (_, index) => ({
      ...entry,
      name: agentNameSchema.parse(entry.count === 1 ? entry.name : `${entry.name}-${index + 1}`),
    })),
  );
  const seen = new Set<string>();
  for (const { name } of single) {
    if (seen.has(name))
      throw new PrerequisiteError('agents', `two agents are called "${name}"`, 'give each a name of its own');
    if (reservedNames.some((word) => name === word || name.startsWith(`${word}-`))) {
      throw new PrerequisiteError(
        'agents',
        `"${name}" is a name that Aira keeps for its own nodes`,
        'choose another name',
      );
    }
    seen.add(name);
  }
  const misfit = single.find(({ model }) => !supportsSpace(model, space.kind));
  if (misfit) {
    const use = localModels.filter((model) => supportsSpace(model, space.kind)).join(', ');
    throw new PrerequisiteError(
      'agents',
      `"${misfit.name}" thinks with ${misfit.model}, which ${space.kind === 'stack' ? 'arranges no layers' : 'writes no programs'}`,
      `use ${use}, or a language model`,
    );
  }
  const total = file.budget.evaluations;
  const limited = single.reduce((sum, entry) => sum + (entry.evaluations ?? 0), 0);
  if (limited > total) {
    throw new PrerequisiteError(
      'budget',
      `the agents' own limits add up to ${limited} evaluations, and the search has ${total}`,
      'raise budget.evaluations or lower the agents’ limits',
    );
  }
  const open = shares(total - limited, single.filter((entry) => entry.evaluations === undefined).length);
  return single.map(({ count: _, literature, ...entry }) => ({
    ...entry,
    ...(literature ? { literature } : {}),
    evaluations: entry.evaluations ?? open.shift() ?? 0,
    // Written out, so that a later version of the program resumes with the same settings.
    ...(isBandit(entry.model) ? { bandit: entry.bandit ?? banditOptionsSchema.parse({}) } : {}),
  }));
}

/** What a search has to beat: known patterns of layers, or the task's own baseline program. */
function referencesOf(file: SearchFile, { space, brief }: Task): { name: string; text: string }[] {
  if (space.kind === 'stack') {
    return (file.references ?? referencesFor(space)).map(({ name, architecture }) => ({ name, text: architecture }));
  }
  if (file.references !== undefined) {
    const message = 'references are patterns of layers, and this task asks for a program';
    throw new PrerequisiteError('references', message, 'remove them: the task brings its baseline');
  }
  return brief ? [{ name: 'baseline', text: programText(brief.baseline) }] : [];
}

/** The task's description, and what the screening rung of the profile allows and asks. */
function contractOf({ contract }: Brief, name: string, { rungs }: Profile): string {
  const settings = JSON.stringify(rungs.screen.settings, null, 1);
  return `${contract.trimEnd()}\n\n## Settings\n\nThe first rung of the profile "${name}", limits included:\n\n${settings}\n`;
}

/** A specification travels in one message with its source. */
const mostSpecBytes = 480_000;
export const maxSourceCharacters = 100_000;

/** @throws PrerequisiteError where a specification and its source do not fit a message. */
export function checkSize(spec: SearchSpec, source: string): void {
  const bytes = Buffer.byteLength(JSON.stringify({ spec, source }));
  if (bytes <= mostSpecBytes && source.length <= maxSourceCharacters) return;
  throw new PrerequisiteError(
    'spec-size',
    `the search with its task takes ${Math.ceil(bytes / 1000)} kB; it may take ${mostSpecBytes / 1000} kB`,
    'shorten the search file, the task description or its example programs',
  );
}

/**
 * Decides everything that a search file leaves open. Equal files in equal settings give equal specifications (I5).
 *
 * @throws PrerequisiteError for agents that do not go together, or a reference outside the task's space.
 */
export function planSearch(
  file: SearchFile,
  { id, task, profile, evaluator, deviceClass, content, corpus }: PlanContext,
): SearchSpec {
  const references = referencesOf(file, task).map(({ name, text }) => {
    try {
      return { name, candidate: canonicalCandidate(text, task.space) };
    } catch (cause) {
      const message = `reference "${name}": ${errorMessage(cause)}`;
      throw new PrerequisiteError('references', message, 'mend or remove it', { cause });
    }
  });
  const twice = references.find(({ name }, index) => references.findIndex((other) => other.name === name) !== index);
  if (twice) throw new PrerequisiteError('references', `two references are called "${twice.name}"`, 'rename one');
  const agents = shareOut(file, task);
  return searchSpecSchema.parse({
    id,
    task: task.name,
    taskVersion: taskVersion(task, profile),
    metric: task.metric,
    lowerIsBetter: task.lowerIsBetter,
    space: task.space,
    ...(task.brief ? { brief: { ...task.brief, contract: contractOf(task.brief, file.profile, profile) } } : {}),
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

/** Known patterns for 16 layers: what a search has to beat. Sources: Composer (arXiv 2510.00379) and the named models. */
const known = [
  { name: 'llama', architecture: 'mA M mA M mA M mA M mA M mA M mA M mA M' },
  { name: 'composer', architecture: '2mA+5M+2mA+3M+1mA+3M' },
  { name: 'sandwich', architecture: '8mA+8M' },
  { name: 'mamba-mlp', architecture: 'Mb M Mb M Mb M Mb M Mb M Mb M Mb M Mb M' },
  // One attention layer to seven Mamba-2 layers, an MLP after each mixer where depth allows.
  { name: 'hybrid-1-7', architecture: 'Mb M Mb M mA M Mb M Mb M Mb M Mb M Mb M' },
] as const;

/** The known patterns that a task's space can hold. */
export function referencesFor(space: StackSpec): { name: string; architecture: string }[] {
  return known.flatMap(({ name, architecture }) => {
    const layers = parseArchitecture(architecture);
    const fits = layers.length === space.layers && layers.every((layer) => space.primitives.includes(layer));
    return fits ? [{ name, architecture: canonicalText(layers) }] : [];
  });
}
