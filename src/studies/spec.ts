import { mean, sum } from 'd3-array';
import * as z from 'zod';
import { type AgentEntry, agentEntrySchema } from '../domain/agent.ts';
import type { Primitive } from '../domain/architecture.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { agentNameSchema, type SearchId, searchIdSchema } from '../domain/ids.ts';
import { fileJsonSchema, formatZodError, key } from '../domain/inputFile.ts';
import { contentHash, type Json } from '../domain/json.ts';
import { isLocal, isOutside } from '../domain/model.ts';
import {
  budgetEntrySchema,
  ladderSchema,
  type SearchFile,
  type SearchSpec,
  searchFileSchema,
} from '../domain/search.ts';
import { fewestTrainingSeeds } from '../evaluators/index.ts';
import type { EvaluationRecord, NodeRecord } from '../memory/index.ts';

/**
 * A study file, the runs that it plans, and what a run results in. A trained run is a search of its own, named after its
 * specification.
 */

/** An agent's option, optional and without its default. */
const optional = (option: z.ZodType): z.ZodType => {
  const bare =
    option instanceof z.ZodDefault || option instanceof z.ZodOptional ? (option.unwrap() as z.ZodType) : option;
  return bare.optional().meta(option.meta() ?? {});
};

const { name: _, ...agentOptions } = agentEntrySchema.shape;
const { finalists: __, seedBlock: ___, ...ladderOptions } = ladderSchema.shape;

/**
 * What an arm changes in every agent. `literature` also works for local agents: it turns `local/mutate` into `local/prior`,
 * which mutates likewise and follows what it reads.
 */
const overridesSchema = z.strictObject({
  literature: key(z.boolean().optional(), {
    does: 'Whether the agents read. Turns local/mutate into local/prior, which mutates likewise and follows what it reads.',
    example: true,
  }),
  ...(Object.fromEntries(Object.entries(agentOptions).map(([key, option]) => [key, optional(option)])) as Record<
    string,
    z.ZodType
  >),
});

const armSchema = z.strictObject({
  name: key(agentNameSchema, { does: 'Name of the arm.', example: 'reading' }),
  set: key(overridesSchema.optional(), {
    does: 'Options that override those of every agent of the study.',
    example: { literature: true },
  }),
  handsIn: key(z.enum(['best', 'N0', 'N1', 'N2']).default('best'), {
    does: 'What a run hands in: its best candidate by the scores that it saw, or the pattern that aggregating all its nodes results in, conditioned on 0, 1 or 2 earlier layers. Aggregates on a table only.',
    example: 'N0',
  }),
  agents: key(z.array(agentEntrySchema).min(1).max(64).optional(), {
    does: 'Agents of this arm, instead of those of the study.',
    example: [{ name: 'greedy', model: 'local/mutate', scaffold: 'greedy' }],
  }),
});
export type Arm = z.infer<typeof armSchema>;

const studyTaskSchema = z.union([
  /** Evaluated by training. */
  z.strictObject({
    task: key(searchFileSchema.shape.task, {
      does: 'A task that is trained, as in a search file.',
      example: 'compose-mad-3p',
    }),
    profile: key(searchFileSchema.shape.profile, {
      does: 'Scale of its trainings, as in a search file.',
      example: 'nano',
    }),
    primitives: searchFileSchema.shape.primitives,
  }),
  /** Looked up in a tabular benchmark; local agents only. */
  z.strictObject({
    table: key(z.string().min(1), {
      does: 'A tabular benchmark that is looked up: a file of tables/ by its name, or a path. Local agents only.',
      example: 'compose-mad-3p-6',
    }),
  }),
]);

/**
 * The fewest seeds of a study. With a table, the pairs of a trained task are units of the jackknife, as training seeds are
 * (statistics/pairs.ts), and need as many.
 */
export function fewestSeeds(tasks: readonly z.infer<typeof studyTaskSchema>[]): number {
  const isMixed = tasks.some((task) => 'table' in task) && tasks.some((task) => 'task' in task);
  return isMixed ? fewestTrainingSeeds : 2;
}

