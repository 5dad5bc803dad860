/**
 * Runs untrusted programs, one per call, and returns how each ended and what it left; tests whether and how this machine can.
 *
 * Role: the launcher's input, the deadline, the limits of the control group, reading streams and files. The machine is probed
 * once, when a worker starts, by running a test program in the sandbox that tries to escape: a version number says nothing
 * about what a container permits. Non-role: the purpose of the program, the meaning of its output.
 *
 * SBX-1. `run` resolves when no process of the program is left, however it ended. The host owns the clock and the kill.
 * SBX-2. The program's text is stored up to a bound and never parsed for results; beyond a further bound the program is killed.
 * SBX-3. Files are in the output directory only if the program exited by itself; they are copied after its end.
 * SBX-4. The launcher and everything below it end with this process, however this process ends (L4 of launcher.py).
 * SBX-5. Nothing of this process's environment reaches the launcher or the program (I7).
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AiraError, errorMessage, PrerequisiteError, RetryableError } from '../domain/errors.ts';
import {
  allOnPath,
  type Clock,
  type Environment,
  systemClock,
  systemTimers,
  type Timers,
  trainersDirectory,
} from '../platform/index.ts';
import { Cgroup, type CgroupPlace, findCgroups, sweepCgroups } from './cgroups.ts';
import { LauncherRun, makePlain } from './launcher.ts';
import { type LaunchSpec, sandboxLaunchSpec, unsafeLaunchSpec } from './launchSpec.ts';
import {
  type Defences,
  everyDefence,
  outputFolder,
  type SandboxEnd,
  type SandboxResult,
  type SandboxSpec,
} from './spec.ts';
import { type SandboxCapability, systemRoot, wholeRoot } from './systemRoot.ts';

/** Thrown if a program failed to start although the sandbox works on this machine. Worth a retry. */
export class SandboxStartError extends RetryableError {
  constructor(message: string) {
    super('sandbox-start', `failed to start the sandbox: ${message}`, 2000);
  }
}

export interface SandboxOptions {
  readonly capability: SandboxCapability;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** From the request to end to SIGKILL of the launcher and its group. */
  readonly graceMs?: number;
  /** For the attack suite; see `defences` of spec.ts. */
  readonly defences?: Defences;
  /** Command that starts the launcher, for the attack suite; default: Python. */
  readonly launcher?: readonly [string, ...string[]];
}

/** Not below TMPDIR, which may be in a folder that only its owner can enter. */
const stages = '/tmp/aira-stage-';

/** Numbers groups; together with the process id their names are unique on the machine. */
let groups = 0;

export class Sandbox {
  readonly #options: Required<SandboxOptions>;

  constructor(options: SandboxOptions) {
    const { python, launcher } = options.capability;
    this.#options = {
      clock: systemClock,
      timers: systemTimers,
      graceMs: 5000,
      defences: everyDefence,
      launcher: [python, '-I', '-S', '-B', launcher],
      ...options,
    };
  }

  get capability(): SandboxCapability {
    return this.#options.capability;
  }

  /**
   * Runs the program to its end.
   *
   * @throws SandboxStartError if it failed to start; LauncherProtocolError; RetryableError `cgroup`.
   */
  async run(spec: SandboxSpec, signal?: AbortSignal): Promise<SandboxResult> {
    const { capability, defences } = this.#options;
    const group = this.#createGroup(spec);
    const work = mkdtempSync(stages);
    try {
      if (capability.mode === 'sandboxed') chmodSync(work, 0o755);
      const launch =
        capability.mode === 'unsafe'
          ? unsafeLaunchSpec(spec, work, capability, group)
          : sandboxLaunchSpec(spec, work, capability, group, defences);
      return await this.#supervise(spec, launch, group, signal);
    } finally {
      rmSync(work, { recursive: true, force: true });
      group?.kill();
      await this.#removeGroup(group);
    }
  }

  #createGroup({ limits }: SandboxSpec): Cgroup | null {
    const { capability, defences } = this.#options;
    if (capability.groups === null) return null;
    groups += 1;
    return new Cgroup(capability.groups, `${process.pid}-${groups}`, {
      ...(defences.has('memory') ? { memoryBytes: limits.memoryBytes } : {}),
      ...(defences.has('processes') ? { processes: limits.processes } : {}),
      ...(limits.cores === undefined ? {} : { cores: limits.cores }),
    });
  }

  /** The kernel empties a group shortly after its last process was reaped. */
  async #removeGroup(group: Cgroup | null): Promise<void> {
    for (let tries = 0; group && !group.remove() && tries < 100; tries++) {
      await new Promise<void>((resolve) => this.#options.timers.after(10, resolve));
    }
  }

  async #supervise(
    spec: SandboxSpec,
    launch: LaunchSpec,
    group: Cgroup | null,
    signal: AbortSignal | undefined,
  ): Promise<SandboxResult> {
    const run = new LauncherRun(spec, this.#options);
    await run.untilGone(launch, signal).catch((thrown: unknown) => {
      // A launcher that cannot be spawned at all; what is wrong with its reports has a class of its own.
      throw thrown instanceof AiraError ? thrown : new SandboxStartError(errorMessage(thrown));
    });
    return this.#resultOf(spec, run, group);
  }

  #resultOf(spec: SandboxSpec, run: LauncherRun, group: Cgroup | null): SandboxResult {
    const { report, ended, interrupted, stdout, stderr } = run;
    if (report.startFailed !== null) throw new SandboxStartError(report.startFailed);
    const usage = group?.usage() ?? null;
    const rejected = (spec.writable ?? []).flatMap(({ source }) => makePlain(source));
    const starved = (usage?.outOfMemoryKills ?? 0) > 0 && ended?.code !== 0;
    if (interrupted === null && !starved && !ended?.watched && !ended?.full) {
      if (!ended || !report.done) {
        throw new SandboxStartError(`the launcher ended early; ${stderr.lastLines(4, 500)}`);
      }
      if (!ended.ran) throw new SandboxStartError(stderr.lastLines(4, 500) || 'bubblewrap gave no reason');
    }
    const end: SandboxEnd = interrupted ?? (ended?.full ? 'full' : starved || ended?.watched ? 'oom' : 'exited');
    return {
      end,
      exitCode: end === 'exited' && ended ? (ended.code ?? 128 + (ended.signal ?? 0)) : null,
      stdout: stdout.text(),
      stderr: stderr.text(),
      seconds: run.seconds,
      cpuSeconds: usage?.cpuSeconds ?? ended?.cpuSeconds ?? 0,
      peakMemoryBytes: usage?.peakMemoryBytes ?? ended?.peakBytes ?? 0,
      files: end === 'exited' ? report.files : [],
      strange: end === 'exited' ? [...report.strange, ...rejected] : [],
      unsafe: this.capability.mode === 'unsafe',
    };
  }
}

// The probe.

interface ProbeOptions {
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

/** Entries that the root of every program has, in addition to the chosen ones. */
const ownEntries = ['/proc', '/dev', outputFolder];

const megabyte = 2 ** 20;

/** A sandbox of this machine. @throws PrerequisiteError as `probeSandbox`. */
export async function openSandbox(options: ProbeOptions): Promise<Sandbox> {
  return new Sandbox({ capability: await probeSandbox(options) });
}

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

const unavailable = (problem: string, cause?: unknown, how = remedy) =>
  new PrerequisiteError('sandbox', `this machine cannot run untrusted code in a sandbox: ${problem}`, how, { cause });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}
