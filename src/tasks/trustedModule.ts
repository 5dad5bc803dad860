/** Runs a verb of a Python package of ours: outside the sandbox, or inside where it runs scripts of others. */

import { TerminalError } from '../domain/errors.ts';
import { exec } from '../platform/index.ts';
import type { Sandbox, SandboxEnd } from '../sandbox/index.ts';
import { runTaskScript } from './taskScripts.ts';

/** `-I` leaves out PYTHONPATH, the working directory and the user's packages; the library's folder is named instead. */
export const pythonStart = (library: string, module: string): string[] => [
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

/** The end of a trusted verb. */
export interface ModuleEnd {
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
export function runTrustedModule(
  python: string,
  design: DesignPackage,
  args: readonly string[],
  { seconds, signal, sandbox, memoryBytes, env: further, onOutput }: TrustedOptions,
): Promise<ModuleEnd> {
  const cancellable = signal ? { signal } : {};
  const call = [...pythonStart(design.folder, design.module), ...args];
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
