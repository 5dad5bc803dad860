/** Arguments and mounts for the commands of `gpu-workers/aira_design`, per sandbox stage and for their hosts. */

import { join } from 'node:path';
import * as z from 'zod';
import { TerminalError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/inputFile.ts';
import type { Json } from '../../domain/json.ts';
import { type Environment, preparedFolder, secretFile, trainersDirectory } from '../../platform/index.ts';
import { box, outputFolder, type ReadOnlyMount, type Sandbox } from '../../sandbox/index.ts';
import { type DesignPackage, pythonStart } from '../../tasks/index.ts';
import { type Prepared, prepared } from './preparation.ts';

const library = `${box}/lib`;
const settings = `${box}/settings.json`;
const candidate = `${box}/candidate`;

export interface StageFolders {
  readonly settings: string;
  readonly candidate: string;
}

export interface Stage {
  readonly argv: readonly [string, ...string[]];
  readonly readOnly: readonly ReadOnlyMount[];
}

function stage(
  python: string,
  design: DesignPackage,
  folders: StageFolders,
  own: readonly ReadOnlyMount[],
  args: string[],
): Stage {
  return {
    argv: [
      python,
      ...pythonStart(library, design.module),
      ...args,
      '--settings',
      settings,
      '--candidate',
      candidate,
      '--out',
      outputFolder,
    ],
    readOnly: [
      ...design.packages.map((name) => ({ source: join(design.folder, name), target: `${library}/${name}` })),
      { source: folders.settings, target: settings },
      { source: folders.candidate, target: candidate },
      ...own,
    ],
  };
}

/** Stage 1: reads the train split, writes a state. */
export function trainStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly train: string; readonly seed: number; readonly device: string },
): Stage {
  const train = `${box}/train`;
  const args = ['train', '--seed', String(folders.seed), '--train', train, '--device', folders.device];
  return stage(python, design, folders, [{ source: folders.train, target: train }], args);
}

/** Stage 2: reads inputs and the state, writes predictions. */
export function predictStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly inputs: string; readonly state: string; readonly device: string },
): Stage {
  const [inputs, state] = [`${box}/inputs`, `${box}/state`];
  const mounts = [
    { source: folders.inputs, target: inputs },
    { source: folders.state, target: state },
  ];
  return stage(python, design, folders, mounts, [
    'predict',
    '--inputs',
    inputs,
    '--state',
    state,
    '--device',
    folders.device,
  ]);
}

/** Both stages of a hosted family: sees the candidate's files, and what its host sends. */
export const hostedStage = (
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly device: string },
): Stage => stage(python, design, folders, [], ['mixers', '--device', folders.device]);

/** Stage 1 of a script: sees its own files, and the batches that its host serves. */
export const scriptTrainStage = (
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly seed: number; readonly device: string },
): Stage => stage(python, design, folders, [], ['train', '--seed', String(folders.seed), '--device', folders.device]);

/** Stage 2 of a script: sees its own files, the state, and what its host shows of hidden rows. */
export function scriptPredictStage(
  python: string,
  design: DesignPackage,
  folders: StageFolders & { readonly state: string; readonly device: string },
): Stage {
  const state = `${box}/state`;
  const args = ['predict', '--state', state, '--device', folders.device];
  return stage(python, design, folders, [{ source: folders.state, target: state }], args);
}

/** The host of stage 1: trains around the program and writes the state into `out`, or serves a script. */
export const hostTrainArgs = (
  folders: StageFolders & { readonly prepared: string; readonly seed: number; readonly device: string; out: string },
): string[] => [
  'host-train',
  '--seed',
  String(folders.seed),
  '--train',
  join(folders.prepared, 'train'),
  ...hostArgs(folders),
];

/** The host of stage 2: queries the program about hidden rows, and writes the predictions into `out`, or scores them. */
export const hostPredictArgs = (
  folders: StageFolders & { readonly prepared: string; split: string; state: string; device: string; out: string },
): string[] => [
  'host-predict',
  '--inputs',
  join(folders.prepared, folders.split),
  '--state',
  folders.state,
  ...hostArgs(folders),
];

const hostArgs = (folders: StageFolders & { readonly prepared: string; device: string; out: string }): string[] => [
  '--manifest',
  join(folders.prepared, 'manifest.json'),
  '--settings',
  folders.settings,
  '--candidate',
  folders.candidate,
  '--out',
  folders.out,
  '--device',
  folders.device,
];

/** The budget in a rung's settings. The Python package validates the rest. */
const budgetSchema = z.looseObject({
  /** Wall-clock and processor seconds of training. */
  seconds: z.number().positive(),
  cpu_seconds: z.number().positive(),
  memory_mb: z.number().positive(),
  /** Wall-clock and processor seconds of one prediction: too few to train in. */
  predict_seconds: z.number().positive(),
});
export type TrialBudget = z.infer<typeof budgetSchema>;

const settingsSchema = z.looseObject({ family: z.string(), budget: budgetSchema });

/** @throws TerminalError `settings` naming what is missing. */
export function budgetOf(settings: unknown): TrialBudget {
  const parsed = settingsSchema.safeParse(settings);
  if (parsed.success) return parsed.data.budget;
  throw new TerminalError(
    'settings',
    `invalid program settings: ${formatZodError(parsed.error, settingsSchema).join('; ')}`,
  );
}

/** The runner of these settings. @throws TerminalError `settings`. */
export function familyOf(settings: unknown): string {
  budgetOf(settings);
  return settingsSchema.parse(settings).family;
}

const ourPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_design', 'aira_workers'],
  module: 'aira_design',
  hosted: ['lra'],
  scripts: ['autoresearch'],
};

/** The same steps for third-party tasks, whose own scripts prepare and score. */
const taskPackage: DesignPackage = {
  folder: trainersDirectory,
  packages: ['aira_tasks'],
  module: 'aira_tasks',
  byOthers: true,
};

/** The package that runs programs with these settings. */
export const packageFor = (settings: unknown): DesignPackage =>
  familyOf(settings) === 'airs' ? taskPackage : ourPackage;

/** Where data come from on this machine. */
export interface PrepareTaskDeps {
  /** The interpreter, absolute. */
  readonly python: string;
  /** Folder of imported data, or null. */
  readonly data: string | null;
  readonly env?: Environment | undefined;
  /** Runs third-party task scripts. */
  readonly sandbox: Sandbox;
}

/** Which data to prepare. */
export interface PrepareTaskOptions {
  readonly evaluator: string;
  readonly settings: unknown;
  readonly seed: number;
  readonly design?: DesignPackage | undefined;
}

/**
 * The data of a task's rung and seed; prepared unless they exist. A launch calls this before anything is recorded, so that
 * missing data are reported to the user and not charged to candidates.
 *
 * @throws PrerequisiteError `design-data` for invalid settings or data; AiraError if the package fails.
 */
export async function prepareTask(deps: PrepareTaskDeps, options: PrepareTaskOptions): Promise<Prepared> {
  const { python, data, sandbox, env = process.env } = deps;
  const { evaluator, settings, seed, design = packageFor(settings) } = options;
  const places = { secret: secretFile(env), cacheDirectory: preparedFolder(env) };
  return prepared({ python, design, evaluator, data, seed, settings: settings as Json, sandbox, ...places });
}
