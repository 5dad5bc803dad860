/** How the verbs of `gpu-workers/aira_design` are called: the trusted ones here, the others in a sandbox. */
import { join } from 'node:path';
import { TerminalError } from '../../domain/errors.ts';
import { exec } from '../../platform/childProcess.ts';
import { box, outputFolder, type ReadOnlyMount, type Sandbox, type SandboxEnd } from '../../sandbox/index.ts';
import { runTaskScript } from '../taskScripts.ts';

/** `-I` leaves out PYTHONPATH, the working directory and the user's packages; the library's folder is named instead. */
const start = (library: string, module: string): string[] => [
  '-I',
  '-c',
  'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)',
  library,
  module,
];

/** The package that trains, asks and scores; tests have one of their own. */
export interface DesignPackage {
  /** The folder that holds the packages, and which of them are needed inside the sandbox. */
  readonly folder: string;
  readonly packages: readonly string[];
  readonly module: string;
  /** It runs scripts of others: its trusted verbs run in the sandbox too. */
  readonly byOthers?: true;
  /** Families whose data, loops and files are a trusted process's, which talks to the program (`hosted.ts`). */
  readonly hosted?: readonly string[];
  /** Families of scripts that train and predict by themselves: a trusted process serves batches and asks (`hosted.ts`). */
  readonly scripts?: readonly string[];
}

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
      ...start(library, design.module),
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

/** The end of a trusted verb. */
export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** How the sandbox ended it, where it ran in one. */
  readonly end?: SandboxEnd;
}

export interface TrustedOptions {
  readonly seconds: number;
  readonly signal?: AbortSignal;
  /** For packages that run scripts of others. */
  readonly sandbox?: Sandbox;
  readonly memoryBytes?: number;
  /** Beside what every trusted verb gets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each piece of its output, while it runs. */
  readonly onOutput?: (text: string) => void;
}

const longestText = 2 ** 22;

/** Runs a trusted verb with an environment of nothing but what it needs (I7). @throws SandboxStartError. */
export function runTrusted(
  python: string,
  design: DesignPackage,
  args: readonly string[],
  { seconds, signal, sandbox, memoryBytes, env: further, onOutput }: TrustedOptions,
): Promise<Said> {
  const cancellable = signal ? { signal } : {};
  const call = [...start(design.folder, design.module), ...args];
  if (design.byOthers) {
    if (!sandbox || memoryBytes === undefined) throw new TerminalError('sandbox', 'scripts of others need a sandbox');
    return runTaskScript(sandbox, { argv: [python, ...call], seconds, memoryBytes, ...cancellable });
  }
  const env = {
    PATH: '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    OMP_NUM_THREADS: '1',
    OPENBLAS_NUM_THREADS: '1',
    PYTHONHASHSEED: '0',
    ...further,
  };
  const heard = onOutput ? { onOutput } : {};
  const limits = { timeoutMs: seconds * 1000, maxBytes: longestText };
  return exec(python, call, { cwd: '/', env, ...limits, ...cancellable, ...heard });
}
