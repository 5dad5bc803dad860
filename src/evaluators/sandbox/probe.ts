/**
 * Whether this machine can run code that nobody vouches for, and how. Asked once, when a worker starts: by running the
 * sandbox on a program of ours that tries its doors, since a version number says nothing about what a container permits.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorMessage, PrerequisiteError } from '../../domain/errors.ts';
import { trainersDirectory } from '../packageRoot.ts';
import { allOnPath, type Environment } from '../program.ts';
import type { SandboxCapability } from './capability.ts';
import { type CgroupPlace, findCgroups, sweepCgroups } from './cgroups.ts';
import { Sandbox } from './sandbox.ts';
import { systemRoot } from './systemRoot.ts';

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

const remedy =
  'install bubblewrap and permit user namespaces, or pass --unsafe to run untrusted code with your own rights';
const unavailable = (problem: string, cause?: unknown) =>
  new PrerequisiteError('sandbox', `this machine cannot run untrusted code in a sandbox: ${problem}`, remedy, {
    cause,
  });

/** Tries the doors; any that is open is an exit code of its own. */
const doors = `
import os, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
def closed(action):
    try:
        action()
    except OSError:
        return True
    return False
import socket
checks = [
    status["Seccomp"].strip() == "2",
    status["NoNewPrivs"].strip() == "1",
    int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0,
    closed(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM)),
    [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > 64] == [],
    closed(lambda: open("/door", "w")),
    closed(lambda: open("/dev/door", "w")),
    closed(lambda: os.listdir("/root")) and closed(lambda: os.listdir("/home")),
]
open("/box/out/doors", "w").write("tried")
sys.exit(0 if all(checks) else 64 + checks.index(False))`;

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
    return { ...common, mode: 'unsafe', identity: 'own', bwrap: '', root: { binds: [], links: [] } };
  }
  const bwrap = options.bwrap === undefined ? findBwrap(env) : options.bwrap;
  if (bwrap === null) throw unavailable('bubblewrap is not installed');
  const root = await systemRoot(python, env).catch((thrown: unknown) => {
    throw unavailable(errorMessage(thrown), thrown);
  });
  const problems: string[] = [];
  for (const identity of uid === 0 ? (['dedicated', 'own'] as const) : (['own'] as const)) {
    const capability: SandboxCapability = { ...common, mode: 'sandboxed', identity, bwrap, root };
    const problem = await tryDoors(capability);
    if (problem === null) return capability;
    problems.push(problem);
  }
  throw unavailable([...new Set(problems)].join('; '));
}

function findBwrap(env: Environment): string | null {
  return allOnPath('bwrap', env)[0] ?? allOnPath('bwrap', { PATH: '/usr/bin:/usr/local/bin' })[0] ?? null;
}

/** Null where every door is closed; else what is wrong. */
async function tryDoors(capability: SandboxCapability): Promise<string | null> {
  const directory = mkdtempSync(join(tmpdir(), 'aira-probe-'));
  try {
    const sandbox = new Sandbox({ capability });
    const { end, exitCode, files, stderr } = await sandbox.run({
      argv: [capability.python, '-I', '-S', '-c', doors],
      readOnly: [],
      output: { directory, maxBytes: megabyte, maxFiles: 4 },
      limits: { seconds: 20, memoryBytes: 256 * megabyte, processes: 16, scratchBytes: megabyte },
    });
    if (end === 'exited' && exitCode === 0 && files.length === 1) return null;
    const last = stderr.trim().split('\n').at(-1) ?? '';
    return `a trial of it ended with ${end === 'exited' ? `code ${exitCode}` : end}${last === '' ? '' : ` (${last})`}`;
  } catch (thrown) {
    return errorMessage(thrown).replace('the sandbox could not be started: ', '');
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
