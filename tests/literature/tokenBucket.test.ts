import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../src/literature/client.ts';
import { ManualTime } from './support.ts';

const never = new AbortController().signal;

describe('a token bucket', () => {
  it('lets a burst through, then one at each interval, in the order of asking (TOK-1)', async () => {
    const time = new ManualTime(0);
    const bucket = new TokenBucket({ burst: 2, everyMs: 1000 }, time, time);
    const begun: [number, number][] = [];
    const all = Array.from({ length: 5 }, async (_, nth) => {
      await bucket.acquire(never);
      begun.push([nth, time.now()]);
    });
    await time.drive(Promise.all(all));
    expect(begun).toEqual([
      [0, 0],
      [1, 0],
      [2, 1000],
      [3, 2000],
      [4, 3000],
    ]);
  });

  it('never exceeds burst + t / everyMs in any span, whenever requests come (TOK-1)', async () => {
    const cases = fc.record({
      burst: fc.integer({ min: 1, max: 4 }),
      everyMs: fc.integer({ min: 1, max: 3000 }),
      gaps: fc.array(fc.integer({ min: 0, max: 4000 }), { minLength: 1, maxLength: 15 }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ burst, everyMs, gaps }) => {
        const time = new ManualTime(0);
        const bucket = new TokenBucket({ burst, everyMs }, time, time);
        const begun: number[] = [];
        const asked: Promise<void>[] = [];
        for (const gap of gaps) {
          asked.push(bucket.acquire(never).then(() => void begun.push(time.now())));
          await new Promise((resolve) => setImmediate(resolve));
          time.advance(gap);
        }
        await time.drive(Promise.all(asked));
        for (const [first, from] of begun.entries()) {
          for (const [last, to] of begun.entries()) {
            if (last >= first) expect(last - first + 1).toBeLessThanOrEqual(burst + (to - from) / everyMs + 1e-6);
          }
        }
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('waits as long as the host asks, whatever tokens there are', async () => {
    const time = new ManualTime(0);
    const bucket = new TokenBucket({ burst: 5, everyMs: 10 }, time, time);
    bucket.hold(7000);
    await time.drive(bucket.acquire(never));
    expect(time.now()).toBe(7000);
  });

  it('drops an aborted request without delaying others (TOK-2)', async () => {
    const time = new ManualTime(0);
    const bucket = new TokenBucket({ burst: 1, everyMs: 1000 }, time, time);
    await bucket.acquire(never);
    const impatient = new AbortController();
    const given = bucket.acquire(impatient.signal);
    const patient = bucket.acquire(never).then(() => time.now());
    await new Promise((resolve) => setImmediate(resolve));
    impatient.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    expect(await time.drive(patient)).toBe(1000);
  });
});
