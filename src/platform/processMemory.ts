import { readFileSync } from 'node:fs';

/** What the kernel knows about memory. Null wherever it does not tell, as outside Linux. */
export interface MemoryProbe {
  /** Resident bytes of a process. */
  residentBytes(pid: number): number | null;
  /** How many processes the kernel has killed for want of memory since boot, in any control group. */
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