/** A study file: arms that differ in one thing, on the same tasks, seeds and budgets. Strict. */
export const studySchema = z
  .strictObject({
    $schema: key(z.string().optional(), {
      does: 'Path of this schema, for editors.',
      example: '../schemas/study.schema.json',
    }),
    question: key(z.string().min(1).max(300), { does: 'The question, for people.', example: 'Does reading help?' }),
    tasks: key(z.array(studyTaskSchema).min(1).max(16), {
      does: 'Where the arms are compared.',
      example: [{ task: 'compose-mad-3p' }],
    }),
    seeds: key(z.int().min(2).max(10_000), {
      does: 'Each arm runs on each task with seeds 1, 2, and so on.',
      example: 10,
      unit: 'runs per arm and task',
    }),
    budget: key(budgetEntrySchema, { does: 'Limits of one run, equal for all arms.', example: { evaluations: 40 } }),
    ladder: key(z.strictObject(ladderOptions).prefault({}), {
      does: 'Promotion of trained candidates.',
      example: { finalSeeds: 4 },
    }),
    agents: key(z.array(agentEntrySchema).min(1).max(64).optional(), {
      does: 'The agents of every arm that has none of its own.',
      example: [{ name: 'greedy', model: 'local/mutate', scaffold: 'greedy' }],
    }),
    arms: key(z.array(armSchema).min(2).max(32), {
      does: 'What is compared.',
      example: [{ name: 'plain' }, { name: 'reading', set: { literature: true } }],
    }),
    baseline: key(agentNameSchema.optional(), {
      does: 'The arm that others are compared with; default: the first.',
      example: 'plain',
    }),
    pairs: key(z.enum(['baseline', 'all']).default('baseline'), {
      does: 'baseline: every other arm with the baseline. all: every arm with every other.',
      example: 'baseline',
    }),
    alpha: key(z.number().min(0.0001).max(0.5).default(0.05), {
      does: 'Family-wise error rate over all comparisons.',
      example: 0.05,
      unit: 'probability',
    }),
    power: key(z.number().min(0.5).max(0.99).default(0.8), {
      does: 'Power behind the stated number of seeds.',
      example: 0.8,
      unit: 'probability',
    }),
    workers: searchFileSchema.shape.workers,
  })
  .check(({ value, issues }) => {
    const names = value.arms.map(({ name }) => name);
    const reject = (path: PropertyKey[], message: string) =>
      issues.push({ code: 'custom', input: value, path, message });
    for (const [index, name] of names.entries()) {
      if (names.indexOf(name) !== index) reject(['arms', index, 'name'], `two arms are named "${name}"`);
    }
    for (const [index, { agents, set, name }] of value.arms.entries()) {
      if (!agents && !value.agents) reject(['arms', index], `"${name}" has no agents, and neither has the study`);
      if (agents && set)
        reject(['arms', index], `"${name}" has its own agents: put the options there instead of in set`);
    }
    const fewest = fewestSeeds(value.tasks);
    if (value.seeds < fewest) reject(['seeds'], `a table and a trained task need at least ${fewest} seeds`);
    const aggregated = value.arms.findIndex(({ handsIn }) => handsIn !== 'best');
    if (aggregated >= 0 && !value.tasks.every((task) => 'table' in task)) {
      reject(['arms', aggregated, 'handsIn'], 'a trained run hands in its best candidate: use a table');
    }
    if (value.baseline !== undefined && !names.includes(value.baseline)) {
      reject(['baseline'], `there is no arm "${value.baseline}"; the arms are ${names.join(', ')}`);
    }
  });
export type Study = z.infer<typeof studySchema>;

/** The JSON Schema of study files, as published in `schemas/study.schema.json` for editors. */
export function studyJsonSchema(): object {
  return fileJsonSchema('An Aira study file', studySchema);
}

/** The reading counterpart of each local model. */
const readers: Readonly<Record<string, string>> = { 'local/mutate': 'local/prior', 'local/prior': 'local/prior' };

/** Switches reading on or off in an agent. */
function withLiterature(entry: Record<string, unknown>, arm: string): Record<string, unknown> {
  const { literature, ...rest } = entry;
  if (literature === undefined || !isLocal(rest.model as AgentEntry['model'])) return entry;
  const reader = literature ? readers[String(rest.model)] : rest.model;
  if (reader === undefined) {
    throw new PrerequisiteError(
      'study-literature',
      `arm "${arm}": ${rest.model} cannot read`,
      'use local/mutate or a language model for agents that read',
    );
  }
  return { ...rest, model: reader };
}

