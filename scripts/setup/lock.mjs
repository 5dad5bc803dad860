/**
 * One set-up at a time in a repository.
 *
 * Role: exclusion between processes of one machine by a lock file that names its holder. Not its role: protecting
 * readers (a set-up that finds nothing missing takes no lock), or exclusion between machines that share a folder: a
 * lock from another host is respected until somebody removes it, because its holder cannot be looked up from here.
 *
 *   L1  At most one live process of this machine is inside `withLock` for a path.
 *   L2  A holder that died, however it died, does not block: its lock is broken by the next to ask.
 *   L3  A lock is only ever broken by whoever holds the `.breaking` folder, and only after reading it again there: two
 *       who saw the same dead holder cannot remove each other's fresh lock.
 */
import { mkdirSync, readFileSync, rmdirSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** @typedef {{ pid: number, started: string | null, host: string }} Holder */

const POLL_MS = 200;
/** A lock whose text is not yet complete, or a `.breaking` folder, of this age belongs to a process that died there. */
const ABANDONED_MS = 10_000;

/** @type {Set<string>} */
const held = new Set();

/**
 * When a process started, in clock ticks since boot: field 22 of /proc/<pid>/stat, counted after the last `)` because
 * the name in field 2 may contain anything. It tells a recycled pid from the original. Null without /proc.
 *
 * @param {number} pid
 */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** @param {Holder} holder */
function isAlive(holder) {
  if (holder.host !== hostname()) return true;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: the process lives and belongs to somebody else.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
  return holder.started === null || startOf(holder.pid) === holder.started;
}

/** @param {string} path */
function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** The holder; 'unreadable' while the file is being written; null when there is no lock. @param {string} path */
function readHolder(path) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  try {
    const { pid, started, host } = JSON.parse(text);
    if (Number.isInteger(pid) && pid > 0 && typeof host === 'string')
      return /** @type {Holder} */ ({ pid, started, host });
  } catch {
    // Falls through: half a file.
  }
  return /** @type {const} */ ('unreadable');
}

/** @param {string} path @param {ReturnType<typeof readHolder>} holder */
function isStale(path, holder) {
  if (holder === null) return false;
  return holder === 'unreadable' ? ageMs(path) > ABANDONED_MS : !isAlive(holder);
}

/** @param {string} path @returns {boolean} whether a stale lock was removed */
function breakStale(path) {
  const guard = `${path}.breaking`;
  try {
    mkdirSync(guard);
  } catch {
    if (ageMs(guard) > ABANDONED_MS) rmSync(guard, { recursive: true, force: true });
    return false;
  }
  try {
    if (!isStale(path, readHolder(path))) return false;
    unlinkSync(path);
    return true;
  } finally {
    rmdirSync(guard);
  }
}

/** @param {string} path */
function tryAcquire(path) {
  const holder = { pid: process.pid, started: startOf(process.pid), host: hostname() };
  try {
    writeFileSync(path, JSON.stringify(holder), { flag: 'wx' });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Runs `action` while holding the lock, waiting for another holder first.
 *
 * @template T
 * @param {string} path
 * @param {(line: string) => void} say
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(path, say, action) {
  mkdirSync(dirname(path), { recursive: true });
  let announced = false;
  while (!tryAcquire(path)) {
    const holder = readHolder(path);
    const stale = isStale(path, holder);
    if (stale && breakStale(path)) {
      say(`removed the lock of a set-up that did not finish (${path})`);
      continue;
    }
    if (!announced && !stale && holder !== null && holder !== 'unreadable') {
      say(`waiting for another set-up to finish: process ${holder.pid} on ${holder.host}, lock ${path}`);
      announced = true;
    }
    await wait(POLL_MS);
  }
  held.add(path);
  try {
    return await action();
  } finally {
    release(path);
  }
}

/** @param {string} path */
function release(path) {
  if (!held.delete(path)) return;
  try {
    unlinkSync(path);
  } catch {
    // Already gone, for instance with the folder: nothing is locked, which is what was wanted.
  }
}

/** For signal handlers: what `finally` would have done. */
export function releaseAllLocks() {
  for (const path of [...held]) release(path);
}
