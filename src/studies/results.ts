import { mean } from 'd3-array';
import * as z from 'zod';
import { contentHash, type Json } from '../domain/canonical.ts';
import { type SearchId, searchIdSchema } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { EvaluationRecord, NodeRecord } from '../memory/index.ts';

/** One run: one arm on one task with one seed. */
export const runResultSchema = z.strictObject({
  arm: z.string(),
  /** Label of the task. */
  task: z.string(),
  seed: z.int(),
  /** What the run's candidate is worth, on trainings by which it was not chosen; null where the run has none. */
  worth: z.number().nullable(),
  candidate: z.string().nullable(),
  /** After each evaluation, how good the candidate is that the run would hand in then, if any; see the task's `course`. */
  course: z.array(z.number().nullable()),
  /** Its proposals by status, as everywhere (domain/node.ts, `proposalCountsSchema`). */
  evaluated: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  rejected: z.int().nonnegative(),
  duplicate: z.int().nonnegative(),
  /** Agents that failed or vanished before their budget was used. */
  lostAgents: z.int().nonnegative(),
  /** Literature searches and reads, and those of them that failed. */
  readings: z.int().nonnegative(),
  failedReadings: z.int().nonnegative(),
});
export type RunResult = z.infer<typeof runResultSchema>;

/** What is known of a task beyond its runs. */
export const taskFactsSchema = z.strictObject({
  label: z.string(),
  kind: z.enum(['trained', 'table']),
  metric: z.string(),
  /** The best there is, where everything is known. */
  best: z.number().nullable(),
  /**
   * What the courses show: `worth` of the present candidate on trainings that it was not chosen by, or the score that it
   * was chosen `by`, which is flattered by luck.
   */
  course: z.enum(['worth', 'chosen-by']),
  /** What the scores rest on: task, trainer, table. */
  versions: z.record(z.string(), z.string()),
});
export type TaskFacts = z.infer<typeof taskFactsSchema>;

const longestName = 64;

/**
 * What the search of a run is called: readable, and another name where anything of its specification differs. So a study
 * that is run again finds its runs, and one whose file was changed makes new ones.
 */
export function runName(family: string, arm: string, { id: _, ...spec }: SearchSpec): SearchId {
  const tag = `-s${spec.seed}-${contentHash(spec as unknown as Json).slice(0, 6)}`;
  const name = `${family}-${arm}`.slice(0, longestName - tag.length).replace(/-+$/, '');
  return searchIdSchema.parse(`${name}${tag}`);
}

export function trainedFacts(label: string, spec: SearchSpec): TaskFacts {
  return {
    label,
    kind: 'trained',
    metric: spec.lowerIsBetter ? `−${spec.metric}` : spec.metric,
    best: null,
    course: 'chosen-by',
    versions: {
      task: `${spec.task}, profile ${spec.profile}, version ${spec.taskVersion}`,
      evaluator: `${spec.evaluator} on ${spec.deviceClass}`,
    },
  };
}

const scoresOn = (node: NodeRecord, rung: EvaluationRecord['rung']): number[] =>
  node.evaluations.flatMap((each) => (each.rung === rung && each.validation !== null ? [each.validation] : []));

/**
 * What a search in the laboratory came to. It hands in the candidate that its ladder let through, and is worth what that
 * one scored on the fresh seeds of the final rung. Its course is the best screening score so far, agents taking turns.
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
  const longest = Math.max(0, ...lanes.map((lane) => lane.length));
  const order = Array.from({ length: longest }, (_, turn) => lanes.flatMap((lane) => lane[turn] ?? [])).flat();
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
    course,
    evaluated: order.length - failed,
    failed,
    rejected: proposed.filter(({ verdict }) => verdict === 'rejected').length,
    duplicate: proposed.filter(({ verdict }) => verdict === 'duplicate').length,
    lostAgents,
    readings: readings.length,
    failedReadings: readings.filter((reading) => reading.failed !== undefined).length,
  };
}
