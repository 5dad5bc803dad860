/** How the verbs of `gpu-workers/aira_design` are called: what each zone sees and is asked, and the hosts beside them. */

import { join } from 'node:path';
import * as z from 'zod';
import type { Json } from '../../domain/canonical.ts';
import { TerminalError } from '../../domain/errors.ts';
import { formatZodError } from '../../domain/explain.ts';
import { type Environment, preparedFolder, secretFile, trainersDirectory } from '../../platform/index.ts';
import { box, outputFolder, type ReadOnlyMount, type Sandbox } from '../../sandbox/index.ts';
import { type DesignPackage, pythonStart } from '../../tasks/index.ts';
import { type Prepared, prepared } from './preparation.ts';

const library = `${box}/lib`;
const settings = `${box}/settings.json`;
const candidate = `${box}/candidate`;

export interface ZoneFolders {
  readonly settings: string;
  readonly candidate: string;
}

export interface Zone {
  readonly argv: readonly [string, ...string[]];
  readonly readOnly: readonly ReadOnlyMount[];
}

function zone(
  python: string,
  design: DesignPackage,
  given: ZoneFolders,
  own: readonly ReadOnlyMount[],
  args: string[],
): Zone {
  return {
    argv: [
      python,
      ...pythonStart(library, design.module),
      ...args,
      ...['--settings', settings, '--candidate', candidate, '--out', outputFolder],
    ],
    readOnly: [
      ...design.packages.map((name) => ({ source: join(design.folder, name), target: `${library}/${name}` })),
      { source: given.settings, target: settings },
      { source: given.candidate, target: candidate },
      ...own,
    ],
  };
}

/** Zone 1: sees the train split, leaves a state. */
export function trainZone(
  python: string,
  design: DesignPackage,
  given: ZoneFolders & { readonly train: string; readonly seed: number; readonly device: string },
): Zone {
  const train = `${box}/train`;
  const args = ['train', '--seed', String(given.seed), '--train', train, '--device', given.device];
  return zone(python, design, given, [{ source: given.train, target: train }], args);
}

/** Zone 2: sees inputs and the state, leaves predictions. */
export function predictZone(
  python: string,
  design: DesignPackage,
  given: ZoneFolders & { readonly inputs: string; readonly state: string; readonly device: string },
): Zone {
  const [inputs, state] = [`${box}/inputs`, `${box}/state`];
  const mounts = [
    { source: given.inputs, target: inputs },
    { source: given.state, target: state },
  ];
  return zone(python, design, given, mounts, [
    'predict',
    '--inputs',
    inputs,
    '--state',
    state,
    '--device',
    given.device,
  ]);
}

/** Both zones of a hosted family: sees the candidate's files, and what its host sends. */
export const hostedZone = (
  python: string,
  design: DesignPackage,
  given: ZoneFolders & { readonly device: string },
): Zone => zone(python, design, given, [], ['mixers', '--device', given.device]);

/** Zone 1 of a script: sees its own files, and the batches that its host serves. */
export const scriptTrainZone = (
  python: string,
  design: DesignPackage,
  given: ZoneFolders & { readonly seed: number; readonly device: string },
): Zone => zone(python, design, given, [], ['train', '--seed', String(given.seed), '--device', given.device]);

/** Zone 2 of a script: sees its own files, the state, and what its host shows of hidden rows. */
export function scriptPredictZone(
  python: string,
  design: DesignPackage,
  given: ZoneFolders & { readonly state: string; readonly device: string },
): Zone {
  const state = `${box}/state`;
  const args = ['predict', '--state', state, '--device', given.device];
  return zone(python, design, given, [{ source: given.state, target: state }], args);
}

/** The host of zone 1: trains around the program, and writes the state into `out`; or serves a script. */
export const hostTrainArgs = (
  given: ZoneFolders & { readonly prepared: string; readonly seed: number; readonly device: string; out: string },
): string[] => [
  ...['host-train', '--seed', String(given.seed), '--train', join(given.prepared, 'train')],
  ...hostArgs(given),
];

/** The host of zone 2: asks the program about hidden rows, and writes the predictions into `out`, or scores them. */
export const hostPredictArgs = (
  given: ZoneFolders & { readonly prepared: string; split: string; state: string; device: string; out: string },
): string[] => [
  ...['host-predict', '--inputs', join(given.prepared, given.split), '--state', given.state],
  ...hostArgs(given),
];

const hostArgs = (given: ZoneFolders & { readonly prepared: string; device: string; out: string }): string[] => [
  ...['--manifest', join(given.prepared, 'manifest.json'), '--settings', given.settings],
  ...['--candidate', given.candidate, '--out', given.out, '--device', given.device],
];

/** What a rung's settings say to the host. The rest is the Python package's, which refuses what it does not know. */
const budgetSchema = z.looseObject({
  /** Wall-clock and processor seconds of training. */
  seconds: z.number().positive(),
  cpu_seconds: z.number().positive(),
  memory_mb: z.number().positive(),
  /** Wall-clock and processor seconds of one prediction: too few to learn anything in. */
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
    `these settings run no program: ${formatZodError(parsed.error, settingsSchema).join('; ')}`,
  );
}

/** Which runner these settings are for. @throws TerminalError `settings`. */
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

/** The same steps for tasks by others, whose own scripts prepare and score. */
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
export interface DataSource {
  /** The interpreter, absolute. */
  readonly python: string;
  /** Imported data; null where there are none. */
  readonly data: string | null;
  readonly env?: Environment | undefined;
  /** Where scripts of tasks by others run. */
  readonly sandbox: Sandbox;
}

/** Which data are meant. */
export interface DataRequest {
  readonly evaluator: string;
  readonly settings: unknown;
  readonly seed: number;
  readonly design?: DesignPackage | undefined;
}

/**
 * The data of a task's rung and seed, prepared unless they are there. A launch does this before anything is recorded, so that
 * missing data are told to the person who launches and not charged to candidates.
 *
 * @throws PrerequisiteError `design-data` when settings or data are wrong; AiraError when the package fails.
 */
export async function prepareTask(source: DataSource, order: DataRequest): Promise<Prepared> {
  const { python, data, sandbox, env = process.env } = source;
  const { evaluator, settings, seed, design = packageFor(settings) } = order;
  const places = { secret: secretFile(env), keep: preparedFolder(env) };
  return prepared({ python, design, evaluator, data, seed, settings: settings as Json, sandbox, ...places });
}