/** The agents of an arm. @throws PrerequisiteError for incompatible options. */
export function agentsOf(study: Study, arm: Arm): AgentEntry[] {
  return (arm.agents ?? study.agents ?? []).map((entry) => {
    const merged = withLiterature({ ...entry, ...(arm.set ?? {}) }, arm.name);
    const parsed = agentEntrySchema.safeParse(merged);
    if (parsed.success && isOutside(parsed.data.model)) {
      const message = `arm "${arm.name}": ${entry.name} proposes from outside, and a study repeats its runs`;
      throw new PrerequisiteError('study-outside', message, 'use local or language models in studies');
    }
    if (parsed.success) return parsed.data;
    const mistakes = formatZodError(parsed.error, agentEntrySchema).join('; ');
    throw new PrerequisiteError('study-arm', `arm "${arm.name}", agent "${entry.name}": ${mistakes}`, 'fix the arm');
  });
}

/** The task of a run, as named in a search file. */
export interface NamedTask {
  readonly name: string;
  readonly profile: string;
  readonly kind: SpaceKind;
  readonly primitives?: readonly Primitive[] | undefined;
}

/**
 * The search of one run. It has no references: arms are compared with each other. Each paired seed has a block of training
 * seeds of its own: pairs share no training, neither of what they see nor of what judges them, so they are independent.
 */
export function searchFileOf(study: Study, arm: Arm, task: NamedTask, seed: number): SearchFile {
  return searchFileSchema.parse({
    task: task.name,
    profile: task.profile,
    ...(task.primitives && { primitives: task.primitives }),
    seed,
    budget: study.budget,
    agents: agentsOf(study, arm),
    ladder: { ...study.ladder, finalists: 1, seedBlock: seed },
    // Programs always have their baseline.
    ...(task.kind === 'stack' ? { references: [] } : {}),
    workers: study.workers,
  });
}

/** Compared pairs of arms, the arm in question first. */
export function comparedPairs(study: Study): (readonly [string, string])[] {
  const names = study.arms.map(({ name }) => name);
  if (study.pairs === 'all') {
    return names.flatMap((one, index) => names.slice(index + 1).map((other) => [other, one] as const));
  }
  const baseline = study.baseline ?? (names[0] as string);
  return names.filter((name) => name !== baseline).map((name) => [name, baseline] as const);
}

/** A planned run. */
export interface PlannedRun<T> {
  readonly arm: Arm;
  readonly task: T;
  readonly seed: number;
}

