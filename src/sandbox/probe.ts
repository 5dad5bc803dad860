/**
 * Whether this machine can run code that nobody vouches for, and how. Asked once, when a worker starts: by running the
 * sandbox on a program of ours that tries its doors, since a version number says nothing about what a container permits.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, PrerequisiteError } from '../domain/errors.ts';
import { allOnPath, type Environment, trainersDirectory } from '../platform/index.ts';
import { type CgroupPlace, findCgroups, sweepCgroups } from './cgroups.ts';
import { Sandbox } from './sandbox.ts';
import { outputFolder } from './spec.ts';
import { type SandboxCapability, systemRoot, wholeRoot } from './systemRoot.ts';

export interface ProbeOptions {
  readonly python: string;
  readonly env?: Environment;
  /** Run without a sandbox. */
  readonly unsafe?: boolean;
  /** For tests: look no further than this. */
  readonly groups?: CgroupPlace | null;
  readonly bwrap?: string | null;
  readonly uid?: number;
}

const launcher = join(trainersDirectory, 'aira_sandbox', 'launcher.py');
const doors = join(trainersDirectory, 'aira_sandbox', 'doors.py');

const remedy =
  'install bubblewrap and permit user namespaces, or pass --unsafe to run untrusted code with your own rights';
/** Of doors.py: all doors are closed, but Python lacks inside what it has outside. */
const lacksModules = 3;
const modulesRemedy =
  'install the packages as files rather than links (uv: --link-mode copy), or name another Python in AIRA_PYTHON';
const unavailable = (problem: string, cause?: unknown, how = remedy) =>
  new PrerequisiteError('sandbox', `this machine cannot run untrusted code in a sandbox: ${problem}`, how, { cause });

/** Whatever is in the root of a program by itself, beside what was chosen. */
const ownEntries = ['/proc', '/dev', outputFolder];

const megabyte = 2 ** 20;

/** @throws PrerequisiteError `sandbox` with why not, where it cannot be done and `unsafe` was not asked for. */
export async function probeSandbox(options: ProbeOptions): Promise<SandboxCapability> {
  const { python, env = process.env, unsafe = false, uid = process.getuid?.() ?? -1 } = options;
  if (process.platform !== 'linux') throw unavailable(`it needs Linux, and this is ${process.platform}`);
  const prlimit = allOnPath('prlimit', { PATH: '/usr/bin:/bin' })[0];
  if (prlimit === undefined) throw unavailable('prlimit (util-linux) is not installed');
  const groups = options.groups === undefined ? findCgroups() : options.groups;
  if (groups) sweepCgroups(groups, isAlive);
  const common = { python, launcher, prlimit, groups };
  if (unsafe) {
    return { ...common, mode: 'unsafe', identity: 'own', bwrap: '', root: wholeRoot };
  }
  const bwrap = options.bwrap === undefined ? findBwrap(env) : options.bwrap;
  if (bwrap === null) throw unavailable('bubblewrap is not installed');
  const root = await systemRoot(python, env).catch((thrown: unknown) => {
    const own = thrown instanceof PrerequisiteError ? thrown.remedy : remedy;
    throw unavailable(errorMessage(thrown), thrown, own);
  });
  const problems: Problem[] = [];
  for (const identity of uid === 0 ? (['dedicated', 'own'] as const) : (['own'] as const)) {
    const capability: SandboxCapability = { ...common, mode: 'sandboxed', identity, bwrap, root };
    const problem = await tryDoors(capability);
    if (problem === null) return capability;
    problems.push(problem);
  }
  const own = problems.find((problem) => problem.remedy !== remedy);
  throw unavailable([...new Set(problems.map(({ text }) => text))].join('; '), undefined, own?.remedy);
}

/** A sandbox of this machine. @throws PrerequisiteError as `probeSandbox`. */
export async function openSandbox(options: ProbeOptions): Promise<Sandbox> {
  return new Sandbox({ capability: await probeSandbox(options) });
}

function findBwrap(env: Environment): string | null {
  return allOnPath('bwrap', env)[0] ?? allOnPath('bwrap', { PATH: '/usr/bin:/usr/local/bin' })[0] ?? null;
}

interface Problem {
  readonly text: string;
  readonly remedy: string;
}

/** Null where every door is closed; else what is wrong. */
async function tryDoors(capability: SandboxCapability): Promise<Problem | null> {
  const directory = mkdtempSync(join(tmpdir(), 'aira-probe-'));
  try {
    const sandbox = new Sandbox({ capability });
    const { binds, links, interpreter } = capability.root;
    const linked = [...links, ...interpreter.links].map(([, path]) => path);
    const shown = JSON.stringify([...ownEntries, ...binds, ...interpreter.binds, ...linked]);
    const { end, exitCode, files, stderr } = await sandbox.run({
      argv: [capability.python, '-I', '-c', readFileSync(doors, 'utf8'), shown, ...interpreter.modules],
      readOnly: [],
      output: { directory, maxBytes: megabyte, maxFiles: 4 },
      limits: { seconds: 20, memoryBytes: 256 * megabyte, processes: 16, scratchBytes: megabyte },
    });
    if (end === 'exited' && exitCode === 0 && files.length === 1) return null;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    if (end === 'exited' && exitCode === lacksModules) return { text: last, remedy: modulesRemedy };
    const how = `a trial of it ended with ${end === 'exited' ? `code ${exitCode}` : end}`;
    return { text: `${how}${last === '' ? '' : ` (${last})`}`, remedy };
  } catch (thrown) {
    return { text: errorMessage(thrown).replace('the sandbox could not be started: ', ''), remedy };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
