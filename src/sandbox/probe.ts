/**
 * Whether and how this machine can run untrusted code. Probed once, when a worker starts, by running a test program in the
 * sandbox that tries to escape: a version number says nothing about what a container permits.
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
  /** For tests: use these instead of searching. */
  readonly groups?: CgroupPlace | null;
  readonly bwrap?: string | null;
  readonly uid?: number;
}

const launcher = join(trainersDirectory, 'aira_sandbox', 'launcher.py');
const escapeTest = join(trainersDirectory, 'aira_sandbox', 'doors.py');

const remedy =
  'install bubblewrap and permit user namespaces, or pass --unsafe to run untrusted code with your own rights';
/** Exit code of doors.py: no escape found, but Python lacks modules inside that it has outside. */
const lacksModules = 3;
const modulesRemedy =
  'install the packages as files rather than links (uv: --link-mode copy), or set AIRA_PYTHON to another Python';
const unavailable = (problem: string, cause?: unknown, how = remedy) =>
  new PrerequisiteError('sandbox', `this machine cannot run untrusted code in a sandbox: ${problem}`, how, { cause });

/** Entries that the root of every program has, in addition to the chosen ones. */
const ownEntries = ['/proc', '/dev', outputFolder];

const megabyte = 2 ** 20;

/** @throws PrerequisiteError `sandbox` with the reason if no sandbox works and `unsafe` is not set. */
export async function probeSandbox(options: ProbeOptions): Promise<SandboxCapability> {
  const { python, env = process.env, unsafe = false, uid = process.getuid?.() ?? -1 } = options;
  if (process.platform !== 'linux') throw unavailable(`it needs Linux, not ${process.platform}`);
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
    const problem = await testEscapes(capability);
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

/** Null if every escape fails; else the problem. */
async function testEscapes(capability: SandboxCapability): Promise<Problem | null> {
  const directory = mkdtempSync(join(tmpdir(), 'aira-probe-'));
  try {
    const sandbox = new Sandbox({ capability });
    const { binds, links, interpreter } = capability.root;
    const linked = [...links, ...interpreter.links].map(([, path]) => path);
    const shown = JSON.stringify([...ownEntries, ...binds, ...interpreter.binds, ...linked]);
    const { end, exitCode, files, stderr } = await sandbox.run({
      argv: [capability.python, '-I', '-c', readFileSync(escapeTest, 'utf8'), shown, ...interpreter.modules],
      readOnly: [],
      output: { directory, maxBytes: megabyte, maxFiles: 4 },
      limits: { seconds: 20, memoryBytes: 256 * megabyte, processes: 16, scratchBytes: megabyte },
    });
    if (end === 'exited' && exitCode === 0 && files.length === 1) return null;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    if (end === 'exited' && exitCode === lacksModules) return { text: last, remedy: modulesRemedy };
    const how = `its test run ended with ${end === 'exited' ? `code ${exitCode}` : end}`;
    return { text: `${how}${last === '' ? '' : ` (${last})`}`, remedy };
  } catch (thrown) {
    return { text: errorMessage(thrown).replace('failed to start the sandbox: ', ''), remedy };
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
