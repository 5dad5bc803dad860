/** `aira launch` meets a server whose streams are not set up: it waits for them, and ends where no archive does it. */
import { afterEach, expect, it } from 'vitest';
import { watchEvents } from '../../src/actors/index.ts';
import { RetryableError } from '../../src/domain/errors.ts';
import { searchIdSchema } from '../../src/domain/ids.ts';
import { systemTimers, type Timers } from '../../src/platform/timers.ts';
import { event, laboratory, until } from '../bus/support.ts';

const lab = laboratory();
afterEach(() => lab.clear());
const first = searchIdSchema.parse('first');

it('begins once the archive has set them up, and misses nothing from then on', async () => {
  const bus = await lab.bus(await lab.server());
  const seen: number[] = [];
  let waits = 0;
  const timers: Timers = {
    ...systemTimers,
    after(_, action) {
      waits += 1;
      // The archive comes during the second wait.
      if (waits !== 2) return systemTimers.after(0, action);
      void bus.ensureStreams().then(action);
      return () => {};
    },
  };
  await watchEvents(bus, first, (each) => void seen.push((each as { seed: number }).seed), timers);
  expect(waits).toBe(2);
  await bus.publishEvent(event(1));
  await until(() => seen.length === 1);
});

it('ends with an error that may pass where no archive comes', async () => {
  const bus = await lab.bus(await lab.server());
  const timers: Timers = { ...systemTimers, after: (_, action) => systemTimers.after(0, action) };
  const failure = await watchEvents(bus, first, () => {}, timers).catch((thrown: unknown) => thrown);
  expect(failure).toBeInstanceOf(RetryableError);
  expect(failure).toMatchObject({ code: 'bus-unready' });
});
