import * as z from 'zod';
import { type AgentEntry, agentEntrySchema } from '../domain/agent.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { formatZodError } from '../domain/explain.ts';
import { agentNameSchema } from '../domain/ids.ts';
import { isLocal } from '../domain/model.ts';
import { budgetSchema, ladderSchema, type SearchFile, searchFileSchema } from '../domain/search.ts';

/** The options of an agent, all of them optional and none filled in. */
const optional = (option: z.ZodType): z.ZodType =>
  (option instanceof z.ZodDefault || option instanceof z.ZodOptional
    ? (option.unwrap() as z.ZodType)
    : option
  ).optional();

const { name: _, ...agentOptions } = agentEntrySchema.shape;
const { finalists: __, ...ladderOptions } = ladderSchema.shape;

/**
 * What an arm changes in every agent. `literature` is understood for local agents as well: of `local/mutate` it makes
 * `local/prior`, which varies as the former does and follows what it reads.
 */
const overridesSchema = z.strictObject({
  literature: z.boolean().optional(),
  ...(Object.fromEntries(Object.entries(agentOptions).map(([key, option]) => [key, optional(option)])) as Record<
    string,
    z.ZodType
  >),
});

const armSchema = z.strictObject({
  name: agentNameSchema,
  /** Options that replace those of every agent of the study. */
  set: overridesSchema.optional(),
  /** Agents of this arm alone, instead of those of the study. */
  agents: z.array(agentEntrySchema).min(1).max(64).optional(),
});
export type Arm = z.infer<typeof armSchema>;

const studyTaskSchema = z.union([
  /** Evaluated by training, in the ordinary laboratory. */
  z.strictObject({ task: z.string().min(1), profile: z.string().min(1).default('nano') }),
  /** Answered from a table in which everything was measured before; local agents only. */
  z.strictObject({ table: z.string().min(1) }),
]);

/** A study file: arms that differ in one thing, compared on the same tasks, seeds and budgets. Strict. */
export const studySchema = z
  .strictObject({
    $schema: z.string().optional(),
    /** What it is to answer, for people. */
    question: z.string().min(1).max(300),
    tasks: z.array(studyTaskSchema).min(1).max(16),
    /** How many: each arm runs on each task with the seeds 1, 2, ... */
    seeds: z.int().min(2).max(10_000),
    /** Of one run: the same for every arm. */
    budget: budgetSchema,
    /** How a run's candidates are narrowed down, where they are trained, to the one that it hands in. */
    ladder: z.strictObject(ladderOptions).prefault({}),
    agents: z.array(agentEntrySchema).min(1).max(64).optional(),
    arms: z.array(armSchema).min(2).max(32),
    /** The arm that the others are compared with; the first without it. */
    baseline: agentNameSchema.optional(),
    /** `baseline`: every other arm with the baseline. `all`: every arm with every other. */
    pairs: z.enum(['baseline', 'all']).default('baseline'),
    /** Chance of finding any difference where there is none, over all comparisons together. */
    alpha: z.number().min(0.0001).max(0.5).default(0.05),
    /** Chance of seeing a difference that is there, for the number of seeds that is told. */
    power: z.number().min(0.5).max(0.99).default(0.8),
    /** As in a search file. */
    workers: searchFileSchema.shape.workers,
  })
  .check(({ value, issues }) => {
    const names = value.arms.map(({ name }) => name);
    const object = (path: PropertyKey[], message: string) =>
      issues.push({ code: 'custom', input: value, path, message });
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) !== index) object(['arms', index, 'name'], `two arms are called "${name}"`);
    }
    for (const [index, { agents, set, name }] of value.arms.entries()) {
      if (!agents && !value.agents) object(['arms', index], `"${name}" has no agents, and the study has none either`);
      if (agents && set)
        object(['arms', index], `"${name}" has agents of its own: put the options there instead of in set`);
    }
    if (value.baseline !== undefined && !names.includes(value.baseline)) {
      object(['baseline'], `there is no arm "${value.baseline}"; the arms are ${names.join(', ')}`);
    }
  });
