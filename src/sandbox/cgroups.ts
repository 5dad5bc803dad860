/**
 * Control groups: the kernel's accounting of, and limit on, the resources of a set of processes.
 *
 * Two layouts are supported. Version 2 has one tree; a group can be limited if its parent delegates the controllers. Version 1
 * has a tree per controller. In both, the nearest place at or above this process's own group is used in which a group with
 * memory and process limits can be created. If there is none, as for most ordinary users, the sandbox falls back on limits
 * per process and a watch on their sum.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errorMessage, RetryableError } from '../domain/errors.ts';

export type Controller = 'memory' | 'pids' | 'cpu' | 'cpuacct';

/** Where groups can be created. */
export type CgroupPlace =
  | { readonly version: 2; readonly folder: string }
  | { readonly version: 1; readonly folders: Readonly<Partial<Record<Controller, string>>> };

export interface CgroupLimits {
  readonly memoryBytes?: number;
  readonly processes?: number;
  readonly cores?: number;
}

export interface CgroupUsage {
  readonly cpuSeconds: number | null;
  readonly peakMemoryBytes: number | null;
  /** Processes that the kernel killed for lack of memory. */
  readonly outOfMemoryKills: number;
}

/** The machine's cgroup files; tests use their own. */
export interface CgroupSource {
  /** `/proc/self/mountinfo` and `/proc/self/cgroup`. */
  readonly mountinfo: string;
  readonly cgroup: string;
}

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

export const machineCgroups = (): CgroupSource => ({
  mountinfo: read('/proc/self/mountinfo') ?? '',
  cgroup: read('/proc/self/cgroup') ?? '',
});

const prefix = 'aira-';
const period = 100_000;

interface Hierarchy {
  readonly version: 1 | 2;
  readonly controllers: readonly string[];
  readonly root: string;
}

/** The mounted hierarchies. A line of mountinfo: `id parent dev root mountpoint options... - type source super-options`. */
function hierarchies({ mountinfo }: CgroupSource): Hierarchy[] {
  return mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const [left = '', right = ''] = line.split(' - ');
    const root = left.split(' ')[4];
    const [type, , options = ''] = right.split(' ');
    if (root === undefined) return [];
    if (type === 'cgroup2') return [{ version: 2, controllers: [], root }];
    return type === 'cgroup' ? [{ version: 1, controllers: options.split(','), root }] : [];
  });
}

/** This process's own group in a hierarchy: `number:controllers:path`, without controllers for version 2. */
function ownPath({ cgroup }: CgroupSource, hierarchy: Hierarchy): string {
  for (const line of cgroup.split('\n')) {
    const [, names = '', ...path] = line.split(':');
    const same =
      hierarchy.version === 2 ? names === '' : names.split(',').some((name) => hierarchy.controllers.includes(name));
    if (same && path.length > 0) return path.join(':');
  }
  return '/';
}

/** The own group and its ancestors up to the mount, nearest first. */
function upwards(root: string, path: string): string[] {
  const folders = [];
  for (let at = path; at !== '/' && at !== '.' && at !== ''; at = dirname(at)) folders.push(join(root, at));
  return [...folders, root];
}

/** The first folder in which a group with all of these files can be created. */
function usable(folders: readonly string[], files: readonly string[]): string | null {
  for (const folder of folders) {
    const trial = join(folder, `${prefix}trial-${process.pid}`);
    try {
      mkdirSync(trial);
    } catch {
      continue;
    }
    try {
      const present = readdirSync(trial);
      if (files.every((file) => present.includes(file))) return folder;
    } finally {
      removeFolder(trial);
    }
  }
  return null;
}

/** Where groups with memory and process limits can be created, or null. */
export function findCgroups(source: CgroupSource = machineCgroups()): CgroupPlace | null {
  const all = hierarchies(source);
  for (const hierarchy of all.filter(({ version }) => version === 2)) {
    const folder = usable(upwards(hierarchy.root, ownPath(source, hierarchy)), ['memory.max', 'pids.max']);
    if (folder !== null) return { version: 2, folder };
  }
  const folders: Partial<Record<Controller, string>> = {};
  for (const hierarchy of all.filter(({ version }) => version === 1)) {
    for (const controller of ['memory', 'pids', 'cpu', 'cpuacct'] as const) {
      if (!hierarchy.controllers.includes(controller)) continue;
      const folder = usable(upwards(hierarchy.root, ownPath(source, hierarchy)), ['cgroup.procs']);
      if (folder !== null) folders[controller] = folder;
    }
  }
  return folders.memory !== undefined && folders.pids !== undefined ? { version: 1, folders } : null;
}

/** rmdir, which the kernel refuses while the group has a process. */
function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** A group for the processes of one program. */
export class Cgroup {
  /** The group's folders; one in version 2, one per controller in version 1. */
  readonly folders: readonly string[];
  readonly #place: CgroupPlace;
  readonly #name: string;

