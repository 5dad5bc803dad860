import { join } from 'node:path';
import { box, outputFolder, type ReadOnlyMount } from '../../sandbox/index.ts';
import { type DesignPackage, pythonStart } from '../../tasks/index.ts';

/** Arguments and mounts for the commands of `gpu-workers/aira_design`, per sandbox stage and for their hosts. */

const library = `${box}/lib`;
const settings = `${box}/settings.json`;
const candidate = `${box}/candidate`;

interface StageFolders {
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
