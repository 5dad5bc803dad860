import { afterEach, expect, it, vi } from 'vitest';
import { systemTimers } from '../../src/platform/index.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('a deadline beyond the longest delay of Node comes at its time, and can be cancelled', () => {
  vi.useFakeTimers();
  const month = 30 * 24 * 3_600_000;
  const passed: string[] = [];
  systemTimers.after(month, () => passed.push('a month'));
  const cancel = systemTimers.after(month, () => passed.push('cancelled'));
  vi.advanceTimersByTime(month - 1);
  expect(passed).toEqual([]);
  cancel();
  vi.advanceTimersByTime(1);
  expect(passed).toEqual(['a month']);
});
