import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openLink } from '../../src/bus/connection.ts';
import type { Bus, Heartbeat, NatsServer } from '../../src/bus/index.ts';
import { defaultLimits, streamsOn } from '../../src/bus/streams.ts';
import { RetryableError } from '../../src/domain/errors.ts';
import { searchIdSchema } from '../../src/domain/ids.ts';
import { agentStateSchema, workerStateSchema } from '../../src/domain/messages.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { event, everyAccess, laboratory, quiet, rawConnection, result, streamsFolder, until } from './support.ts';

const lab = laboratory();
const limits = { resultAckWaitMs: 1_000 };
let storeDir: string;
let server: NatsServer;
let bus: Bus;
let raw: NatsConnection;
beforeAll(async () => {
  storeDir = lab.directory();
  server = await lab.server(storeDir);
  bus = await lab.bus(server, { limits });
  raw = await rawConnection(server);
  lab.later(() => raw.close());
});
beforeEach(() => bus.deleteAllStreams());
afterAll(() => lab.clear());

const publish = (number: number) => bus.publishResult(result(number), `result-${number}`);
const first = searchIdSchema.parse('first');

describe('results', () => {
  it('reach their consumer in order, also those from before it came, and once when all goes well', async () => {
    const seen: string[] = [];
    await bus.ensureStreams();
    await publish(1);
    await publish(2);
    const consumer = await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return 'ack';
    });
    await publish(3);
    await until(() => seen.length === 3);
    await consumer.stop();
    await publish(4);
    expect(seen).toEqual([1, 2, 3].map((number) => result(number).key));

    const later: string[] = [];
    const successor = await bus.consumeResults('archive', (each) => {
      later.push(each.key);
      return 'ack';
    });
    await until(() => later.length > 0);
    await successor.stop();
    expect(later).toEqual([result(4).key]);
  });

  it('are not repeated when they are published twice', async () => {
    const seen: string[] = [];
    const consumer = await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return 'ack';
    });
    await publish(1);
    expect((await publish(1)).duplicate).toBe(true);
    await publish(2);
    await until(() => seen.includes(result(2).key));
    await consumer.stop();
    expect(seen).toEqual([result(1).key, result(2).key]);
  });

  it('come again while the handler throws, after the pause that its error asks for', async () => {
    let calls = 0;
    const consumer = await bus.consumeResults('archive', () => {
      calls += 1;
      if (calls < 3) throw new RetryableError('locked', 'the ledger is busy', 20);
      return 'ack';
    });
    await publish(1);
    await until(() => calls === 3);
    await consumer.stop();
    expect(
      (
        await raw
          .jetstream()
          .consumers.get('RESULTS', 'archive')
          .then((each) => each.info())
      ).num_ack_pending,
    ).toBe(0);
  });

  it('are acknowledged after the handler, not before: a consumer that dies in it gets the result again', async () => {
    let entered = () => {};
    const entering = new Promise<void>((resolve) => {
      entered = resolve;
    });
    const dying = await lab.bus(server, { limits });
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await dying.consumeResults('archive', async () => {
      entered();
      await held;
      throw new Error('this process is gone');
    });
    await publish(1);
    await entering;
    const seen: string[] = [];
    const consumer = await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return 'ack';
    });
    await until(() => seen.length === 1);
    release();
    await dying.close();
    await consumer.stop();
    expect(seen).toEqual([result(1).key]);
  });

  it('that are none, or that the handler refuses, are removed from the way of the others', async () => {
    const seen: string[] = [];
    await bus.ensureStreams();
    await raw.jetstream().publish('aira.result', 'nonsense');
    const consumer = await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return each.key === result(1).key ? 'term' : 'ack';
    });
    await publish(1);
    await publish(2);
    await until(() => seen.length === 2);
    await consumer.stop();
    expect(
      (
        await raw
          .jetstream()
          .consumers.get('RESULTS', 'archive')
          .then((each) => each.info())
      ).num_ack_pending,
    ).toBe(0);
  });

  it('keep coming after the streams were deleted', async () => {
    const seen: string[] = [];
    await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return 'ack';
    });
    await publish(1);
    await until(() => seen.length === 1);
    await bus.deleteAllStreams();
    await publish(2);
    await until(() => seen.length === 2);
    await bus.deleteAllStreams();
    await publish(3);
    await until(() => seen.length === 3);
    expect(seen).toEqual([1, 2, 3].map((number) => result(number).key));
  });

  it('come again in the end after the files of their stream are gone', async () => {
    await bus.ensureStreams();
    await publish(1);
    rmSync(join(storeDir, `${streamsFolder}/RESULTS/msgs`), { recursive: true });
    const seen: string[] = [];
    await bus.consumeResults('archive', (each) => {
      seen.push(each.key);
      return 'ack';
    });
    // The server confirms these and delivers none of them, until the stream is made anew.
    let number = 1;
    await until(async () => {
      number += 1;
      await publish(number);
      return seen.length > 0;
    });
    expect(seen).not.toContain(result(1).key);
  });
});

