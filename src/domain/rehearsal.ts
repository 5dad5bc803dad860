import * as z from 'zod';
import { candidateSchema, type Space, spaceSchema } from './candidate.ts';
import { failureReasonSchema, jobSchema, taskContentSchema } from './evaluation.ts';
import { agentNameSchema, searchIdSchema } from './ids.ts';
import { key } from './inputFile.ts';
import { deviceClassSchema } from './task.ts';

/**
 * Multi-turn operators: an agent tries candidates out before it proposes one. A rehearsal is a short training of a candidate
 * on a part of the training data, scored on another part of them. It never sees the evaluator's validation or test rows.
 */

/** Tools that run something on a device; others only read. */
export const rehearsals = ['check_candidate', 'run_experiment'] as const;
export const rehearsalNameSchema = z.enum(rehearsals);
export type RehearsalName = z.infer<typeof rehearsalNameSchema>;

/** Characters of an agent's own validation script. */
export const longestScript = 32_768;

/** How a multi-turn agent thinks, as recorded in the archive. */
export const multiTurnSpecSchema = z.strictObject({
  kind: z.literal('multi-turn'),
  /** Per thought. */
  checks: z.int().nonnegative(),
  experiments: z.int().nonnegative(),
  /** Nodes read and archive queries, per thought. */
  looks: z.int().nonnegative(),
  /** Of a screening training. */
  share: z.number().positive().max(1),
  /** Limit of all rehearsals of the agent. */
  deviceSeconds: z.number().nonnegative(),
  /** Whether an experiment may be a script of the agent's own; absent: where candidates are programs. */
  scripts: z.boolean().optional(),
});
export type MultiTurnSpec = z.infer<typeof multiTurnSpecSchema>;

const options = z.strictObject({
  kind: key(z.literal('multi-turn'), { does: 'The agent may use tools before it proposes.', example: 'multi-turn' }),
  checks: key(z.int().min(0).max(16).default(4), {
    does: 'Candidates that it may check in a thought: a few steps of training, for shapes, parameters and causality.',
    example: 4,
    unit: 'checks per proposal',
  }),
  experiments: key(z.int().min(0).max(16).default(2), {
    does: 'Shortened trainings, or runs of a validation script of its own, in a thought.',
    example: 2,
    unit: 'experiments per proposal',
  }),
  looks: key(z.int().min(0).max(32).default(6), {
    does: 'Nodes that it may read, and queries of the archive, in a thought.',
    example: 6,
    unit: 'look-ups per proposal',
  }),
  share: key(z.number().min(0.01).max(1).default(0.25), {
    does: 'Length of an experiment, as a share of a screening training.',
    example: 0.25,
    unit: 'fraction',
  }),
  deviceSeconds: key(z.number().nonnegative().optional(), {
    does: 'Device time that all checks and experiments of the agent may take, within that of the search. Default: as much as its evaluations are estimated to take.',
    example: 120,
    unit: 'seconds',
  }),
  scripts: key(z.boolean().optional(), {
    does: 'An experiment of a language model may be a Python script of its own, run in the sandbox with the candidate and a part of the training data. Default: true where candidates are programs, false where they are layers.',
    example: true,
  }),
});
type MultiTurnEntry = z.infer<typeof options>;

/** Whether experiments of such an agent may be scripts of its own. */
export const bringsScripts = (
  { scripts, experiments }: Pick<MultiTurnSpec, 'scripts' | 'experiments'>,
  { kind }: Pick<Space, 'kind'>,
): boolean => experiments > 0 && (scripts ?? kind === 'program');

/** `multi-turn` means the default limits; `single-turn` is the same as no entry. */
export const operatorsEntrySchema = z
  .union([z.enum(['single-turn', 'multi-turn']), options])
  .transform((entry): MultiTurnEntry | null => {
    if (entry === 'single-turn') return null;
    return entry === 'multi-turn' ? options.parse({ kind: 'multi-turn' }) : entry;
  });

/** What a process that rehearses needs to know of the search. */
export const stageSchema = z.strictObject({
  task: z.string(),
  taskVersion: z.string(),
  evaluator: z.string(),
  deviceClass: deviceClassSchema,
  content: taskContentSchema.optional(),
  space: spaceSchema,
  /** Of the screening rung. */
  settings: jobSchema.shape.settings,
  seconds: z.number().positive(),
  lowerIsBetter: z.boolean(),
  /** Whose training rows are divided: the screening rung's. */
  seed: z.int().nonnegative(),
});
export type Stage = z.infer<typeof stageSchema>;

