import * as z from 'zod';
import { candidateIdentity, candidateSchema, spaceSchema } from './candidate.ts';
import { type EvaluationKey, evaluationKeySchema, workerIdSchema } from './ids.ts';
import { contentHash, type Json } from './json.ts';
import { resourcesSchema, scaleFiguresSchema } from './scale.ts';
import { deviceClassSchema, type Rung, rungSchema } from './task.ts';

/** SHA-256 as 64 hexadecimal digits. */
export const digestSchema = z.string().regex(/^[0-9a-f]{64}$/);

/** All imported data, for a third-party task that does not say which data it reads. */
export const allData = '.';

/** A folder below the data folder, such as `climbmix` or `org/set/default`; cannot escape it. */
export const dataNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*){0,3}$/;
const dataNameSchema = z.union([z.literal(allData), z.string().max(256).regex(dataNamePattern)]);

/** Digests of the files that determine a score (I10). */
export const taskContentSchema = z.strictObject({
  /** Of the task's directory when the search was planned. */
  directory: digestSchema,
  /** Of the imported data that the profile's rungs read, by name; empty if all data are generated. */
  data: z.record(dataNameSchema, digestSchema),
});
export type TaskContent = z.infer<typeof taskContentSchema>;

/** Why an attempt has no score. Every attempt without a score has exactly one of these (I8). */
export const failureReasons = [
  'invalid', // not a candidate of the space
  'nan', // loss or score is not finite
  'oom', // out of memory
  'timeout', // deadline exceeded
  'crash', // the program exited, or the trainer threw
  'lost', // infrastructure: the trainer died, or did not start
  'data', // the task's data could not be prepared
  'cancelled', // stopped early
  'poison', // crashed its worker too often
  'tampered', // a program interfered with files of others, or returned malformed predictions
  'noncausal', // predictions depend on later positions, or on other samples
  'over-budget', // more processor time than the task allows, or training after its time was over
  'toobig', // more parameters than the task's size rule allows
  'refused', // needs a sandbox that this machine lacks
  'vetoed', // a person vetoed its branch before its training started
] as const;
export const failureReasonSchema = z.enum(failureReasons);
export type FailureReason = z.infer<typeof failureReasonSchema>;

/** Failures of the infrastructure: a later request for the same evaluation is not answered with them. */
export const laboratoryFailures: readonly FailureReason[] = ['data', 'cancelled', 'refused', 'lost', 'vetoed'];

/** A training and everything that determines its outcome. Self-contained: a worker needs no task file. */
export const jobSchema = z.strictObject({
  key: evaluationKeySchema,
  task: z.string(),
  taskVersion: z.string(),
  /** Engine and source hash of the trainer; a worker with another one must not train the job (I2). */
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  /** Absent in jobs older than content digests, and for tables. */
  content: taskContentSchema.optional(),
  rung: rungSchema,
  space: spaceSchema,
  settings: z.record(z.string(), z.json()),
  candidate: candidateSchema,
  /** Seeds initialisation, data and order; equal for all candidates, so that differences are paired. */
  seed: z.int().nonnegative(),
  /** `test` also scores the hidden test set, after training on the full train split. */
  measure: z.enum(['validation', 'test']),
  /** Whether lower is better in the trainer's metric; the host converts it to fitness. */
  lowerIsBetter: z.boolean(),
  /** Wall-clock limit of one training, enforced by the host. */
  timeoutSeconds: z.number().positive(),
  /** Number of earlier infrastructure failures of the same training, for other requesters. */
  again: z.int().positive().optional(),
  /** Of a run at scale: what its worker must have declared. */
  resources: resourcesSchema.optional(),
});
export type Job = z.infer<typeof jobSchema>;

/** Everything that determines a score except the candidate, the seed and the scored split (I10). */
export const identitySchema = z.strictObject({
  v: z.literal(1),
  task: z.string(),
  taskVersion: z.string(),
  /** Digest of the rung's settings, the space, and the direction of the metric. */
  profile: digestSchema,
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  rung: rungSchema,
  ...taskContentSchema.shape,
});
export type Identity = z.infer<typeof identitySchema>;

type KeyedJob = Omit<Job, 'key' | 'timeoutSeconds' | 'resources'>;

/** Null for a job older than content digests: its data are unknown. */
export function identityOf(job: KeyedJob): Identity | null {
  const { content, task, taskVersion, evaluator, deviceClass, rung, space, settings, lowerIsBetter } = job;
  if (!content) return null;
  const profile = contentHash({ space, settings: settings as Json, lowerIsBetter });
  return { v: 1, task, taskVersion, profile, evaluator, deviceClass, rung, ...content };
}

/**
 * The key of an evaluation (I2): a key is never trained twice, whichever search requests it. It hashes the digest of the
 * identity, so that the archive can prove its components.
 */
