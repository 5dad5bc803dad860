import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bus, Delivery, NatsServer } from '../../src/bus/index.ts';
import { PrerequisiteError, RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { job, laboratory, listeningLog, rawConnection, streamsFolder, until } from './support.ts';

const ackWaitMs = 1_000;
const limits = { jobAckWaitMs: ackWaitMs, maxJobs: 50 };

const lab = laboratory();
let storeDir: string;
let server: NatsServer;
let bus: Bus;
let other: Bus;
/** A client of its own, for what the bus has no door for. */
let raw: NatsConnection;
beforeAll(async () => {
  storeDir = lab.directory();
  server = await lab.server(storeDir);
  bus = await lab.bus(server, { limits });
  other = await lab.bus(server, { limits });
  raw = await rawConnection(server);
  lab.later(() => raw.close());
});
beforeEach(async () => {
  await bus.deleteAllStreams();
  await bus.ensureStreams();
});
afterAll(() => lab.clear());

const files = () => join(storeDir, `${streamsFolder}/WORK/msgs`);

async function publish(...numbers: number[]): Promise<void> {
  for (const number of numbers) await bus.publishJob('cpu', job(number), `job-${number}`);
}

async function take(from: Bus = bus, expiresMs = 10_000): Promise<Delivery> {
  const delivery = await from.takeJob('cpu', { expiresMs });
  if (delivery === null) throw new Error('no job came');
  return delivery;
}

describe('the work queue', () => {
  it('hands each job to one worker, and never more than was asked for', async () => {
    await publish(1, 2, 3);
    const first = await take(bus);
    const second = await take(other);
    expect([first.job, first.attempt]).toEqual([job(1), 1]);
    expect(second.job).toEqual(job(2));
    expect((await bus.inspectWork()).classes.cpu).toEqual({ waiting: 1, unacknowledged: 2 });
    await first.ack();
    await second.ack();
    const { entries, classes } = await bus.inspectWork();
    expect(entries.map(({ key }) => key)).toEqual([job(3).key]);
    expect(classes.cpu).toEqual({ waiting: 1, unacknowledged: 0 });
  });

  it('wakes a waiting worker when a job comes', async () => {
    const waiting = take();
    await publish(1);
    expect((await waiting).job.key).toBe(job(1).key);
  });

  it('keeps the kinds of device apart', async () => {
    await bus.publishJob('cuda', { ...job(1), deviceClass: 'cuda' }, 'job-1');
    expect(await bus.takeJob('cpu', { expiresMs: 200 })).toBeNull();
    const delivery = await bus.takeJob('cuda', { expiresMs: 10_000 });
    expect(delivery?.job.key).toBe(job(1).key);
  });

  it('returns nothing when the time is up or the signal says so', async () => {
    expect(await bus.takeJob('cpu', { expiresMs: 100 })).toBeNull();
    const abort = new AbortController();
    const waiting = bus.takeJob('cpu', { expiresMs: 600_000, signal: abort.signal });
    abort.abort();
    expect(await waiting).toBeNull();
    expect(await bus.takeJob('cpu', { expiresMs: 600_000, signal: abort.signal })).toBeNull();
  });

  it('loses no job to a worker that stopped waiting just as it came', async () => {
    const many = Array.from({ length: 20 }, (_, index) => index);
    for (const number of many) {
      const abort = new AbortController();
      const waiting = bus.takeJob('cpu', { expiresMs: 600_000, signal: abort.signal });
      const sending = publish(number);
      if (number % 2 === 0) setImmediate(() => abort.abort());
      else void sending.then(() => abort.abort());
      const early = await waiting;
      await sending;
      // Well below the acknowledgement timer: what was on its way is handed back, not left to age.
      const delivery = early ?? (await take(other, ackWaitMs * 0.8));
      expect(delivery.job.key).toBe(job(number).key);
      await delivery.ack();
    }
  });

  it('gives a job to another when its worker falls silent', async () => {
    await publish(1);
    await take(bus);
    const again = await take(other);
    expect([again.job.key, again.attempt]).toEqual([job(1).key, 2]);
  });

  it('leaves a job alone while its worker says that it works', async () => {
    await publish(1);
    const delivery = await take(bus);
    const heartbeat = setInterval(() => delivery.working(), ackWaitMs / 10);
    try {
      expect(await other.takeJob('cpu', { expiresMs: 3 * ackWaitMs })).toBeNull();
    } finally {
      clearInterval(heartbeat);
    }
    await delivery.ack();
    expect((await bus.inspectWork()).entries).toEqual([]);
  });

  it('delivers a job again after the delay that was asked for', async () => {
    await publish(1);
    const first = await take();
    await first.nak(300);
    expect(await bus.takeJob('cpu', { expiresMs: 100 })).toBeNull();
    const second = await take();
    expect(second.attempt).toBe(2);
    await second.nak(0);
    expect((await take()).attempt).toBe(3);
  });

  it('removes what is given up, reason or not', async () => {
    await publish(1);
    const delivery = await take();
    await delivery.term('three workers died of it');
    expect((await bus.inspectWork()).entries).toEqual([]);
    await expect(delivery.ack()).rejects.toBeInstanceOf(TerminalError);
  });

  it('removes what is no job, says so, and goes on', async () => {
    const { log, records } = listeningLog();
    const listening = await lab.bus(server, { limits, log });
    for (const content of ['not json', JSON.stringify({ v: 9 }), JSON.stringify({ v: 1, id: 'a', at: 1, body: {} })]) {
      await raw.jetstream().publish('aira.work.cpu', content);
    }
    await publish(1);
    expect((await bus.inspectWork()).entries.map(({ key }) => key)).toEqual([null, null, null, job(1).key]);
    const delivery = await take(listening);
    expect(delivery.job.key).toBe(job(1).key);
    expect((await bus.inspectWork()).entries).toHaveLength(1);
    const reasons = records.flatMap(({ reason }) => (typeof reason === 'string' ? [reason] : []));
    expect(reasons).toHaveLength(3);
    expect(reasons[1]).toContain('version 9');
  });

  it('takes a message id once, and another id for the same job as a new message', async () => {
    const first = await bus.publishJob('cpu', job(1), 'job-1:1');
    const second = await bus.publishJob('cpu', job(1), 'job-1:1');
    expect([first.duplicate, second.duplicate, second.seq]).toEqual([false, true, first.seq]);
    expect((await bus.publishJob('cpu', job(1), 'job-1:2')).duplicate).toBe(false);
    expect((await bus.inspectWork()).entries).toHaveLength(2);
  });

  it('refuses more than it may hold, to be tried again', async () => {
    for (let number = 0; number < limits.maxJobs; number++) await publish(number);
    const failure = await publish(limits.maxJobs).catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(RetryableError);
    expect(failure.code).toBe('queue-full');
    await (await take()).ack();
    await publish(limits.maxJobs);
  });

  it('refuses a job that is not of the schema before it leaves', async () => {
    const wrong = { ...job(1), seed: -1 };
    await expect(bus.publishJob('cpu', wrong, 'x')).rejects.toMatchObject({ code: 'message-invalid' });
    expect((await bus.inspectWork()).entries).toEqual([]);
  });

  it('shows what is in it across gaps, and removes single messages', async () => {
    await publish(1, 2, 3, 4, 5);
    const { entries } = await bus.inspectWork();
    expect(entries).toEqual(entries.map(({ seq }, index) => ({ seq, jobClass: 'cpu', key: job(index + 1).key })));
    for (const index of [0, 2, 3]) expect(await bus.purgeJob(entries[index]?.seq ?? 0)).toBe(true);
    for (const index of [0, 2, 3]) expect(await bus.purgeJob(entries[index]?.seq ?? 0)).toBe(false);
    expect((await bus.inspectWork()).entries).toEqual([entries[1], entries[4]]);
  });

  it('carries the trace of its sender', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await bus.publishJob('cpu', job(1), 'job-1', { traceparent });
    expect((await take()).meta.traceparent).toBe(traceparent);
  });
});

