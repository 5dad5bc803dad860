import * as z from 'zod';
import { candidateIdentity, candidateSchema, spaceSchema } from './candidate.ts';
import { contentHash, type Json } from './canonical.ts';
import { type EvaluationKey, evaluationKeySchema, workerIdSchema } from './ids.ts';
import { deviceClassSchema, type Rung, rungSchema } from './task.ts';

/** SHA-256 as 64 hexadecimal digits. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Stands for all imported data, where a task by others does not say which of them it reads. */
export const allData = '.';

/** A folder below the data folder, such as `climbmix` or `org/set/default`: no part of it leads out. */
export const dataNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}$/;
const dataNameSchema = z.union([z.literal(allData), z.string().max(256).regex(dataNamePattern)]);

/** The files that decide a score, by their content (I10). */
export const taskContentSchema = z.strictObject({
  /** Of the task's directory as it was when the search was planned. */
  directory: digestSchema,
  /** Of the imported data that a rung of the profile reads, by name; empty where everything is generated. */
  data: z.record(dataNameSchema, digestSchema),
});
export type TaskContent = z.infer<typeof taskContentSchema>;

/** Why an attempt gave no score. Every attempt that gave none carries exactly one of these (I8). */
export const failureReasons = [
  'invalid', // the candidate is not one of the space
  'nan', // loss or score left the finite numbers
  'oom', // memory ran out
  'timeout', // the deadline passed
  'crash', // the program ended itself, or the trainer threw
  'lost', // the laboratory lost the training: its trainer died, or could not be started
  'data', // the task's data could not be prepared
  'cancelled', // stopped before it was done
  'poison', // took its worker down more often than is forgiven
  'tampered', // a program touched what is not its own, or its predictions are not what was asked for
  'noncausal', // predictions depend on later positions, or on other samples
  'over-budget', // a program used more processor time than the task allows
  'toobig', // more parameters than the task's rule of equal size allows
  'refused', // needs a sandbox that this machine lacks
] as const;
export const failureReasonSchema = z.enum(failureReasons);
export type FailureReason = z.infer<typeof failureReasonSchema>;

/** Ends of the laboratory's own making: whoever asks later for the same evaluation is not given them. */
export const laboratoryFailures: readonly FailureReason[] = ['data', 'cancelled', 'refused', 'lost'];

/** What is to be trained, and all that decides its outcome. Self-contained: a worker needs no file of the task. */
export const jobSchema = z.strictObject({
  key: evaluationKeySchema,
  task: z.string(),
  taskVersion: z.string(),
  /** Engine and source hash of the trainer; a worker with another one must not take the job (I2). */
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  /** Absent in jobs made before content was recorded, and where a table is measured. */
  content: taskContentSchema.optional(),
  rung: rungSchema,
  space: spaceSchema,
  settings: z.record(z.string(), z.json()),
  candidate: candidateSchema,
  /** Seeds initialisation, data and order. Seeds are the same for all candidates, so that differences are paired. */
  seed: z.int().nonnegative(),
  /** `test` also scores the hidden test set, after training on all of the train split. */
  measure: z.enum(['validation', 'test']),
  /** Whether the trainer's figures fall as things improve; its host turns them into fitness. */
  lowerIsBetter: z.boolean(),
  /** Wall-clock limit of one training, enforced by the host. */
  timeoutSeconds: z.number().positive(),
  /** So many times the laboratory failed at the same training before, for others who asked. */
  again: z.int().positive().optional(),
});
export type Job = z.infer<typeof jobSchema>;

/** All that decides a score beside the candidate, the seed and the part of the data that is scored (I10). */
export const identitySchema = z.strictObject({
  v: z.literal(1),
  task: z.string(),
  taskVersion: z.string(),
  /** Of the rung: its settings, the space, and the direction of the metric. */
  profile: digestSchema,
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  rung: rungSchema,
  ...taskContentSchema.shape,
});
export type Identity = z.infer<typeof identitySchema>;

type Decisive = Omit<Job, 'key' | 'timeoutSeconds'>;

/** Null for a job that was made before content was recorded: what data it was for is unknown. */
export function identityOf(job: Decisive): Identity | null {
  const { content, task, taskVersion, evaluator, deviceClass, rung, space, settings, lowerIsBetter } = job;
  if (!content) return null;
  const profile = contentHash({ space, settings: settings as Json, lowerIsBetter });
  return { v: 1, task, taskVersion, profile, evaluator, deviceClass, rung, ...content };
}

/**
 * The key of an evaluation (I2): the same key is never trained twice, in whichever search it is asked for. It hashes the
 * digest of the identity, so that the archive can show from what parts it was made.
 */
