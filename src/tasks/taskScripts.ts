/**
 * Runs scripts of tasks by others: in the sandbox and with limits, like programs, since a task directory is brought by whoever
 * found it, and its scorer reads what a program wrote.
 *
 * Role: which paths a script sees, what it may take. Non-role: what it says.
 *
 *   T1  It sees Python, its task's directory, and the paths that its arguments name, under the names that they have outside.
 *   T2  It writes into the folders that follow the flags of `writing`, the folder where it starts if it is given one, and a
 *       temporary folder of its own; into nothing else. What it leaves is plain files and folders.
 *   T3  It never sees the secret of the hidden rows; in its place it gets one that is drawn from it.
 *   T4  It has no network and no keys, and memory, time, processes and what it writes are limited.
 */

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, isAbsolute, join, relative } from 'node:path';
import * as z from 'zod';
import type { ExecEnd } from '../platform/index.ts';
import { box, type Sandbox, type SandboxEnd } from '../sandbox/index.ts';

export interface ScriptOptions {
  /** Python and its arguments. */
  readonly argv: readonly [python: string, ...args: string[]];
  /** Where it starts, and may write; a temporary folder otherwise. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What it sees beside what its arguments name, where it exists. */
  readonly reads?: readonly string[];
  readonly seconds: number;
  readonly memoryBytes: number;
  readonly signal?: AbortSignal;
}

export interface ScriptEnd extends ExecEnd {
  readonly end: SandboxEnd;
}

/** Flags of prepare.py and its like, and of `aira_tasks`, that name a folder to write into. */
const writing = ['--out', '--agent-data-mount-dir', '--output-directory'];
/** That of them which a verb makes itself. */
const made = '--out';
const secretFlag = '--secret';
const settingsFlag = '--settings';

/** Prepared data are copies of what was imported, some of them twice. */
const mostWritten = 64 * 2 ** 30;
const mostProcesses = 256;
const temporary = `${box}/tmp`;

/** What a script may take where nothing says how much: most of the machine, since it runs beside nothing of its own kind. */
export const scriptMemoryBytes = (): number => Math.floor(totalmem() * 0.75);

/** Runs a script to its end. @throws all that `Sandbox.run` throws. */
export async function runTaskScript(sandbox: Sandbox, order: ScriptOptions): Promise<ScriptEnd> {
  const work = mkdtempSync(join(tmpdir(), 'aira-script-'));
  try {
    const [out, scratch] = [join(work, 'out'), join(work, 'tmp')];
    for (const folder of [out, scratch]) mkdirSync(folder);
    const argv = withDrawnSecret(order.argv, work);
    const { reads, writes } = shownPaths(argv, order);
    const { end, exitCode, stdout, stderr, strange } = await sandbox.run(
      {
        argv,
        readOnly: reads.map((path) => ({ source: path, target: path })),
        writable: [
          ...writes.map((path) => ({ source: path, target: path, maxBytes: mostWritten })),
          { source: scratch, target: temporary, maxBytes: mostWritten },
        ],
        directory: order.cwd ?? temporary,
        output: { directory: out, maxBytes: 2 ** 20, maxFiles: 1 },
        env: { ...order.env, HOME: temporary, TMPDIR: temporary, HF_DATASETS_OFFLINE: '1' },
        limits: {
          seconds: order.seconds,
          cpuSeconds: order.seconds * cpus().length,
          memoryBytes: order.memoryBytes,
          processes: mostProcesses,
        },
      },
      order.signal,
    );
    const odd = strange.find(({ kind }) => kind === 'link' || kind === 'linked');
    if (end === 'exited' && exitCode === 0 && odd && writes.length > 0) {
      return { end, code: null, stdout, stderr: `it left ${odd.path}, which is a link; files are copied, not linked` };
    }
    return { end, code: exitCode, stdout, stderr: end === 'exited' ? stderr : `it ${reasons(order)[end]}` };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

const reasons = ({ seconds, memoryBytes }: ScriptOptions): Readonly<Record<Exclude<SandboxEnd, 'exited'>, string>> => ({
  timeout: `did not end within ${seconds} s`,
  oom: `took more than ${Math.round(memoryBytes / 2 ** 20)} MB of memory`,
  flooded: 'wrote more text than is read',
  full: `wrote more than ${mostWritten / 2 ** 30} GB`,
  cancelled: 'was cancelled',
});

/** The paths that a script needs, outermost only (T1, T2). */
function shownPaths(
  argv: readonly string[],
  { cwd, reads: further = [] }: ScriptOptions,
): { reads: string[]; writes: string[] } {
  const reads = further.filter((path) => existsSync(path));
  const writes = cwd === undefined ? [] : [cwd];
  for (const [index, argument] of argv.entries()) {
    const flag = argv[index - 1] ?? '';
    if (index === 0 || !isAbsolute(argument)) continue;
    if (flag === made) mkdirSync(argument, { recursive: true });
    if (!existsSync(argument)) continue;
    if (writing.includes(flag)) writes.push(argument);
    // A script needs what lies beside it.
    else reads.push(argument.endsWith('.py') ? dirname(argument) : argument);
    if (flag === settingsFlag) reads.push(...taskDirectory(argument));
  }
  const outer = outermost(writes);
  return { reads: outermost(reads).filter((path) => !outer.some((folder) => isInside(path, folder))), writes: outer };
}

const isInside = (path: string, folder: string): boolean => {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !isAbsolute(way));
};

const outermost = (paths: readonly string[]): string[] => {
  const unique = [...new Set(paths)];
  return unique.filter((path) => !unique.some((other) => other !== path && isInside(path, other)));
};

const settingsSchema = z.looseObject({ task: z.string() });

/** The directory of the task that settings are for. */
function taskDirectory(settings: string): string[] {
  const found = settingsSchema.safeParse(JSON.parse(readFileSync(settings, 'utf8')));
  return found.success && existsSync(found.data.task) ? [found.data.task] : [];
}

/** The arguments with another secret in place of the laboratory's (T3). */
function withDrawnSecret(argv: ScriptOptions['argv'], work: string): ScriptOptions['argv'] {
  const [python, ...args] = argv;
  const at = args.indexOf(secretFlag);
  const path = args[at + 1];
  if (at < 0 || path === undefined || !existsSync(path)) return argv;
  const drawn = join(work, 'secret');
  writeFileSync(drawn, createHash('sha256').update('task scripts\0').update(readFileSync(path)).digest());
  return [python, ...args.slice(0, at + 1), drawn, ...args.slice(at + 2)];
}