/**
 * The runs of a study in order: by seed, then task, with arms interleaved and rotated. Drift during a study, such as a
 * slowing machine or an updated model, then affects all arms alike, and an interrupted study has complete pairs.
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

/** One run: one arm on one task with one seed. */
const runResultSchema = z.strictObject({
  arm: z.string(),
  /** Label of the task. */
  task: z.string(),
  seed: z.int(),
  /** Score of the run's final candidate on trainings that did not select it; null without a candidate. */
  worth: z.number().nullable(),
  candidate: z.string().nullable(),
  /**
   * Of a run on a table: the index of the training seed that it saw, and its candidate's score on each training seed of the
   * table, null for the one that it saw. Null for a trained run: its seed has training seeds of its own.
   */
  crossed: z.strictObject({ seen: z.int().nonnegative(), judged: z.array(z.number().nullable()) }).nullable(),
  /** Score of the current candidate after each evaluation; see the task's `course`. */
  course: z.array(z.number().nullable()),
  /** Its proposals by status (domain/node.ts, `proposalCountsSchema`). */
  evaluated: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  rejected: z.int().nonnegative(),
  duplicate: z.int().nonnegative(),
  /** Agents that failed or stopped responding before their budget was used. */
  lostAgents: z.int().nonnegative(),
  /** Literature searches and reads, and how many failed. */
  readings: z.int().nonnegative(),
  failedReadings: z.int().nonnegative(),
  /**
   * Of a trained run: device seconds of its screening trainings, also of those that another run had paid for, and of its
   * checks and experiments.
   */
  spent: z.strictObject({ screening: z.number().nonnegative(), rehearsals: z.number().nonnegative() }).optional(),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** The run's score when one training seed does not judge; unchanged for a trained run, and for the seed that the run saw. */
export function worthWithout({ worth, crossed }: RunResult, unit: number): number | null {
  if (crossed === null || unit === crossed.seen) return worth;
  return mean(crossed.judged, (score, seed) => (seed === unit ? null : score)) ?? null;
}

/** Facts about a task. */
const taskFactsSchema = z.strictObject({
  label: z.string(),
  kind: z.enum(['trained', 'table']),
  metric: z.string(),
  /** The optimum, if known. */
  best: z.number().nullable(),
  /** Meaning of `course`: `worth` on trainings that did not select the candidate, or the (optimistically biased) selecting score. */
  course: z.enum(['worth', 'chosen-by']),
  /** Training seeds of a table; null where every paired seed has training seeds of its own. */
  trainingSeeds: z.int().positive().nullable(),
  /** Versions behind the scores: task, trainer, table. */
  versions: z.record(z.string(), z.string()),
});
export type TaskFacts = z.infer<typeof taskFactsSchema>;

const maxNameChars = 64;

/** Name of a run's search: readable, and different for different specifications. So a repeated study finds its runs, and an edited one creates new ones. */
export function runName(family: string, arm: string, { id: _, ...spec }: SearchSpec): SearchId {
  const tag = `-s${spec.seed}-${contentHash(spec as unknown as Json).slice(0, 6)}`;
  const name = `${family}-${arm}`.slice(0, maxNameChars - tag.length).replace(/-+$/, '');
  return searchIdSchema.parse(`${name}${tag}`);
}

export function trainedFacts(label: string, spec: SearchSpec): TaskFacts {
  return {
    label,
    kind: 'trained',
    metric: spec.lowerIsBetter ? `−${spec.metric}` : spec.metric,
    best: null,
    course: 'chosen-by',
    trainingSeeds: null,
    versions: {
      task: `${spec.task}, profile ${spec.profile}, version ${spec.taskVersion}`,
      evaluator: `${spec.evaluator} on ${spec.deviceClass}`,
    },
  };
}

const scoresOn = (node: NodeRecord, rung: EvaluationRecord['rung']): number[] =>
  node.evaluations.flatMap((each) => (each.rung === rung && each.validation !== null ? [each.validation] : []));

/**
 * Result of a trained search: its final candidate, scored on the fresh seeds of the final rung. The course is the best
 * screening score so far, with agents interleaved.
 */
export function trainedResult(
  spec: SearchSpec,
  nodes: readonly NodeRecord[],
  lostAgents: number,
): Omit<RunResult, 'arm' | 'task' | 'seed'> {
  const proposed = nodes.filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate');
  const lanes = spec.agents.map(({ name }) =>
    proposed
      .filter(({ agent, verdict }) => agent === name && verdict === 'accepted')
      .sort((a, b) => a.ordinal - b.ordinal),
  );
  const rounds = Math.max(0, ...lanes.map((lane) => lane.length));
  const order = Array.from({ length: rounds }, (_, turn) => lanes.flatMap((lane) => lane[turn] ?? [])).flat();
  let best: number | null = null;
  const course = order.map((node) => {
    const score = mean(scoresOn(node, 'screen'));
    if (score !== undefined && (best === null || score > best)) best = score;
    return best;
  });
  const failed = order.filter((node) => scoresOn(node, 'screen').length === 0).length;
  const readings = proposed.flatMap(({ rationale }) => rationale.readings ?? []);
  const finalist = proposed.find((node) => scoresOn(node, 'final').length > 0);
  return {
    worth: finalist ? (mean(scoresOn(finalist, 'final')) ?? null) : null,
    candidate: finalist?.candidate ?? null,
    crossed: null,
    course,
    evaluated: order.length - failed,
    failed,
    rejected: proposed.filter(({ verdict }) => verdict === 'rejected').length,
    duplicate: proposed.filter(({ verdict }) => verdict === 'duplicate').length,
    lostAgents,
    readings: readings.length,
    failedReadings: readings.filter((reading) => reading.failed !== undefined).length,
    spent: {
      screening: sum(order, ({ evaluations }) =>
        sum(evaluations, ({ rung, seconds }) => (rung === 'screen' ? (seconds ?? 0) : 0)),
      ),
      rehearsals: sum(proposed, ({ rationale }) => sum(rationale.tried ?? [], ({ seconds }) => seconds)),
    },
  };
}