  /**
   * Creates the group with its limits.
   *
   * @throws RetryableError `cgroup` if the kernel refuses to create or limit it.
   */
  constructor(place: CgroupPlace, id: string, limits: CgroupLimits) {
    this.#place = place;
    this.#name = `${prefix}${id}`;
    const parents = place.version === 2 ? [place.folder] : Object.values(place.folders);
    this.folders = [...new Set(parents.map((folder) => join(folder, this.#name)))];
    try {
      for (const folder of this.folders) mkdirSync(folder);
      for (const [controller, file, value, optional] of limitFiles(place.version, limits)) {
        const folder = this.#folder(controller);
        if (folder !== null) writeLimit(join(folder, file), value, optional);
      }
    } catch (thrown) {
      this.remove();
      throw new RetryableError('cgroup', `cannot create a control group: ${errorMessage(thrown)}`, 1000);
    }
  }

  /** Files to which a process writes `0` to enter the group. */
  get entrances(): readonly string[] {
    return this.folders.map((folder) => join(folder, 'cgroup.procs'));
  }

  usage(): CgroupUsage {
    const number = (controller: Controller, file: string, pattern: RegExp): number | null => {
      const folder = this.#folder(controller);
      const value = pattern.exec((folder === null ? null : read(join(folder, file))) ?? '')?.[1];
      return value === undefined ? null : Number(value);
    };
    if (this.#place.version === 2) {
      const micros = number('cpu', 'cpu.stat', /^usage_usec (\d+)$/m);
      return {
        cpuSeconds: micros === null ? null : micros / 1e6,
        // Absent before Linux 5.19.
        peakMemoryBytes: number('memory', 'memory.peak', /^(\d+)$/m),
        outOfMemoryKills: number('memory', 'memory.events', /^oom_kill (\d+)$/m) ?? 0,
      };
    }
    const nanos = number('cpuacct', 'cpuacct.usage', /^(\d+)$/m);
    return {
      cpuSeconds: nanos === null ? null : nanos / 1e9,
      peakMemoryBytes: number('memory', 'memory.max_usage_in_bytes', /^(\d+)$/m),
      outOfMemoryKills: number('memory', 'memory.oom_control', /^oom_kill (\d+)$/m) ?? 0,
    };
  }

  /** Kills every process in the group, once per folder, which also catches some processes forked meanwhile. */
  kill(): void {
    for (const folder of this.folders) {
      try {
        writeFileSync(join(folder, 'cgroup.kill'), '1');
        continue;
      } catch {
        // Version 1, or version 2 before Linux 5.14.
      }
      for (const pid of processesOf(folder)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Already dead.
        }
      }
    }
  }

  get empty(): boolean {
    return this.folders.every((folder) => processesOf(folder).length === 0);
  }

  /** Removes the group. Returns false while a process is left in it. */
  remove(): boolean {
    return this.folders.map(removeFolder).every((removed) => removed);
  }

  #folder(controller: Controller): string | null {
    const parent = this.#place.version === 2 ? this.#place.folder : this.#place.folders[controller];
    return parent === undefined ? null : join(parent, this.#name);
  }
}

const processesOf = (folder: string): number[] =>
  (read(join(folder, 'cgroup.procs')) ?? '')
    .split('\n')
    .map(Number)
    .filter((pid) => pid > 0);

type LimitFile = readonly [controller: Controller, file: string, value: string, optional: boolean];

/** The limit files of a group. Optional ones are absent in kernels without swap accounting or CPU controller. */
function limitFiles(version: 1 | 2, { memoryBytes, processes, cores }: CgroupLimits): LimitFile[] {
  const files: LimitFile[] = [];
  const quota = cores === undefined ? null : String(Math.round(cores * period));
  if (version === 2) {
    if (memoryBytes !== undefined) {
      files.push(['memory', 'memory.max', String(memoryBytes), false]);
      files.push(['memory', 'memory.swap.max', '0', true], ['memory', 'memory.oom.group', '1', true]);
    }
    if (processes !== undefined) files.push(['pids', 'pids.max', String(processes), false]);
    if (quota !== null) files.push(['cpu', 'cpu.max', `${quota} ${period}`, true]);
    return files;
  }
  if (memoryBytes !== undefined) {
    files.push(['memory', 'memory.limit_in_bytes', String(memoryBytes), false]);
    files.push(['memory', 'memory.memsw.limit_in_bytes', String(memoryBytes), true]);
  }
  if (processes !== undefined) files.push(['pids', 'pids.max', String(processes), false]);
  if (quota !== null) {
    files.push(['cpu', 'cpu.cfs_period_us', String(period), true], ['cpu', 'cpu.cfs_quota_us', quota, true]);
  }
  return files;
}

function writeLimit(path: string, value: string, optional: boolean): void {
  try {
    // Never create: a file that the kernel does not provide would limit nothing.
    writeFileSync(path, value, { flag: 'r+' });
  } catch (thrown) {
    if (!optional) throw thrown;
  }
}

/** Removes groups whose creators have died. Their names end in the creator's process id and a count. */
export function sweepCgroups(place: CgroupPlace, isAlive: (pid: number) => boolean): void {
  const folders = place.version === 2 ? [place.folder] : Object.values(place.folders);
  for (const folder of new Set(folders)) {
    for (const name of readdirSync(folder)) {
      const creator = /^aira-(\d+)-\d+$/.exec(name)?.[1];
      if (creator === undefined || isAlive(Number(creator))) continue;
      for (const pid of processesOf(join(folder, name))) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Already dead.
        }
      }
      removeFolder(join(folder, name));
    }
  }
}