export type Study = z.infer<typeof studySchema>;

/** The JSON Schema of study files, as published in `schemas/study.schema.json` for editors. */
export function studyJsonSchema(): object {
  return { title: 'An Aira study file', ...z.toJSONSchema(studySchema, { io: 'input', unrepresentable: 'any' }) };
}

/** Local models that read, by the model that does the same without reading. */
const readers: Readonly<Record<string, string>> = { 'local/mutate': 'local/prior', 'local/prior': 'local/prior' };

/** The agent that reads, or does not, as the arm wants it. */
function withLiterature(entry: Record<string, unknown>, arm: string): Record<string, unknown> {
  const { literature, ...rest } = entry;
  if (literature === undefined || !isLocal(rest.model as AgentEntry['model'])) return entry;
  const reader = literature ? readers[String(rest.model)] : rest.model;
  if (reader === undefined) {
    throw new PrerequisiteError(
      'study-literature',
      `arm "${arm}": ${rest.model} cannot read`,
      'use local/mutate or a language model for agents that are to read',
    );
  }
  return { ...rest, model: reader };
}

/** The agents of an arm. @throws PrerequisiteError for options that do not go together. */
export function agentsOf(study: Study, arm: Arm): AgentEntry[] {
  return (arm.agents ?? study.agents ?? []).map((entry) => {
    const merged = withLiterature({ ...entry, ...(arm.set ?? {}) }, arm.name);
    const parsed = agentEntrySchema.safeParse(merged);
    if (parsed.success) return parsed.data;
    const mistakes = formatZodError(parsed.error, agentEntrySchema).join('; ');
    throw new PrerequisiteError('study-arm', `arm "${arm.name}", agent "${entry.name}": ${mistakes}`, 'mend the arm');
  });
}

/** The task of a run, as far as a search file names it. */
export interface NamedTask {
  readonly name: string;
  readonly profile: string;
  readonly kind: SpaceKind;
}

/** The search that one run of an arm is. No known patterns run beside it: the arms are compared with each other. */
export function searchFileOf(study: Study, arm: Arm, task: NamedTask, seed: number): SearchFile {
  return searchFileSchema.parse({
    task: task.name,
    profile: task.profile,
    seed,
    budget: study.budget,
    agents: agentsOf(study, arm),
    ladder: { ...study.ladder, finalists: 1 },
    // Programs bring their baseline, which cannot be left out.
    ...(task.kind === 'stack' ? { references: [] } : {}),
    workers: study.workers,
  });
}

/** Which arms are compared, the arm in question first. */
export function comparedPairs(study: Study): (readonly [string, string])[] {
  const names = study.arms.map(({ name }) => name);
  if (study.pairs === 'all') {
    return names.flatMap((one, index) => names.slice(index + 1).map((other) => [other, one] as const));
  }
  const baseline = study.baseline ?? (names[0] as string);
  return names.filter((name) => name !== baseline).map((name) => [name, baseline] as const);
}

/** One run before it is run. */
export interface PlannedRun<T> {
  readonly arm: Arm;
  readonly task: T;
  readonly seed: number;
}

/**
 * The runs of a study in the order in which they are made: seed by seed, and within a seed task by task with the arms side
 * by side, another arm first each time. What changes while a study runs, such as a machine that grows slower or a model
 * that is replaced, then meets all arms alike; and a study that is cut short has whole pairs.
 */
export function interleaved<T>(study: Study, tasks: readonly T[]): PlannedRun<T>[] {
  return Array.from({ length: study.seeds }, (_, index) => index).flatMap((index) =>
    tasks.flatMap((task) =>
      study.arms.map((_arm, place) => {
        const arm = study.arms[(place + index) % study.arms.length] as Arm;
        return { arm, task, seed: index + 1 };
      }),
    ),
  );
}
