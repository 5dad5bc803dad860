/**
 * Runs untrusted programs, one per call, and returns how each ended and what it left.
 *
 * Role: the launcher's input, the deadline, the limits of the control group, reading streams and files. Non-role: the purpose
 * of the program, the meaning of its output, whether this machine supports it (`probe.ts`).
 *
 * SBX-1. `run` resolves when no process of the program is left, however it ended. The host owns the clock and the kill.
 * SBX-2. The program's text is stored up to a bound and never parsed for results; beyond a further bound the program is killed.
 * SBX-3. Files are in the output directory only if the program exited by itself; they are copied after its end.
 * SBX-4. The launcher and everything below it end with this process, however this process ends (L4 of launcher.py).
 * SBX-5. Nothing of this process's environment reaches the launcher or the program (I7).
 */

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { AiraError, errorMessage, RetryableError } from '../domain/errors.ts';
import { type Clock, systemClock, systemTimers, type Timers } from '../platform/index.ts';
import { Cgroup } from './cgroups.ts';
import { LauncherRun, makePlain } from './launcher.ts';
import { type LaunchSpec, sandboxLaunchSpec, unsafeLaunchSpec } from './launchSpec.ts';
import { type Defences, everyDefence, type SandboxEnd, type SandboxResult, type SandboxSpec } from './spec.ts';
import type { SandboxCapability } from './systemRoot.ts';

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