describe('the streams', () => {
  it('are set up again by whoever publishes, and workers wait for them', async () => {
    const waiting = bus.takeJob('cpu', { expiresMs: 60_000 });
    await other.deleteAllStreams();
    await other.publishJob('cpu', job(1), 'job-1');
    expect((await waiting)?.job.key).toBe(job(1).key);

    await other.deleteAllStreams();
    const late = bus.takeJob('cpu', { expiresMs: 60_000 });
    expect(await other.inspectWork().catch((thrown) => thrown)).toBeInstanceOf(RetryableError);
    expect((await other.publishJob('cpu', job(2), 'job-2')).seq).toBe(1);
    expect((await late)?.job.key).toBe(job(2).key);
  });

  it('are made whole again when they were created while they were still being deleted', async () => {
    const manager = await raw.jetstreamManager();
    for (let round = 0; round < 20; round++) {
      // The server loses the files of the new stream with those of the old one, more often than not.
      const created = until(() => other.ensureStreams().then(() => true));
      await manager.streams.delete('WORK');
      await created;
      await other.ensureStreams();
      const entry = job(2_000 + round);
      await bus.publishJob('cpu', entry, `${entry.key}:1`);
      let delivery = await bus.takeJob('cpu', { expiresMs: 300 });
      if (delivery === null) {
        await bus.inspectWork();
        await bus.publishJob('cpu', entry, `${entry.key}:2`);
        delivery = await take();
      }
      expect(delivery.job.key).toBe(entry.key);
      await delivery.ack();
    }
  });

  it('are made anew by an inspection that finds the jobs gone which are said to wait', async () => {
    await publish(1);
    rmSync(files(), { recursive: true });
    // The server confirms, and would never deliver.
    await publish(2);
    expect(await bus.takeJob('cpu', { expiresMs: 500 })).toBeNull();
    const { entries, classes } = await bus.inspectWork();
    expect([entries, classes.cpu]).toEqual([[], { waiting: 0, unacknowledged: 0 }]);
    await publish(1);
    expect((await take()).job.key).toBe(job(1).key);
  });

  it('can be deleted and set up over and over while everyone is at work', async () => {
    const over = new AbortController();
    const delivered = new Set<string>();
    async function labour(worker: Bus): Promise<void> {
      while (!over.signal.aborted) {
        const delivery = await worker.takeJob('cpu', { expiresMs: 600_000, signal: over.signal });
        if (delivery === null) continue;
        delivered.add(delivery.job.key);
        await delivery.ack().catch(() => undefined);
      }
    }
    const workers = [labour(bus), labour(other)];
    const publisher = await lab.bus(server, { limits });
    for (let round = 0; round < 8; round++) {
      await publisher.deleteAllStreams();
      if (round % 2 === 0) await publisher.ensureStreams();
      await publisher.publishJob('cpu', job(1_000 + round), `round-${round}`);
      await until(() => delivered.has(job(1_000 + round).key));
    }
    over.abort();
    await Promise.all(workers);
  });

  it('are brought to the wanted configuration where that can be changed', async () => {
    const impatient = await lab.bus(server, { limits: { ...limits, jobAckWaitMs: 300 } });
    await impatient.ensureStreams();
    await publish(1);
    await take(bus);
    expect((await take(other, 900)).attempt).toBe(2);
  });

  it('are refused where that cannot be changed, with what is to be done', async () => {
    const manager = await raw.jetstreamManager();
    await manager.streams.delete('WORK');
    await manager.streams.add({ name: 'WORK', subjects: ['aira.work.*'], retention: 'limits' as never });
    const failure = await bus.ensureStreams().catch((thrown) => thrown);
    expect(failure).toBeInstanceOf(PrerequisiteError);
    expect(failure.code).toBe('nats-stream-config');
    expect(failure.message).toContain('retention "limits"');
    await manager.streams.delete('WORK');
  });
});
