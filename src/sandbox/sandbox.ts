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

import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { RetryableError } from '../domain/errors.ts';
import { type Clock, deferred, OutputLog, systemClock, systemTimers, type Timers } from '../platform/index.ts';
import { Cgroup } from './cgroups.ts';
import { type LaunchSpec, sandboxLaunchSpec, unsafeLaunchSpec } from './launchSpec.ts';
import { type Ended, makePlain, ReportReader } from './report.ts';
import {
  type Defences,
  defaultFiles,
  defaultLogBytes,
  everyDefence,
  type SandboxEnd,
  type SandboxResult,
  type SandboxSpec,
} from './spec.ts';
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
      const launchSpec =
        capability.mode === 'unsafe'
          ? unsafeLaunchSpec(spec, work, capability, group)
          : sandboxLaunchSpec(spec, work, capability, group, defences);
      return await this.#supervise(spec, launchSpec, group, signal);
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
    launchSpec: LaunchSpec,
    group: Cgroup | null,
    signal: AbortSignal | undefined,
  ): Promise<SandboxResult> {
    const { clock, timers, graceMs, defences, launcher, capability } = this.#options;
    const [program, ...args] = launcher;
    const child = spawn(program, args, {
      cwd: '/',
      env: defences.has('empty-environment') ? {} : process.env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout = new OutputLog();
    const stderr = new OutputLog();
    const closed = deferred<void>();
    let startedAt = clock.monotonic();
    let endedAt: number | null = null;
    let endReport: Ended | null = null;
    let interrupted: Exclude<SandboxEnd, 'exited'> | null = null;
    let failure: Error | null = null;
    const cancellers: (() => void)[] = [];

    const end = (why: Exclude<SandboxEnd, 'exited'> | Error): void => {
      if (interrupted !== null || failure !== null || endReport !== null) return;
      if (why instanceof Error) failure = why;
      else interrupted = why;
      (child.stdin as Writable).end();
      cancellers.push(timers.after(graceMs, () => killGroup(child)));
    };
    const reader = new ReportReader(
      { ...spec.output, maxFiles: spec.output.maxFiles ?? defaultFiles },
      {
        onStarted: () => {
          startedAt = clock.monotonic();
        },
        onEnded: (each) => {
          endReport = each;
          endedAt = clock.monotonic();
        },
      },
    );
    let logged = 0;
    const logBytes = spec.limits.logBytes ?? defaultLogBytes;
    const listen = (stream: Readable, log: OutputLog): void => {
      stream.on('data', (chunk: Buffer) => {
        log.push(chunk);
        logged += chunk.length;
        if (logged > logBytes && defences.has('bounded-log')) end('flooded');
      });
    };
    listen(child.stdout as Readable, stdout);
    listen(child.stderr as Readable, stderr);
    (child.stdio[3] as Readable).on('data', (chunk: Buffer) => {
      try {
        if (failure === null) reader.push(chunk);
      } catch (thrown) {
        failure = thrown as Error;
        killGroup(child);
      }
    });
    for (const stream of child.stdio) stream?.on('error', () => {});
    child.on('error', (error) => {
      failure ??= new SandboxStartError(error.message);
      if (child.pid === undefined) closed.resolve();
    });
    // Processes that outlive the launcher could hold the streams open: kill those in its group, do not wait for others.
    child.on('exit', () => {
      killGroup(child);
      cancellers.push(timers.after(graceMs, () => closed.resolve()));
    });
    child.on('close', () => closed.resolve());
    const cancel = () => end('cancelled');
    if (defences.has('deadline')) cancellers.push(timers.after(spec.limits.seconds * 1000, () => end('timeout')));
    signal?.addEventListener('abort', cancel);
    cancellers.push(() => signal?.removeEventListener('abort', cancel));
    if (signal?.aborted) cancel();
    else (child.stdin as Writable).write(`${JSON.stringify(launchSpec)}\n`);

    await closed.promise;
    for (const each of cancellers) each();
    reader.close();
    for (const stream of child.stdio) stream?.destroy();
    const usage = group?.usage() ?? null;
    const report = endReport as Ended | null;
    const problem = failure as Error | null;
    const interruption = interrupted as Exclude<SandboxEnd, 'exited'> | null;
    if (problem) throw problem;
    if (reader.startFailed !== null) throw new SandboxStartError(reader.startFailed);
    const rejected = (spec.writable ?? []).flatMap(({ source }) => makePlain(source));
    const starved = (usage?.outOfMemoryKills ?? 0) > 0 && report?.code !== 0;
    if (interruption === null && !starved && !report?.watched && !report?.full) {
      if (!report || !reader.done) throw new SandboxStartError(`the launcher ended early; ${stderr.lastLines(4, 500)}`);
      if (!report.ran) throw new SandboxStartError(stderr.lastLines(4, 500) || 'bubblewrap gave no reason');
    }
    const how: SandboxEnd = interruption ?? (report?.full ? 'full' : starved || report?.watched ? 'oom' : 'exited');
    return {
      end: how,
      exitCode: how === 'exited' && report ? (report.code ?? 128 + (report.signal ?? 0)) : null,
      stdout: stdout.text(),
      stderr: stderr.text(),
      seconds: ((endedAt ?? clock.monotonic()) - startedAt) / 1000,
      cpuSeconds: usage?.cpuSeconds ?? report?.cpuSeconds ?? 0,
      peakMemoryBytes: usage?.peakMemoryBytes ?? report?.peakBytes ?? 0,
      files: how === 'exited' ? reader.files : [],
      strange: how === 'exited' ? [...reader.strange, ...rejected] : [],
      unsafe: capability.mode === 'unsafe',
    };
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is empty.
  }
}
