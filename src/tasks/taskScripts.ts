/**
 * Runs the Python of tasks: third-party scripts in the sandbox and with limits, like programs, because task directories are
 * untrusted, and a scorer reads what a program wrote; commands of Aira's own packages outside of it, unless they run such scripts.
 *
 * Role: the paths and resources of a script. Non-role: the meaning of its output.
 *
 * SCR-1. It sees Python, its task's directory, and the paths in its arguments, under their names outside the sandbox.
 * SCR-2. It writes only into the folders that follow the flags of `writing`, its working folder if given, and a temporary
 *        folder. It may leave only regular files and folders.
 * SCR-3. It never sees the secret of the hidden rows; it gets one derived from it.
 * SCR-4. It has no network and no keys, and limited memory, time, processes and output.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, isAbsolute, join, relative } from 'node:path';
import * as z from 'zod';
import { TerminalError } from '../domain/errors.ts';
import { type ExecEnd, exec } from '../platform/index.ts';
import { box, type Sandbox, type SandboxEnd } from '../sandbox/index.ts';

export interface ScriptOptions {
  /** Python and its arguments. */
  readonly argv: readonly [python: string, ...args: string[]];
  /** Its working folder, which is writable; default: a temporary folder. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Further readable paths, if they exist. */
  readonly reads?: readonly string[];
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly signal?: AbortSignal;
}

export interface ScriptEnd extends ExecEnd {
  readonly end: SandboxEnd;
}

/** Flags of prepare.py, its siblings and `aira_tasks` that name a folder to write into. */
const writing = ['--out', '--agent-data-mount-dir', '--output-directory'];
/** The one whose folder the command creates itself. */
const createdFolderFlag = '--out';
const secretFlag = '--secret';
const settingsFlag = '--settings';

/** Limit on writes: prepared data are copies of imported data, some of them twice. */
const mostWritten = 64 * 2 ** 30;
const mostProcesses = 256;
const temporary = `${box}/tmp`;

/** Default memory limit of a script: most of the machine, because scripts run one at a time. */
export const scriptMemoryBytes = (): number => Math.floor(totalmem() * 0.75);

/** Runs a script to its end. @throws the errors of `Sandbox.run`. */
export async function runTaskScript(sandbox: Sandbox, options: ScriptOptions): Promise<ScriptEnd> {
  const work = mkdtempSync(join(tmpdir(), 'aira-script-'));
  try {
    const [out, scratch] = [join(work, 'out'), join(work, 'tmp')];
    for (const folder of [out, scratch]) mkdirSync(folder);
    const argv = withDerivedSecret(options.argv, work);
    const { reads, writes } = visiblePaths(argv, options);
    const { end, exitCode, stdout, stderr, strange } = await sandbox.run(
      {
        argv,
        readOnly: reads.map((path) => ({ source: path, target: path })),
        writable: [
          ...writes.map((path) => ({ source: path, target: path, maxBytes: mostWritten })),
          { source: scratch, target: temporary, maxBytes: mostWritten },
        ],
        directory: options.cwd ?? temporary,
        output: { directory: out, maxBytes: 2 ** 20, maxFiles: 1 },
        env: { ...options.env, HOME: temporary, TMPDIR: temporary, HF_DATASETS_OFFLINE: '1' },
        limits: {
          seconds: options.seconds,
          cpuSeconds: options.seconds * cpus().length,
          memoryBytes: options.memoryBytes,
          processes: mostProcesses,
        },
      },
      options.signal,
    );
    const link = strange.find(({ kind }) => kind === 'link' || kind === 'linked');
    if (end === 'exited' && exitCode === 0 && link && writes.length > 0) {
      return { end, code: null, stdout, stderr: `left the link ${link.path}; copy files instead of linking them` };
    }
    return { end, code: exitCode, stdout, stderr: end === 'exited' ? stderr : reasons(options)[end] };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const reasons = ({ seconds, memoryBytes }: ScriptOptions): Readonly<Record<Exclude<SandboxEnd, 'exited'>, string>> => ({
  timeout: `timed out after ${seconds} s`,
  oom: `exceeded ${Math.round(memoryBytes / 2 ** 20)} MB of memory`,
  flooded: 'exceeded the limit of output text',
  full: `wrote more than ${mostWritten / 2 ** 30} GB`,
  cancelled: 'was cancelled',
});

/** The paths that a script needs, outermost only (SCR-1, SCR-2). */
function visiblePaths(
  argv: readonly string[],
  { cwd, reads: further = [] }: ScriptOptions,
): { reads: string[]; writes: string[] } {
  const reads = further.filter((path) => existsSync(path));
  const writes = cwd === undefined ? [] : [cwd];
  for (const [index, argument] of argv.entries()) {
    const flag = argv[index - 1] ?? '';
    if (index === 0 || !isAbsolute(argument)) continue;
    if (flag === createdFolderFlag) mkdirSync(argument, { recursive: true });
    if (!existsSync(argument)) continue;
    if (writing.includes(flag)) writes.push(argument);
    // A script needs the files next to it.
    else reads.push(argument.endsWith('.py') ? dirname(argument) : argument);
    if (flag === settingsFlag) reads.push(...taskDirectory(argument));
  }
  const outer = outermost(writes);
  return { reads: outermost(reads).filter((path) => !outer.some((folder) => isInside(path, folder))), writes: outer };
}

const isInside = (path: string, folder: string): boolean => {
  const relativePath = relative(folder, path);
  return relativePath === '' || (relativePath !== '..' && !relativePath.startsWith('../') && !isAbsolute(relativePath));
};

const outermost = (paths: readonly string[]): string[] => {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isInside(path, other)));
};

const settingsSchema = z.looseObject({ task: z.string() });

/** The task directory in a settings file. */
function taskDirectory(settings: string): string[] {
  const found = settingsSchema.safeParse(JSON.parse(readFileSync(settings, 'utf8')));
  return found.success && existsSync(found.data.task) ? [found.data.task] : [];
}

/** The arguments with a derived secret in place of the lab's (SCR-3). */
function withDerivedSecret(argv: ScriptOptions['argv'], work: string): ScriptOptions['argv'] {
  const [python, ...args] = argv;
  const at = args.indexOf(secretFlag);
  const path = args[at + 1];
  if (at < 0 || path === undefined || !existsSync(path)) return argv;
  const derived = join(work, 'secret');
  writeFileSync(derived, createHash('sha256').update('task scripts\0').update(readFileSync(path)).digest());
  return [python, ...args.slice(0, at + 1), derived, ...args.slice(at + 2)];
}

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
  /** Families whose data, loops and files stay in a trusted process, which drives the program (`evaluators/programs/stage.ts`). */
  readonly hosted?: readonly string[];
  /** Families of scripts that train and predict by themselves: a trusted process serves batches and asks (`evaluators/programs/stage.ts`). */
  readonly scripts?: readonly string[];
}

/** The end of a trusted command. */
interface ModuleEnd {
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
