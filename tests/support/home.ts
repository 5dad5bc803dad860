import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/platform/timers.ts';

/** An empty folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'aira-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A clock that stands still until it is told otherwise. */
export function manualClock(start = 1_000_000): Clock & { advance(ms: number): void } {
  let time = start;
  return {
    now: () => time,
    monotonic: () => time,
    advance(ms) {
      time += ms;
    },
  };
}