describe('events', () => {
  it('have a stream made anew that can take no more of them, because its files are gone', async () => {
    await bus.ensureStreams();
    rmSync(join(storeDir, `${streamsFolder}/EVENTS/msgs`), { recursive: true });
    // The server notices when it opens the next file, some megabytes later.
    const filling = async () => {
      for (let number = 0; number < 100; number++) {
        await raw.jetstream().publish('aira.event.first.filling', new Uint8Array(500_000));
      }
    };
    await expect(filling()).rejects.toMatchObject({
      api_error: { description: expect.stringContaining('no such file or directory') },
    });
    // Each of them finds the stream broken: it is replaced once, and none goes with it that another call has stored.
    await Promise.all(Array.from({ length: 20 }, (_, index) => bus.publishEvent(event(index), `event-${index}`)));
    const messages = async () => (await (await raw.jetstreamManager()).streams.info('EVENTS')).state.messages;
    expect(await messages()).toBe(20);

    const link = await openLink({
      url: server.url,
      access: everyAccess,
      name: 'late',
      clock: systemClock,
      ids: () => 'id',
      log: quiet,
    });
    const streams = streamsOn(link, { ...defaultLimits, ...limits });
    const seen = streams.replacements('EVENTS');
    await streams.replace('EVENTS', seen);
    await bus.publishEvent(event(1));
    await streams.replace('EVENTS', seen);
    expect(await messages()).toBe(1);
    await link.close();
  });

  it('come in order, from the beginning or from now on, of one search or of all', async () => {
    await bus.ensureStreams();
    const all: number[] = [];
    const fresh: number[] = [];
    const one: number[] = [];
    const number = (each: unknown) => (each as { seed: number }).seed;
    for (let index = 1; index <= 150; index++)
      await bus.publishEvent(event(index, index % 3 === 0 ? 'second' : 'first'));
    const watchers = [
      await bus.consumeEvents({ from: 'all' }, (each) => void all.push(number(each))),
      await bus.consumeEvents({ from: 'new' }, (each) => void fresh.push(number(each))),
      await bus.consumeEvents({ from: 'all', search: first }, (each) => void one.push(number(each))),
    ];
    for (let index = 151; index <= 300; index++) {
      await bus.publishEvent(event(index, index % 3 === 0 ? 'second' : 'first'), `event-${index}`);
    }
    await until(() => all.length === 300 && fresh.length === 150 && one.length === 200);
    for (const watcher of watchers) await watcher.stop();
    const numbers = Array.from({ length: 300 }, (_, index) => index + 1);
    expect(all).toEqual(numbers);
    expect(fresh).toEqual(numbers.slice(150));
    expect(one).toEqual(numbers.filter((each) => each % 3 !== 0));
  });

  it('go on after a handler that throws and after a message that is none', async () => {
    await bus.ensureStreams();
    const seen: number[] = [];
    const watcher = await bus.consumeEvents({ from: 'all' }, async (each) => {
      seen.push((each as { seed: number }).seed);
      throw new Error('this watcher is clumsy');
    });
    await bus.publishEvent(event(1));
    await raw.jetstream().publish('aira.event.first.node-evaluated', 'nonsense');
    await bus.publishEvent(event(2));
    await until(() => seen.length === 2);
    await watcher.stop();
    expect(seen).toEqual([1, 2]);
  });

  it('start over with a stream that was made anew, and repeat nothing of a consumer that was lost', async () => {
    await bus.ensureStreams();
    const seen: number[] = [];
    await bus.consumeEvents({ from: 'new' }, (each) => void seen.push((each as { seed: number }).seed));
    await bus.publishEvent(event(1));
    await bus.publishEvent(event(2));
    await until(() => seen.length === 2);
    const manager = await raw.jetstreamManager();
    for await (const consumer of manager.consumers.list('EVENTS'))
      await manager.consumers.delete('EVENTS', consumer.name);
    await bus.publishEvent(event(3));
    await until(() => seen.length === 3);
    await bus.deleteAllStreams();
    await bus.publishEvent(event(4));
    await until(() => seen.length === 4);
    expect(seen).toEqual([1, 2, 3, 4]);
  });
});

describe('signs of life', () => {
  it('reach those who listen, and what is none reaches nobody', async () => {
    const seen: Heartbeat[] = [];
    const watcher = await bus.watchHeartbeats((sign) => void seen.push(sign));
    const speaker = await lab.bus(server);
    const worker = workerStateSchema.parse({
      worker: 'worker-1',
      device: 'cpu',
      deviceName: 'A processor',
      evaluators: ['torch-1'],
      state: 'training',
      key: result(1).key,
      progress: 0.5,
    });
    const agent = agentStateSchema.parse({ search: 'first', agent: 'composer', state: 'thinking', note: '' });
    raw.publish('aira.sign.worker.worker-1', 'nonsense');
    await raw.flush();
    speaker.announceWorker(worker);
    speaker.announceAgent(agent);
    await until(() => seen.length === 2);
    expect(seen.map(({ kind, state }) => ({ kind, state }))).toEqual([
      { kind: 'worker', state: worker },
      { kind: 'agent', state: agent },
    ]);
    expect(() => speaker.announceWorker({ ...worker, progress: 2 })).toThrow('progress');
    await watcher.stop();
    await speaker.close();
    speaker.announceWorker(worker);
    expect(seen).toHaveLength(2);
  });
});
