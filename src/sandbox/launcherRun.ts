import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { type Clock, deferred, OutputLog, type Timers } from '../platform/index.ts';
import type { LaunchSpec } from './launchSpec.ts';
import { type Ended, ReportReader } from './report.ts';
import { type Defences, defaultFiles, defaultLogBytes, type SandboxEnd, type SandboxSpec } from './spec.ts';

export interface LauncherRunDeps {
  readonly launcher: readonly [string, ...string[]];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Milliseconds from the order to end to SIGKILL of the launcher and its group. */
  readonly graceMs: number;
  readonly defences: Defences;
}

type Interruption = Exclude<SandboxEnd, 'exited'>;

/**
 * One launcher process, from its start to the end of everything below it.
 *
 * Role: streams, deadline, cancellation, the kill. Non-role: what the end means for the program (`sandbox.ts`).
 *
 * RUN-1. The first reason to end it is the one that is reported.
 * RUN-2. `untilGone` resolves when no process of the launcher's group is left and no timer of this run is armed.
 */
export class LauncherRun {
  readonly stdout = new OutputLog();
  readonly stderr = new OutputLog();
  readonly report: ReportReader;
  /** How the launcher says that the program ended; null until it has. */
  ended: Ended | null = null;
  /** Why the host ended it; null where the program ended by itself. */
  interrupted: Interruption | null = null;

  readonly #spec: SandboxSpec;
  readonly #deps: LauncherRunDeps;
  readonly #child: ChildProcess;
  readonly #gone = deferred<void>();
  readonly #cleanups: (() => void)[] = [];
  #failure: Error | null = null;
  #logged = 0;
  #startedAt: number;
  #endedAt: number | null = null;

  constructor(spec: SandboxSpec, deps: LauncherRunDeps) {
    const { launcher, clock, defences } = deps;
    const [program, ...args] = launcher;
    this.#spec = spec;
    this.#deps = deps;
    this.#startedAt = clock.monotonic();
    this.#child = spawn(program, args, {
      cwd: '/',
      env: defences.has('empty-environment') ? {} : process.env,
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.report = new ReportReader(
      { ...spec.output, maxFiles: spec.output.maxFiles ?? defaultFiles },
      {
        onStarted: () => {
          this.#startedAt = clock.monotonic();
        },
        onEnded: (ended) => {
          this.ended = ended;
          this.#endedAt = clock.monotonic();
        },
      },
    );
    this.#listen();
  }

  /** Wall-clock seconds of the program. */
  get seconds(): number {
    return ((this.#endedAt ?? this.#deps.clock.monotonic()) - this.#startedAt) / 1000;
  }

  /** Orders the launch, and resolves when everything has ended. @throws what is wrong with the launcher. */
  async untilGone(launch: LaunchSpec, signal: AbortSignal | undefined): Promise<void> {
    const { timers, defences } = this.#deps;
    const cancel = () => this.#interrupt('cancelled');
    if (defences.has('deadline')) {
      this.#cleanups.push(timers.after(this.#spec.limits.seconds * 1000, () => this.#interrupt('timeout')));
    }
    signal?.addEventListener('abort', cancel);
    this.#cleanups.push(() => signal?.removeEventListener('abort', cancel));
    if (signal?.aborted) cancel();
    else (this.#child.stdin as Writable).write(`${JSON.stringify(launch)}\n`);
    await this.#gone.promise;
    for (const cleanup of this.#cleanups) cleanup();
    this.report.close();
    for (const stream of this.#child.stdio) stream?.destroy();
    if (this.#failure) throw this.#failure;
  }

  /** Asks the launcher to end the program, and kills both after the grace time. */
  #interrupt(why: Interruption): void {
    if (this.interrupted !== null || this.#failure !== null || this.ended !== null) return;
    this.interrupted = why;
    (this.#child.stdin as Writable).end();
    this.#cleanups.push(this.#deps.timers.after(this.#deps.graceMs, () => this.#kill()));
  }

  #listen(): void {
    const child = this.#child;
    this.#log(child.stdout as Readable, this.stdout);
    this.#log(child.stderr as Readable, this.stderr);
    (child.stdio[3] as Readable).on('data', (chunk: Buffer) => {
      try {
        if (this.#failure === null) this.report.push(chunk);
      } catch (thrown) {
        this.#failure = thrown as Error;
        this.#kill();
      }
    });
    for (const stream of child.stdio) stream?.on('error', () => {});
    child.on('error', (error) => {
      this.#failure ??= error;
      if (child.pid === undefined) this.#gone.resolve();
    });
    // A process that outlives the launcher would keep the streams open: those of its group are killed, others not awaited.
    child.on('exit', () => {
      this.#kill();
      this.#cleanups.push(this.#deps.timers.after(this.#deps.graceMs, () => this.#gone.resolve()));
    });
    child.on('close', () => this.#gone.resolve());
  }

  #log(stream: Readable, log: OutputLog): void {
    const limit = this.#spec.limits.logBytes ?? defaultLogBytes;
    stream.on('data', (chunk: Buffer) => {
      log.push(chunk);
      this.#logged += chunk.length;
      if (this.#logged > limit && this.#deps.defences.has('bounded-log')) this.#interrupt('flooded');
    });
  }

  #kill(): void {
    if (this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, 'SIGKILL');
    } catch {
      // No process of the group is left.
    }
  }
}
