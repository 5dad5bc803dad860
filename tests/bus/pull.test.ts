import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { AckPolicy, type Msg, type NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Link, openLink } from '../../src/bus/connection.ts';
import type { NatsServer } from '../../src/bus/index.ts';
import { pull } from '../../src/bus/pull.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { everyAccess, laboratory, quiet, rawConnection } from './support.ts';

const lab = laboratory();
let server: NatsServer;
let link: Link;
/** Everyone else. */
let raw: NatsConnection;
beforeEach(async () => {
  server = await lab.server();
  link = await openLink({
    url: server.url,
    access: everyAccess,
    name: 'test',
    clock: systemClock,
    ids: () => 'id',
    log: quiet,
  });
  lab.later(() => link.close());
  raw = await rawConnection(server);
  lab.later(() => raw.close());
  await link.jsm.streams.add({ name: 'S', subjects: ['s'] });
  await link.jsm.consumers.add('S', { durable_name: 'c', ack_policy: AckPolicy.Explicit });
});
afterEach(() => lab.clear());

const never = new AbortController().signal;

interface Options {
  consumer?: string;
  batch?: number;
  expiresMs?: number;
  signal?: AbortSignal;
  acknowledged?: boolean;
}

function begin(options: Options = {}) {
  const { consumer = 'c', batch = 1, expiresMs = 600_000, signal = never, acknowledged = true } = options;
  const messages: Msg[] = [];
  const request = { stream: 'S', consumer, batch, expiresMs, signals: [never, signal], acknowledged };
  return { messages, end: pull(link, request, (message) => void messages.push(message)) };
}

/** While this process is blocked, another one publishes, and sees that the server has sent the message here. */
function publishWhileBlocked(consumer: string, notSentYet: string): void {
  const program = `
    const { connect, nkeyAuthenticator } = require('nats');
    (async () => {
      const nc = await connect({ servers: process.argv[1], authenticator: nkeyAuthenticator(Buffer.from(process.argv[2])) });
      await nc.jetstream().publish('s', 'late');
      const jsm = await nc.jetstreamManager();
      while ((await jsm.consumers.info('S', '${consumer}')).${notSentYet});
      await nc.close();
    })();`;
  const secret = Buffer.from(everyAccess.nkeySeed ?? []).toString();
  execFileSync(process.execPath, ['-e', program, server.url, secret], { cwd: join(import.meta.dirname, '../..') });
}

describe('a pull', () => {
  it('hands over no more than its batch', async () => {
    for (let number = 0; number < 5; number++) await raw.jetstream().publish('s', String(number));
    const { messages, end } = begin({ batch: 3 });
    expect(await end).toBe('full');
    expect(messages.map((message) => message.string())).toEqual(['0', '1', '2']);
    expect((await link.jsm.consumers.info('S', 'c')).num_ack_pending).toBe(3);
  });

  it('ends when its time is up, with what it has', async () => {
    await raw.jetstream().publish('s', 'only');
    const { messages, end } = begin({ batch: 3, expiresMs: 100 });
    expect(await end).toBe('expired');
    expect(messages).toHaveLength(1);
  });

  it('notices that its consumer is deleted, or was never there', async () => {
    const { end } = begin();
    await link.nc.flush();
    await link.jsm.consumers.delete('S', 'c');
    expect(await end).toBe('missing');
    expect(await begin({ consumer: 'nobody' }).end).toBe('silent');
  });

  it('ends at once when the line is cut, and does not begin while it is', async () => {
    const { end } = begin();
    await link.nc.flush();
    process.kill(server.pid, 'SIGKILL');
    expect(await end).toBe('interrupted');
    expect(await begin().end).toBe('interrupted');
  });

  it('ends when it is aborted, and hands back what was on its way', async () => {
    const abort = new AbortController();
    const { messages, end } = begin({ signal: abort.signal });
    await link.nc.flush();
    publishWhileBlocked('c', 'num_ack_pending === 0');
    abort.abort();
    expect(await end).toBe('aborted');
    const next = begin();
    expect(await next.end).toBe('full');
    expect([messages.length, next.messages[0]?.string()]).toEqual([0, 'late']);
    expect(await begin({ signal: abort.signal }).end).toBe('aborted');
  });

  it('says nothing about late messages of a consumer without acknowledgements, which its role may not', async () => {
    await link.jsm.consumers.add('S', { name: 'n', ack_policy: AckPolicy.None });
    const replies: string[] = [];
    raw.subscribe('$JS.ACK.>', { callback: (_, message) => replies.push(message.string()) });
    await raw.flush();
    const abort = new AbortController();
    const { messages, end } = begin({ consumer: 'n', signal: abort.signal, acknowledged: false });
    await link.nc.flush();
    publishWhileBlocked('n', 'delivered.consumer_seq === 0');
    abort.abort();
    expect(await end).toBe('aborted');
    // The late message arrives before the reply to this, and so would an answer to it.
    await link.nc.flush();
    await raw.flush();
    expect(messages).toEqual([]);
    expect(replies).toEqual([]);
  });
});
