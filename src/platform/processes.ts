import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import * as z from 'zod';

/** Identifies a process, even if its number is reused. */
export const processSchema = z.strictObject({
  pid: z.int().positive(),
  /** Start time, in the system's format. */
  started: z.string(),
});
export type ProcessIdentity = z.infer<typeof processSchema>;

/** Field 22 of /proc/<pid>/stat, in clock ticks since boot; the boot's own id tells ticks of different boots apart. */
function linuxStart(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The command's name is in parentheses and may contain spaces; the following fields start with the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return `${boot}/${fields[19]}`;
}

function portableStart(pid: number): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The process with this number, or undefined; a zombie does not count. */
export function identify(pid: number): ProcessIdentity | undefined {
  const started = existsSync('/proc/self/stat') ? linuxStart(pid) : portableStart(pid);
  return started === undefined ? undefined : { pid, started };
}

export function isAlive(process: ProcessIdentity): boolean {
  return identify(process.pid)?.started === process.started;
}

/** Kernel facts about memory. Null if unavailable, as outside Linux. */
export interface MemoryProbe {
  /** Resident bytes of a process. */
  residentBytes(pid: number): number | null;
  /** Processes killed by the OOM killer since boot, in any control group. */
  outOfMemoryKills(): number | null;
}

function capture(path: string, pattern: RegExp): number | null {
  try {
    const found = pattern.exec(readFileSync(path, 'utf8'))?.[1];
    return found === undefined ? null : Number(found);
  } catch {
    return null;
  }
}

export const procMemory: MemoryProbe = {
  residentBytes(pid) {
    const kibibytes = capture(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m);
    return kibibytes === null ? null : kibibytes * 1024;
  },
  outOfMemoryKills: () => capture('/proc/vmstat', /^oom_kill (\d+)$/m),
};
