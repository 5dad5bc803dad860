import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SandboxCapability } from '../../../src/sandbox/index.ts';

/** What no program may change: every file below these, by size, kind and time. */
export function hostTree(folders: readonly string[]): Map<string, string> {
  const tree = new Map<string, string>();
  const skipped = new Set(['node_modules', '.git', '__pycache__', 'dist']);
  const visit = (path: string): void => {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) return;
    if (!found.isDirectory()) {
      tree.set(path, `${found.size} ${found.mode} ${found.uid} ${found.mtimeMs}`);
      return;
    }
    for (const name of readdirSync(path)) if (!skipped.has(name)) visit(join(path, name));
  };
  for (const folder of folders) visit(folder);
  return tree;
}

export const difference = (before: Map<string, string>, after: Map<string, string>): string[] =>
  [...new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path) !== after.get(path));

/** User ids from here on are programs of the sandbox (`FIRST_USER_ID` of launcher.py). */
const firstUserId = 2_000_000_000;

const launcherLives = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('aira_sandbox/launcher.py');
  } catch {
    return false;
  }
};

/**
 * Processes that a program of the sandbox left. A program's user id tells which launcher started it; one whose launcher
 * lives is still running, for somebody else. Without a user of its own there is nothing to tell it by but its launcher.
 */
export function leftProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]);
        const parent = Number(/^PPid:\s+(\d+)/m.exec(status)?.[1]);
        const left =
          uid >= firstUserId ? !launcherLives(uid - firstUserId) : parent === process.pid && launcherLives(Number(pid));
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return left ? [`${pid} (${uid}): ${command.slice(0, 100)}`] : [];
      } catch {
        return [];
      }
    });
}

/** Control groups of this process that are still there. */
export function leftGroups({ groups }: SandboxCapability): string[] {
  const folders = groups === null ? [] : groups.version === 2 ? [groups.folder] : Object.values(groups.folders);
  return folders.flatMap((folder) => readdirSync(folder).filter((name) => name.startsWith(`aira-${process.pid}-`)));
}

/** The mounts of this process: what the sandbox mounts, it mounts elsewhere. */
export const mounts = (): string => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length.toString();

/** Descriptors of this process that lead to files. */
export const openFiles = (): string[] =>
  readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      return target.startsWith('/tmp/aira-') ? [target] : [];
    } catch {
      return [];
    }
  });

/** Processes whose command names a marker. */
export function processesWith(marker: string): { pid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(marker) ? [{ pid: Number(pid), command }] : [];
      } catch {
        return [];
      }
    });
}

/** The launcher above a process. */
export function launcherOf(pid: number): number {
  for (let at = pid; at > 1; at = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${at}/status`, 'utf8'))?.[1])) {
    if (launcherLives(at)) return at;
  }
  throw new Error(`${pid} has no launcher`);
}

/** @throws where there is none, so that it is looked for again. */
export function expectSome<T>(found: readonly T[]): readonly T[] {
  if (found.length === 0) throw new Error('there is none');
  return found;
}