export function evaluationKey(job: KeyedJob): EvaluationKey {
  const { task, taskVersion, evaluator, deviceClass, rung, candidate, seed, measure, again } = job;
  const identity = identityOf(job);
  // Without content: the rule of earlier versions, so that their keys can still be derived.
  const base = identity ? { identity: contentHash(identity) } : { task, taskVersion, evaluator, deviceClass, rung };
  const repeated = again === undefined ? {} : { again };
  return evaluationKeySchema.parse(
    contentHash({ ...base, ...candidateIdentity(candidate), seed, measure, ...repeated }),
  );
}

/** The same training for a new requester, after `again` infrastructure failures. */
export function repeatedJob(job: Job, again: number): Job {
  const repeated = { ...job, again };
  return { ...repeated, key: evaluationKey(repeated) };
}

/** Finite, more is better: the metric, or its negation if lower is better. */
const score = z.number();

/** A training with a score. */
export const measurementSchema = z.strictObject({
  status: z.literal('ok'),
  /** The score that steers the search, higher is better; null only for `test` trainings without a validation split. */
  validation: score.nullable(),
  /** The hidden score; null unless requested. Recorded apart from everything agents can read (I4). */
  test: score.nullable(),
  /** Scores per sub-task, for people. */
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
  /** The program ran without a sandbox, at the user's request, and may have tampered with its score. */
  unsafe: z.literal(true).optional(),
  /** Of a run at scale. */
  scale: scaleFiguresSchema.optional(),
});
export type Measurement = z.infer<typeof measurementSchema>;

/** A training without a score. */
export const failureSchema = z.strictObject({
  status: z.literal('failed'),
  reason: failureReasonSchema,
  /** One sentence; debug operators read it. */
  message: z.string().max(2000),
  seconds: z.number().nonnegative(),
  device: z.string(),
});

/** Where a requested evaluation is. */
export const outcomeStatuses = ['pending', 'ok', 'failed'] as const;

export const outcomeSchema = z.discriminatedUnion('status', [measurementSchema, failureSchema]);
export type Outcome = z.infer<typeof outcomeSchema>;

/** An outcome on its way to the archive. */
export const evaluationResultSchema = z.strictObject({
  key: evaluationKeySchema,
  worker: workerIdSchema,
  evaluator: z.string(),
  /**
   * The worker's own number for this training, from 1. With the worker's id it distinguishes a redelivered result from
   * another training; the queue's delivery count does not, because a killed server forgets it.
   */
  attempt: z.int().positive(),
  outcome: outcomeSchema,
});
export type EvaluationResult = z.infer<typeof evaluationResultSchema>;

/** Scores on the hidden test set; sealed on the bus. */
export const hiddenFiguresSchema = z.strictObject({ test: score.nullable(), tasks: z.record(z.string(), z.number()) });
export type HiddenFigures = z.infer<typeof hiddenFiguresSchema>;

/** A result on the bus: hidden scores are sealed for the archive and appear nowhere else (I4). */
export const resultMessageSchema = evaluationResultSchema
  .extend({ sealed: z.string().max(65_536).optional() })
  .refine(
    ({ outcome }) => outcome.status === 'failed' || splitHidden(outcome).hidden === null,
    'an unsealed test score',
  );
export type ResultMessage = z.infer<typeof resultMessageSchema>;

/** Splits a measurement into its visible part and its hidden scores. */
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

/** Inverse of `splitHidden`. */
export function joinHidden(open: Measurement, { test, tasks: hidden }: HiddenFigures): Measurement {
  const tasks = Object.fromEntries(
    Object.entries(open.tasks).map(([task, figures]) => {
      const figure = Object.hasOwn(hidden, task) ? hidden[task] : undefined;
      return [task, figure === undefined ? figures : { ...figures, test: figure }];
    }),
  );
  return { ...open, test, tasks };
}

const floorPrefix = 'floor_';

/**
 * The floors among figures by name: what the rows of a score yield without what the task asks for, as the evaluator
 * computed it (`aira_design/lra/floors.py`), in the task's metric. Empty for tasks without floors.
 */
export function floorsIn(figures: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(figures).flatMap(([name, figure]) =>
      name.startsWith(floorPrefix) ? [[name.slice(floorPrefix.length), figure] as const] : [],
    ),
  );
}
/** Seeds from one block to the next. */
const blockSize = 10_000;

/**
 * The seeds of a rung, equal in all searches of one block: results can be reused across them, and no rung repeats a seed on
 * which the rung below selected. Runs of a study have a block per paired seed, so that what is trained for one pair shares
 * nothing with what is trained for another.
 */
export function rungSeeds(rung: Rung, count: number, block = 0): number[] {
  const first: Record<Rung, number> = { screen: 1, confirm: 1_001, final: 2_001 };
  return Array.from({ length: count }, (_, index) => block * blockSize + first[rung] + index);
}