export function evaluationKey(job: Decisive): EvaluationKey {
  const { task, taskVersion, evaluator, deviceClass, rung, candidate, seed, measure, again } = job;
  const identity = identityOf(job);
  // Without content: the rule of the versions before, so that their keys can still be derived.
  const decided = identity ? { identity: contentHash(identity) } : { task, taskVersion, evaluator, deviceClass, rung };
  const repeated = again === undefined ? {} : { again };
  return evaluationKeySchema.parse(
    contentHash({ ...decided, ...candidateIdentity(candidate), seed, measure, ...repeated }),
  );
}

/** The same training for whoever asks after the laboratory has failed at it `again` times. */
export function repeatedJob(job: Job, again: number): Job {
  const repeated = { ...job, again };
  return { ...repeated, key: evaluationKey(repeated) };
}

/** Finite, and more is better: the metric itself, or its negation where the metric falls as things improve. */
const score = z.number();

/** A training that ended with a number. */
export const measurementSchema = z.strictObject({
  status: z.literal('ok'),
  /** What steers the search, higher is better; null only where a `test` training has no validation part left. */
  validation: score.nullable(),
  /** The hidden figure; null unless it was asked for. Recorded apart from everything that agents can read (I4). */
  test: score.nullable(),
  /** Per sub-task figures, for people. */
  tasks: z.record(z.string(), z.record(z.string(), z.number())),
  /** Score over training: pairs (step, score). */
  curve: z.array(z.tuple([z.number(), z.number()])).max(64),
  /** Wall-clock and processor seconds of the training. */
  seconds: z.number().nonnegative(),
  cpuSeconds: z.number().nonnegative(),
  params: z.int().nonnegative(),
  flops: z.number().nonnegative(),
  peakMemoryBytes: z.int().nonnegative(),
  device: z.string(),
  /** The program ran without a sandbox, by the user's own choice: it may have done anything to this figure. */
  unsafe: z.literal(true).optional(),
});
export type Measurement = z.infer<typeof measurementSchema>;

/** A training that ended without one. */
export const failureSchema = z.strictObject({
  status: z.literal('failed'),
  reason: failureReasonSchema,
  /** One sentence; the text that a debug operator will read. */
  message: z.string().max(2000),
  seconds: z.number().nonnegative(),
  device: z.string(),
});

export const outcomeSchema = z.discriminatedUnion('status', [measurementSchema, failureSchema]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** An outcome on its way to the archive. */
export const evaluationResultSchema = z.strictObject({
  key: evaluationKeySchema,
  worker: workerIdSchema,
  evaluator: z.string(),
  /**
   * The worker's own number for this training, counted from 1. With the worker's id it tells a result that was delivered
   * twice from that of another training; the queue's delivery count would not, because a killed server forgets it.
   */
  attempt: z.int().positive(),
  outcome: outcomeSchema,
});
export type EvaluationResult = z.infer<typeof evaluationResultSchema>;

/** What was measured on the hidden test set, by which it travels sealed. */
export const hiddenFiguresSchema = z.strictObject({ test: score.nullable(), tasks: z.record(z.string(), z.number()) });
export type HiddenFigures = z.infer<typeof hiddenFiguresSchema>;

/** A result on the bus: hidden figures are sealed for the archive and stand nowhere else (I4). */
export const resultMessageSchema = evaluationResultSchema
  .extend({ sealed: z.string().max(65_536).optional() })
  .refine(({ outcome }) => outcome.status === 'failed' || splitHidden(outcome).hidden === null, 'an open test figure');
export type ResultMessage = z.infer<typeof resultMessageSchema>;

/** A measurement without its hidden figures, and these. */
export function splitHidden(measured: Measurement): { open: Measurement; hidden: HiddenFigures | null } {
  const hidden: Record<string, number> = {};
  const tasks: Measurement['tasks'] = {};
  for (const [task, { test, ...visible }] of Object.entries(measured.tasks)) {
    if (test !== undefined) hidden[task] = test;
    tasks[task] = visible;
  }
  if (measured.test === null && Object.keys(hidden).length === 0) return { open: measured, hidden: null };
  return { open: { ...measured, test: null, tasks }, hidden: { test: measured.test, tasks: hidden } };
}

/** The measurement that `splitHidden` has taken apart. */
export function joinHidden(open: Measurement, { test, tasks: hidden }: HiddenFigures): Measurement {
  const tasks = Object.fromEntries(
    Object.entries(open.tasks).map(([task, figures]) => {
      const figure = Object.hasOwn(hidden, task) ? hidden[task] : undefined;
      return [task, figure === undefined ? figures : { ...figures, test: figure }];
    }),
  );
  return { ...open, test, tasks };
}

/**
 * The seeds of a rung, the same in every search: so that results can be reused across searches, and so that no rung
 * repeats a seed on which the rung below selected.
 */
export function rungSeeds(rung: Rung, count: number): number[] {
  const first: Record<Rung, number> = { screen: 1, confirm: 1_001, final: 2_001 };
  return Array.from({ length: count }, (_, index) => first[rung] + index);
}
