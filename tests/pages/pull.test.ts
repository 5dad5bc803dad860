/** How often the pages ask the server, by the clock of the test: the rules of `state/pull.ts`. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../pages/src/state/client.ts';
import { Pull } from '../../pages/src/state/pull.ts';

/** A pull whose requests take `tookMs`, with the times at which they began. */
function slow(tookMs: number, answer: (request: number) => void = () => {}) {
  const began: number[] = [];
  const pull = new Pull(async () => {
    const request = began.push(performance.now());
    await new Promise((resolve) => setTimeout(resolve, tookMs));
    answer(request);
  });
  return { began, pull };
}

describe('a pull', () => {
  let start: number;
  beforeEach(() => {
    vi.useFakeTimers();
    start = performance.now();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  const since = (times: readonly number[]) => times.map((time) => Math.round(time - start));

  it('PUL-1 has one request at a time, and changes during it cause exactly one more', async () => {
    const { began, pull } = slow(100);
    let shown = 0;
    pull.watch(() => shown++);
    pull.watch(() => {});
    await vi.advanceTimersByTimeAsync(50);
    for (let change = 0; change < 3; change++) pull.changed();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(began).toHaveLength(2);
    expect(shown).toBe(2);
  });

  it('PUL-1 has one request for a change, also if a component that needs it appears before its time', async () => {
    const { began, pull } = slow(10);
    pull.watch(() => {});
    await vi.advanceTimersByTimeAsync(10);
    pull.changed();
    await vi.advanceTimersByTimeAsync(100);
    pull.watch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(since(began)).toEqual([0, 110]);
  });

  it('PUL-2 has the error of the last request, until one succeeds', async () => {
    const { pull } = slow(10, (request) => {
      if (request === 2) throw new ApiError(503, 'the archive is busy', null);
      if (request === 3) throw new TypeError('no connection');
    });
    const errors: (string | undefined)[] = [];
    pull.watch(() => errors.push(pull.error?.message));
    for (let request = 1; request <= 4; request++) {
      await vi.advanceTimersByTimeAsync(10_000);
      pull.changed();
    }
    expect(errors).toEqual([undefined, 'the archive is busy', 'TypeError: no connection', undefined]);
  });

  it('PUL-3 does not fetch what nothing watches, and fetches it when it is watched again if it has changed', async () => {
    const { began, pull } = slow(10);
    pull.changed();
    await vi.advanceTimersByTimeAsync(1000);
    expect(began).toEqual([]);
    pull.watch(() => {})();
    await vi.advanceTimersByTimeAsync(1000);
    pull.watch(() => {})();
    expect(began).toHaveLength(1);
    pull.changed();
    await vi.advanceTimersByTimeAsync(1000);
    expect(began).toHaveLength(1);
    pull.watch(() => {});
    expect(since(began)).toEqual([0 + 1000, 3000]);
  });

  it('PUL-4 leaves the server at least two thirds of the time, however often something changes', async () => {
    for (const tookMs of [1, 300, 5000]) {
      const { began, pull } = slow(tookMs);
      const stop = pull.watch(() => {});
      const changes = setInterval(() => pull.changed(), 20);
      await vi.advanceTimersByTimeAsync(100_000);
      clearInterval(changes);
      stop();
      const gaps = began.slice(1).map((time, at) => time - (began[at] as number) - tookMs);
      expect(gaps.length).toBeGreaterThan(5);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(Math.max(400, 2 * tookMs) - 1);
      await vi.advanceTimersByTimeAsync(100_000);
    }
  });
});
