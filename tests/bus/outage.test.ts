import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Bus, Handlers, Heartbeat, NatsServer } from '../../src/bus/index.ts';
import { RetryableError, TerminalError } from '../../src/domain/errors.ts';
import { agentNameSchema, workerIdSchema } from '../../src/domain/ids.ts';
import { workerStateSchema } from '../../src/domain/messages.ts';
import { event, job, laboratory, result, until } from './support.ts';

/** The server dies without a word and comes back on the same port and store; nobody else does anything about it. */
const lab = laboratory();
const limits = { jobAckWaitMs: 2_000, resultAckWaitMs: 1_000 };
let storeDir: string;
let server: NatsServer;
let archive: Bus;
let worker: Bus;
beforeAll(async () => {
  storeDir = lab.directory();
  server = await lab.server(storeDir);
  archive = await lab.bus(server, { limits });
  worker = await lab.bus(server, { limits });
  await archive.ensureStreams();
});
afterAll(() => lab.clear());

const sign = workerStateSchema.parse({
  worker: 'worker-1',
  device: 'cpu',
  deviceName: '',
  evaluators: ['torch-1'],
  state: 'idle',
  key: null,
  progress: null,
});

async function kill(): Promise<void> {
  process.kill(server.pid, 'SIGKILL');
  await server.closed;
}
/** Stops the server without a word; its threads take a moment on a busy machine. */
async function freeze(): Promise<void> {
  process.kill(server.pid, 'SIGSTOP');
  await until(() =>
    readdirSync(`/proc/${server.pid}/task`).every((task) =>
      /\) T /.test(readFileSync(`/proc/${server.pid}/task/${task}/stat`, 'utf8')),
    ),
  );
}
async function restart(): Promise<void> {
  server = await lab.server(storeDir, server.port);
}

