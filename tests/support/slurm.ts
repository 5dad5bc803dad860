import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Why no Slurm can run here; null if it can. */
export function noSlurm(): string | null {
  if (process.getuid?.() !== 0) return 'Slurm’s daemons need root';
  try {
    for (const daemon of ['munged', 'slurmctld', 'slurmd']) execFileSync('which', [daemon]);
    return null;
  } catch {
    return 'Slurm is not installed (Debian: apt install slurmctld slurmd munge slurm-client)';
  }
}

export interface SlurmJob {
  readonly id: string;
  readonly state: string;
  readonly restarts: number;
  readonly exitCode: string;
}

/**
 * A Slurm of one node on this machine: munged, slurmctld and slurmd of Debian's packages, on ports and files of its own.
 *
 * Two partitions: jobs of `high` preempt those of `low`, which are signalled, have `graceSeconds`, and are queued again.
 */
export class Slurm {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly #daemons: ChildProcess[] = [];

  constructor({ ports, gpus, graceSeconds }: { ports: readonly [number, number]; gpus: number; graceSeconds: number }) {
    // munged refuses a path that others may write, as /tmp is.
    this.folder = mkdtempSync('/run/aira-slurm-');
    const at = (name: string) => join(this.folder, name);
    for (const name of ['state', 'spool']) mkdirSync(at(name));
    writeFileSync(at('munge.key'), randomBytes(128), { mode: 0o400 });
    writeFileSync(at('gres.conf'), `NodeName=localhost Name=gpu File=/dev/tty[0-${gpus - 1}]\n`);
    writeFileSync(
      at('slurm.conf'),
      `ClusterName=aira
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${at('munge.sock')}
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool')}
SlurmctldPidFile=${at('ctld.pid')}
SlurmdPidFile=${at('d.pid')}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
MinJobAge=3600
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
NodeName=localhost NodeAddr=127.0.0.1 CPUs=${gpus + 1} RealMemory=100000 Gres=gpu:${gpus} State=UNKNOWN
PartitionName=low Nodes=localhost Default=YES PriorityTier=1 GraceTime=${graceSeconds} MaxTime=1-0 State=UP
PartitionName=high Nodes=localhost PriorityTier=10 PreemptMode=OFF MaxTime=1-0 State=UP
`,
    );
    this.env = { PATH: process.env.PATH ?? '', SLURM_CONF: at('slurm.conf') };
  }

  async start(): Promise<void> {
    const at = (name: string) => join(this.folder, name);
    const munge = ['key-file', 'socket', 'pid-file', 'log-file', 'seed-file'].map((name) => {
      const file = { 'key-file': 'munge.key', socket: 'munge.sock' }[name] ?? name;
      return `--${name}=${at(file)}`;
    });
    this.#daemon('munged', ['--foreground', '--force', ...munge]);
    await vi.waitFor(() => execFileSync('munge', ['-S', at('munge.sock'), '-n'], { stdio: 'pipe' }), 20_000);
    this.#daemon('slurmctld', ['-D', '-c']);
    this.#daemon('slurmd', ['-D', '-N', 'localhost']);
    await vi.waitFor(
      () => {
        if (!/idle/.test(this.run('sinfo', ['-h', '-o', '%T']))) throw new Error(this.run('sinfo', ['-R']));
      },
      { timeout: 30_000, interval: 200 },
    );
  }

  /** Runs a command of Slurm's. @returns its stdout. */
  run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
    return execFileSync(command, [...args], {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...this.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Every task of a job. */
  jobs(job: string): SlurmJob[] {
    const text = this.run('scontrol', ['show', 'job', '--oneliner', job]);
    return text
      .split('\n')
      .filter((line) => line.startsWith('JobId='))
      .map((line) => {
        const field = (name: string) => new RegExp(`\\b${name}=(\\S+)`).exec(line)?.[1] ?? '';
        const task = field('ArrayTaskId');
        return {
          id: task === '' ? field('JobId') : `${field('ArrayJobId')}_${task}`,
          state: field('JobState'),
          restarts: Number(field('Restarts')),
          exitCode: field('ExitCode'),
        };
      });
  }

  async stop(): Promise<void> {
    // slurmd first: it ends the steps of jobs that a failed test has left.
    try {
      this.run('scancel', ['--full', '--signal=KILL', '--user=root']);
    } catch {
      // The controller did not start.
    }
    for (const daemon of this.#daemons.reverse()) {
      daemon.kill('SIGTERM');
      await new Promise((resolve) => (daemon.exitCode === null ? daemon.once('close', resolve) : resolve(null)));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  #daemon(command: string, args: readonly string[]): void {
    this.#daemons.push(spawn(command, args, { env: this.env, cwd: this.folder, stdio: 'ignore' }));
  }
}
