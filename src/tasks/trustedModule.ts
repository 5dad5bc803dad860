/** Runs a command of one of Aira's Python packages: outside the sandbox, or inside it if it runs third-party scripts. */

import { TerminalError } from '../domain/errors.ts';
import { exec } from '../platform/index.ts';
import type { Sandbox, SandboxEnd } from '../sandbox/index.ts';
import { runTaskScript } from './taskScripts.ts';

/** `-I` ignores PYTHONPATH, the working directory and the user's packages; the library's folder is passed instead. */
export const pythonStart = (library: string, module: string): string[] => [
  '-I',
  '-c',
  'import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)',
  library,
  module,
];

/** The package that trains, predicts and scores; tests have their own. */
export interface DesignPackage {
  /** The folder of the packages, and the packages that the sandbox needs. */
  readonly folder: string;
  readonly packages: readonly string[];
  readonly module: string;
  /** It runs third-party scripts: its trusted commands run in the sandbox as well. */
  readonly byOthers?: true;
  /** Families whose data, loops and files stay in a trusted process, which drives the program (`hosted.ts`). */
  readonly hosted?: readonly string[];
  /** Families of scripts that train and predict by themselves: a trusted process serves batches and asks (`hosted.ts`). */
  readonly scripts?: readonly string[];
}

/** The end of a trusted command. */
export interface ModuleEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The sandbox's outcome, if it ran in one. */
  readonly end?: SandboxEnd;
}

export interface TrustedOptions {
  readonly seconds: number;
  readonly signal?: AbortSignal;
  /** For packages that run third-party scripts. */
  readonly sandbox?: Sandbox;
  readonly memoryBytes?: number;
  /** In addition to the default environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each chunk of output while it runs. */
  readonly onOutput?: (text: string) => void;
}

const longestText = 2 ** 22;

/** Runs a trusted command with a minimal environment (I7). @throws SandboxStartError. */
export function runTrustedModule(
  python: string,
  design: DesignPackage,
  args: readonly string[],
  { seconds, signal, sandbox, memoryBytes, env: further, onOutput }: TrustedOptions,
): Promise<ModuleEnd> {
  const cancellable = signal ? { signal } : {};
  const call = [...pythonStart(design.folder, design.module), ...args];
  if (design.byOthers) {
    if (!sandbox || memoryBytes === undefined) throw new TerminalError('sandbox', 'third-party scripts need a sandbox');
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
  const output = onOutput ? { onOutput } : {};
  const limits = { timeoutMs: Math.ceil(seconds * 1000), maxBytes: longestText };
  return exec(python, call, { cwd: '/', env, ...limits, ...cancellable, ...output });
}
