import { mean, sum } from 'd3-array';
import * as z from 'zod';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { EvaluationRecord, NodeRecord } from '../memory/index.ts';

/** One run: one arm on one task with one seed. */
export const runResultSchema = z.strictObject({
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
export const taskFactsSchema = z.strictObject({
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