/** One rehearsal. */
export const rehearsalSchema = z.strictObject({
  tool: rehearsalNameSchema,
  candidate: candidateSchema,
  /** Of a screening training; a check takes a few steps whatever it says. */
  share: z.number().positive().max(1),
  /** A Python program of the agent, run instead of the built-in training. */
  script: z.string().min(1).max(longestScript).optional(),
  /** Wall-clock limit; nothing of it runs any longer. */
  limitSeconds: z.number().positive(),
});
export type Rehearsal = z.infer<typeof rehearsalSchema>;

/** Wall-clock time on the device; waiting for it and preparing data are not part of it. */
const seconds = z.number().nonnegative();

const measured = z.strictObject({
  status: z.literal('ok'),
  seconds,
  /** More is better; null for a script, which has no score. */
  fitness: z.number().nullable(),
  /** Figures by name, in the task's metric. */
  figures: z.record(z.string().max(80), z.number()),
  params: z.int().nonnegative().optional(),
  /** As the evaluator counts them; absent where it does not. */
  flops: z.number().nonnegative().optional(),
  /** What a script printed: untrusted text. */
  output: z.string().optional(),
});
const failed = z.strictObject({
  status: z.literal('failed'),
  seconds,
  reason: failureReasonSchema,
  message: z.string().max(4000),
});
/** What came of a rehearsal. A script that exits with an error has no score and failed. */
export const rehearsedSchema = z.discriminatedUnion('status', [measured, failed]);
export type Rehearsed = z.infer<typeof rehearsedSchema>;

/** Where rehearsals run. One at a time per device. */
export interface Rehearsing {
  /** @throws the signal's reason on abort; errors of the machine, such as a missing sandbox. Nothing of it runs any longer then. */
  rehearse(stage: Stage, rehearsal: Rehearsal, signal: AbortSignal): Promise<Rehearsed>;
  close(): Promise<void>;
}

/** A rehearsal about to be run, with the most device time that it can take (I9). */
export const rehearsalReservationSchema = z.strictObject({
  search: searchIdSchema,
  agent: agentNameSchema,
  /** Unique per run; repeating the reservation changes nothing. */
  run: z.string().min(1).max(64),
  ordinal: z.int().positive(),
  tool: rehearsalNameSchema,
  seconds: z.number().positive(),
});
export type RehearsalReservation = z.infer<typeof rehearsalReservationSchema>;

/** How long a rehearsal took, and how it ended. */
export const rehearsalSettlementSchema = z.strictObject({
  search: searchIdSchema,
  run: z.string().min(1).max(64),
  seconds: z.number().nonnegative(),
  outcome: z.enum(['ok', 'failed', 'cancelled']),
});
export type RehearsalSettlement = z.infer<typeof rehearsalSettlementSchema>;

/** Characters of the short form of a candidate that was tried. */
export const longestShort = 300;

/** What an agent tried out before it proposed, as stored with its node. */
export const triedSchema = z.strictObject({
  tool: rehearsalNameSchema,
  /** Short form of the candidate. */
  short: z.string().max(longestShort),
  fitness: z.number().nullable(),
  /** Of device time; not part of a decision. */
  seconds: z.number().nonnegative(),
  /** A script of the agent's own, which has no score. */
  script: z.literal(true).optional(),
  failed: z.string().max(300).optional(),
});
export type Tried = z.infer<typeof triedSchema>;

/** Least and most wall-clock seconds of a check and of an experiment: starting Python and torch takes some of them. */
const startSeconds = 20;
const allowance = 3;

/** The wall-clock limit of a rehearsal: three times its estimate, and time to start. It is reserved in full. */
export function limitSecondsOf(tool: RehearsalName, { seconds }: Pick<Stage, 'seconds'>, share: number): number {
  return Math.ceil(startSeconds + allowance * seconds * (tool === 'check_candidate' ? checkShare : share));
}

/** Share of a screening training that a check runs. */
export const checkShare = 0.02;
