import * as z from 'zod';

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