describe('when the server is killed and comes back', () => {
  it('everything that was waiting goes on by itself', async () => {
    const results: string[] = [];
    const events: number[] = [];
    const signs: Heartbeat[] = [];
    await archive.consumeResults('archive', (each) => {
      results.push(each.key);
      return 'ack';
    });
    await worker.consumeEvents({ from: 'all' }, (each) => void events.push((each as { seed: number }).seed));
    await archive.watchHeartbeats((sign) => void signs.push(sign));
    const claims = { 'job-claim': () => ({ go: true, reason: 'wanted' }) } as unknown as Handlers;
    await archive.serve(claims);
    await archive.publishEvent(event(1));
    await archive.publishEvent(event(2));
    await until(() => events.length === 2);

    const taking = worker.takeJob('cpu', { expiresMs: 60_000 });
    await kill();
    const claim = { key: job(1).key, worker: workerIdSchema.parse('worker-1'), attempt: 1 };
    const asking = worker.ask('job-claim', claim, { timeoutMs: 300, attempts: 1_000 });
    await restart();

    const attempt = async (action: () => Promise<unknown>) => {
      await until(() =>
        action().then(
          () => true,
          () => false,
        ),
      );
    };
    await attempt(() => archive.publishJob('cpu', job(1), 'job-1', { timeoutMs: 500 }));
    const delivery = await taking;
    expect(delivery?.job.key).toBe(job(1).key);
    expect(await asking).toEqual({ go: true, reason: 'wanted' });
    await attempt(() => worker.publishResult(result(1), 'result-1', { timeoutMs: 500 }));
    await until(() => results.includes(result(1).key));
    await delivery?.ack();
    await attempt(() => archive.publishEvent(event(3), 'event-3', { timeoutMs: 500 }));
    await until(() => events.length === 3);
    expect(events).toEqual([1, 2, 3]);
    await until(() => {
      worker.announceWorker(sign);
      return signs.length > 0;
    });
  });

  it('it is found again although the calendar is set back, before and meanwhile', async () => {
    const real = Date.now;
    let aheadMs = 0;
    const calendar = vi.spyOn(Date, 'now').mockImplementation(() => real() + aheadMs);
    onTestFinished(() => calendar.mockRestore());
    const hour = 3_600_000;
    const refused = () => archive.publishEvent(event(4), 'event-4', { timeoutMs: 100 }).catch((thrown) => thrown);
    aheadMs -= hour;
    await kill();
    expect(await refused()).toBeInstanceOf(RetryableError);
    await restart();
    await until(() =>
      archive.publishEvent(event(4), 'event-4', { timeoutMs: 500 }).then(
        () => true,
        () => false,
      ),
    );
    await kill();
    expect(await refused()).toBeInstanceOf(RetryableError);
    aheadMs -= hour;
    await restart();
    await until(() =>
      archive.publishEvent(event(4), 'event-4', { timeoutMs: 500 }).then(
        () => true,
        () => false,
      ),
    );
  });

  it('what was confirmed is still there, and a job in hand goes to its worker’s successor', async () => {
    for (let number = 10; number < 60; number++) await archive.publishJob('cpu', job(number), `job-${number}`);
    const inHand = await worker.takeJob('cpu', { expiresMs: 10_000 });
    expect(inHand?.job.key).toBe(job(10).key);
    await kill();
    await restart();
    const seen = new Set<string>();
    while (seen.size < 50) {
      const delivery = await archive.takeJob('cpu', { expiresMs: 30_000 });
      if (delivery === null) break;
      seen.add(delivery.job.key);
      await delivery.ack();
    }
    expect([...seen].sort()).toEqual(Array.from({ length: 50 }, (_, index) => job(index + 10).key).sort());
  });

  it('a call in between fails in time, as one that may have happened and is worth another try', async () => {
    await kill();
    const published = await archive
      .publishJob('cpu', job(100), 'job-100', { timeoutMs: 200 })
      .catch((thrown) => thrown);
    expect(published).toBeInstanceOf(RetryableError);
    expect(published.code).toBe('bus-timeout');
    const inspected = await archive.inspectWork().catch((thrown) => thrown);
    expect(inspected).toBeInstanceOf(RetryableError);
    expect(await worker.takeJob('cpu', { expiresMs: 100 })).toBeNull();
    worker.announceAgent({ search: 'a' as never, agent: 'b' as never, state: 'thinking', note: '' });
    await restart();
    await until(() => archive.publishJob('cpu', job(100), 'job-100', { timeoutMs: 500 }).catch(() => false as const));
    const delivery = await worker.takeJob('cpu', { expiresMs: 30_000 });
    expect(delivery?.job.key).toBe(job(100).key);
    await delivery?.ack();
    expect(await worker.takeJob('cpu', { expiresMs: 200 })).toBeNull();
  });

  it('who was subscribing when it died hears and answers afterwards', async () => {
    const [listener, answerer] = [await lab.bus(server, { limits }), await lab.bus(server, { limits })];
    const signs: Heartbeat[] = [];
    // Stopped first, so that both wait for its answer when it dies.
    await freeze();
    const watching = listener.watchHeartbeats((heard) => void signs.push(heard));
    const serving = answerer.serve({ 'search-name': () => ({ search: 'again-1' }) } as unknown as Handlers);
    await kill();
    await restart();
    await Promise.all([watching, serving]);
    await until(() =>
      worker.ask('search-name', { family: agentNameSchema.parse('again') }, { timeoutMs: 300 }).then(
        ({ search }) => search === 'again-1',
        () => false,
      ),
    );
    await until(() => {
      worker.announceWorker(sign);
      return signs.length > 0;
    });
    await (await serving).stop();
    await (await watching).stop();
  });

  it('who was subscribing when it died, and is closed before it is back, is told so', async () => {
    const listener = await lab.bus(server, { limits });
    await freeze();
    const watching = listener.watchHeartbeats(() => undefined).catch((thrown: unknown) => thrown);
    await kill();
    await listener.close();
    expect(await watching).toMatchObject({ code: 'bus-closed' });
    expect(await watching).toBeInstanceOf(TerminalError);
    await restart();
  });

  it('closing does not wait for it to come back', async () => {
    const leaving = await lab.bus(server, { limits });
    await leaving.consumeResults('archive', () => 'ack');
    await leaving.serve({} as Handlers);
    await leaving.watchHeartbeats(() => undefined);
    const taking = leaving.takeJob('cpu', { expiresMs: 600_000 });
    await kill();
    await leaving.close();
    expect(await taking).toBeNull();
    await restart();
  });
});
