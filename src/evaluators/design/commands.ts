/** How the verbs of `gpu-workers/aira_design` are called: the trusted ones here, the others in a sandbox. */
import { join } from 'node:path';
import { exec } from '../../platform/childProcess.ts';
import { box, outputFolder, type ReadOnlyMount, type Sandbox, type SandboxEnd } from '../sandbox/index.ts';
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
  /** For scripts of others. */
  readonly sandbox: Sandbox;
  readonly memoryBytes: number;
}

const longestText = 2 ** 22;

/** Runs a trusted verb with an environment of nothing but what it needs (I7). @throws SandboxStartError. */
export function runTrusted(
  python: string,
  design: DesignPackage,
  args: readonly string[],
  { seconds, signal, sandbox, memoryBytes }: TrustedOptions,
): Promise<Said> {
  const cancellable = signal ? { signal } : {};
  const call = [...start(design.folder, design.module), ...args];
  if (design.byOthers) {
    return runTaskScript(sandbox, { argv: [python, ...call], seconds, memoryBytes, ...cancellable });
  }
  const env = {
    PATH: '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    OMP_NUM_THREADS: '1',
    OPENBLAS_NUM_THREADS: '1',
    PYTHONHASHSEED: '0',
  };
  return exec(python, call, { cwd: '/', env, timeoutMs: seconds * 1000, maxBytes: longestText, ...cancellable });
}
