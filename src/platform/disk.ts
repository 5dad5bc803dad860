import { statfsSync } from 'node:fs';
import type { Timers } from './timers.ts';

/**
 * Below so many free bytes no search is begun: SQLite, NATS and logs all fail badly on a full disk. The streams alone
 * reserve 384 MB, and nats-server takes no more than three quarters of what is free.
 */
export const leastFreeBytes = 512 * 1024 * 1024;

/** Free bytes of the file system that holds a folder, as far as this user may fill it. */
export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const lookEveryMs = 2000;

/** Calls back once when fewer bytes than `least` are free where a folder lies. The answer ends the watch. */
export function watchDisk(folder: string, least: number, timers: Timers, onFull: (free: number) => void): () => void {
  const stop = timers.every(lookEveryMs, () => {
    const free = freeBytes(folder);
    if (free >= least) return;
    stop();
    onFull(free);
  });
  return stop;
}
