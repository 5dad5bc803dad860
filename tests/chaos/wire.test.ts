/** The network of bad days does what it says: a campaign on one that passes everything would prove nothing. */
import { once } from 'node:events';
import { join } from 'node:path';
import { connect, headers } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { freePort } from './distributedLab.ts';
import { faultKinds, scheduleOf } from './schedule.ts';
import { serve } from './server.ts';
import { Wire } from './wire.ts';

it('loses and repeats whole messages, and holds back what is cut off, one way and both', async () => {
  const port = await freePort();
  const server = await serve(join(temporaryFolder(), 'store'), port);
  const wire = await Wire.between(port);
  const [near, far] = await Promise.all([
    connect({ servers: `nats://127.0.0.1:${port}` }),
    connect({ servers: `nats://127.0.0.1:${wire.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 20 }),
  ]);
  onTestFinished(async () => {
    await Promise.all([near.close(), far.close()]);
    await wire.close();
    server.kill('SIGKILL');
    await once(server, 'exit');
  });
  const [atNear, atFar]: [string[], string[]] = [[], []];
  near.subscribe('up.*', { callback: (_, { subject }) => void atNear.push(subject) });
  far.subscribe('down.*', { callback: (_, { subject }) => void atFar.push(subject) });
  await Promise.all([near.flush(), far.flush()]);

  wire.meddle('drop', 2);
  wire.meddle('pass', 1);
  wire.meddle('duplicate', 1);
  const described = headers();
  described.set('Nats-Msg-Id', 'one');
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    // Of any length, with a line end inside, with headers and without.
    far.publish(
      `up.${name}`,
      `PUB x 1\r\n${'y'.repeat(name === 'c' ? 200_000 : 10)}`,
      name === 'd' ? { headers: described } : {},
    );
  }
  await far.flush();
  await near.flush();
  expect(atNear).toEqual(['up.c', 'up.d', 'up.d', 'up.e']);

  wire.cut({ up: true, down: false });
  far.publish('up.f');
  near.publish('down.f');
  await near.flush();
  await expect.poll(() => atFar).toEqual(['down.f']);
  expect(atNear).not.toContain('up.f');
  wire.cut({ up: false, down: true });
  near.publish('down.g');
  await expect.poll(() => atNear).toContain('up.f');
  expect(atFar).toEqual(['down.f']);
  wire.cut({ up: false, down: false });
  await expect.poll(() => atFar).toEqual(['down.f', 'down.g']);

  wire.reset();
  const said = async () => {
    // What is published before the client knows of the cut is lost.
    far.publish('up.h');
    await near.flush();
    return atNear;
  };
  await expect.poll(said, { timeout: 10_000 }).toContain('up.h');
});

it('a schedule is a function of its seed, and campaigns meet every fault', () => {
  expect(scheduleOf(7, 50, 800)).toEqual(scheduleOf(7, 50, 800));
  expect(scheduleOf(7, 50, 800)).not.toEqual(scheduleOf(8, 50, 800));
  const met = new Set(
    Array.from({ length: 20 }, (_, seed) => scheduleOf(seed, 50, 800))
      .flat()
      .map(({ fault }) => fault.kind),
  );
  expect([...met].sort()).toEqual([...faultKinds].sort());
});
