/**
 * Runs one untrusted program at a time per call, and answers how it ended and what it left.
 *
 * Role: the order to the launcher, the deadline, the limits of the control group, the reading of streams and files. Non-role:
 * what the program is for, what its output means, whether this machine can do it (`probe.ts`).
 *
 *   S1  `run` answers when no process of the program is left, however it ended. The clock and the kill are the host's.
 *   S2  The program's text is kept up to a bound and never read for results; beyond a further bound the program is ended.
 *   S3  Files are in the output directory only where the program ended by itself, and then were copied after its end.
 *   S4  The launcher and everything below it end with this process, however this process ends (L4 of launcher.py).
 *   S5  Nothing of this process's environment reaches the launcher or the program (I7).
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

/** Thrown when a program could not be started, although this machine can as a rule. Worth another try. */
export class SandboxStartError extends RetryableError {
  constructor(message: string) {
    super('sandbox-start', `the sandbox could not be started: ${message}`, 2000);
  }
}

export interface SandboxOptions {
  readonly capability: SandboxCapability;
  readonly clock?: Clock;
  readonly timers?: Timers;
  /** From the order to end to SIGKILL of the launcher and its group. */
  readonly graceMs?: number;
  /** For the attack suite; see `defences.ts`. */
  readonly defences?: Defences;
  /** What starts the launcher, for the attack suite; Python otherwise. */
  readonly launcher?: readonly [string, ...string[]];
}

/** Not below TMPDIR, which may lie where only its owner can enter. */
const stages = '/tmp/aira-stage-';

/** Numbers groups; with the process id in their names they are unique on the machine. */
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
   * @throws SandboxStartError when it could not be started; LauncherProtocolError; RetryableError `cgroup`.
   */
  async run(spec: SandboxSpec, signal?: AbortSignal): Promise<SandboxResult> {
    const { capability, defences } = this.#options;
    const group = this.#makeGroup(spec);
    const work = mkdtempSync(stages);
    try {
      if (capability.mode === 'sandboxed') chmodSync(work, 0o755);
      const order =
        capability.mode === 'unsafe'
          ? unsafeLaunchSpec(spec, work, capability, group)
          : sandboxLaunchSpec(spec, work, capability, group, defences);
      return await this.#supervise(spec, order, group, signal);
    } finally {
      rmSync(work, { recursive: true, force: true });
      group?.kill();
      await this.#removeGroup(group);
    }
  }

  #makeGroup({ limits }: SandboxSpec): Cgroup | null {
    const { capability, defences } = this.#options;
    if (capability.groups === null) return null;
    groups += 1;
    return new Cgroup(capability.groups, `${process.pid}-${groups}`, {
      ...(defences.has('memory') ? { memoryBytes: limits.memoryBytes } : {}),
      ...(defences.has('processes') ? { processes: limits.processes } : {}),
      ...(limits.cores === undefined ? {} : { cores: limits.cores }),
    });
  }

  /** The kernel empties a group a moment after its last process was reaped. */
  async #removeGroup(group: Cgroup | null): Promise<void> {
    for (let tries = 0; group && !group.remove() && tries < 100; tries++) {
      await new Promise<void>((resolve) => this.#options.timers.after(10, resolve));
    }
  }

  async #supervise(
    spec: SandboxSpec,
    order: LaunchSpec,
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
    let ended: Ended | null = null;
    let interrupted: Exclude<SandboxEnd, 'exited'> | null = null;
    let broken: Error | null = null;
    const callOff: (() => void)[] = [];

    const end = (why: Exclude<SandboxEnd, 'exited'> | Error): void => {
      if (interrupted !== null || broken !== null || ended !== null) return;
      if (why instanceof Error) broken = why;
      else interrupted = why;
      (child.stdin as Writable).end();
      callOff.push(timers.after(graceMs, () => killGroup(child)));
    };
    const reader = new ReportReader(
      { ...spec.output, maxFiles: spec.output.maxFiles ?? defaultFiles },
      {
        onStarted: () => {
          startedAt = clock.monotonic();
        },
        onEnded: (each) => {
          ended = each;
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
        if (broken === null) reader.push(chunk);
      } catch (thrown) {
        broken = thrown as Error;
        killGroup(child);
      }
    });
    for (const stream of child.stdio) stream?.on('error', () => {});
    child.on('error', (error) => {
      broken ??= new SandboxStartError(error.message);
      if (child.pid === undefined) closed.resolve();
    });
    // Whoever outlives the launcher would keep the streams open: those in its group are ended, others not waited for.
    child.on('exit', () => {
      killGroup(child);
      callOff.push(timers.after(graceMs, () => closed.resolve()));
    });
    child.on('close', () => closed.resolve());
    const cancel = () => end('cancelled');
    if (defences.has('deadline')) callOff.push(timers.after(spec.limits.seconds * 1000, () => end('timeout')));
    signal?.addEventListener('abort', cancel);
    callOff.push(() => signal?.removeEventListener('abort', cancel));
    if (signal?.aborted) cancel();
    else (child.stdin as Writable).write(`${JSON.stringify(order)}\n`);

    await closed.promise;
    for (const each of callOff) each();
    reader.close();
    for (const stream of child.stdio) stream?.destroy();
    const usage = group?.usage() ?? null;
    const told = ended as Ended | null;
    const problem = broken as Error | null;
    const cut = interrupted as Exclude<SandboxEnd, 'exited'> | null;
    if (problem) throw problem;
    if (reader.startFailed !== null) throw new SandboxStartError(reader.startFailed);
    const left = (spec.writable ?? []).flatMap(({ source }) => makePlain(source));
    const starved = (usage?.outOfMemoryKills ?? 0) > 0 && told?.code !== 0;
    if (cut === null && !starved && !told?.watched && !told?.full) {
      if (!told || !reader.done) throw new SandboxStartError(`the launcher ended early; ${stderr.lastLines(4, 500)}`);
      if (!told.ran) throw new SandboxStartError(stderr.lastLines(4, 500) || 'bubblewrap gave no reason');
    }
    const how: SandboxEnd = cut ?? (told?.full ? 'full' : starved || told?.watched ? 'oom' : 'exited');
    return {
      end: how,
      exitCode: how === 'exited' && told ? (told.code ?? 128 + (told.signal ?? 0)) : null,
      stdout: stdout.text(),
      stderr: stderr.text(),
      seconds: ((endedAt ?? clock.monotonic()) - startedAt) / 1000,
      cpuSeconds: usage?.cpuSeconds ?? told?.cpuSeconds ?? 0,
      peakMemoryBytes: usage?.peakMemoryBytes ?? told?.peakBytes ?? 0,
      files: how === 'exited' ? reader.files : [],
      strange: how === 'exited' ? [...reader.strange, ...left] : [],
      unsafe: capability.mode === 'unsafe',
    };
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in it.
  }
}
