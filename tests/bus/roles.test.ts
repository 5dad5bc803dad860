/** Each role tries what it may not, on a real server with the users of a lab (I12). */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator, nkeys, type Subscription } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bus, labAccess, labUsers, type NatsServer, type Role, roles } from '../../src/bus/index.ts';
import { requests } from '../../src/domain/messages.ts';
import { event, everything, job, laboratory, rawConnection, result, until } from './support.ts';

const lab = laboratory();
let home: string;
let server: NatsServer;
/** Hears all that anybody says. */
let all: NatsConnection;
let listening: Subscription;
const heard: string[] = [];
const connections = new Map<Role, { nc: NatsConnection; refused: Set<string> }>();
const buses = new Map<Role, Bus>();
const busOf = (role: Role): Bus => buses.get(role) as Bus;

beforeAll(async () => {
  home = lab.directory();
  server = await lab.server(join(home, 'nats'), undefined, [...labUsers(home), everything]);
  all = await rawConnection(server);
  lab.later(() => all.close());
  listening = all.subscribe('>', { callback: (_, message) => void heard.push(message.subject) });
  for (const role of roles) {
    const access = labAccess(home, role) ?? {};
    const nc = await connect({
      ...{ servers: server.url, inboxPrefix: `_INBOX.${role}` },
      authenticator: nkeyAuthenticator(access.nkeySeed as Uint8Array),
    });
    lab.later(() => nc.close());
    const refused = new Set<string>();
    void (async () => {
      for await (const { permissionContext: context } of nc.status()) {
        if (context) refused.add(`${context.operation} ${context.subject}`);
      }
    })();
    connections.set(role, { nc, refused });
    buses.set(role, await lab.bus(server, { access, role }));
  }
  await busOf('archive').ensureStreams();
});
afterAll(() => lab.clear());

/** Does the server let a role say something on a subject? */
async function maySay(role: Role, subject: string): Promise<boolean> {
  const { nc, refused } = connections.get(role) as { nc: NatsConnection; refused: Set<string> };
  const before = heard.length;
  nc.publish(subject, 'a try');
  await nc.flush();
  await all.flush();
  const came = heard.slice(before).includes(subject);
  if (!came) await until(() => refused.has(`publish ${subject}`));
  return came;
}

async function mayHear(role: Role, subject: string): Promise<boolean> {
  const { nc, refused } = connections.get(role) as { nc: NatsConnection; refused: Set<string> };
  refused.delete(`subscription ${subject}`);
  const subscription = nc.subscribe(subject, { callback: () => undefined });
  await nc.flush();
  const isRefused = subscription.isClosed() || refused.has(`subscription ${subject}`);
  if (!subscription.isClosed()) subscription.unsubscribe();
  return !isRefused;
}

/** Who may ask what, written out once more: a mistake in the program's table must not hide itself. */
const askers: Readonly<Record<string, readonly Role[]>> = {
  'search-open': ['search'],
  'search-name': ['search'],
  'search-spec': ['search'],
  'search-status': ['search', 'agent', 'viewer'],
  'search-phase': ['search'],
  'search-ranking': ['search'],
  'search-evaluations': ['search'],
  'search-tests': ['search'],
  'search-rule': ['person'],
  'node-add': ['search'],
  'node-evaluate': ['search'],
  'agent-join': ['agent'],
  'agent-view': ['agent'],
  'agent-retire': ['agent'],
  'agent-away': ['agent'],
  'idea-claim': ['agent'],
  'insight-post': ['agent'],
  'agent-submit': ['agent'],
  'call-reserve': ['agent'],
  'call-settle': ['agent'],
  'rehearsal-reserve': ['agent'],
  'rehearsal-settle': ['agent'],
  'job-claim': ['worker'],
  'job-checkpoint': ['worker'],
  'job-release': ['worker'],
  'worker-hello': ['worker'],
};

const speakers: Readonly<Record<string, readonly Role[]>> = {
  'aira.result': ['worker'],
  'aira.work.cpu': ['archive'],
  'aira.event.first.phase-changed': ['archive'],
  'aira.sign.worker.cpu-1': ['worker'],
  'aira.sign.agent.first.composer': ['agent'],
  '_INBOX.worker.somebody': ['archive'],
  '_INBOX.agent.somebody': ['archive'],
  'anything.else': [],
};

const hearers: Readonly<Record<string, readonly Role[]>> = {
  '>': [],
  'aira.>': [],
  '$JS.>': [],
  '_INBOX.>': [],
  'aira.archive.*': ['archive'],
  'aira.archive.agent-join': ['archive'],
  'aira.archive.job-claim': ['archive'],
  'aira.result': [],
  'aira.work.*': [],
  'aira.event.>': [],
  '$JS.ACK.>': [],
  '_INBOX.archive.>': ['archive'],
  '_INBOX.search.>': ['search'],
  '_INBOX.worker.>': ['worker'],
  '_INBOX.agent.>': ['agent'],
  '_INBOX.viewer.>': ['viewer'],
  '_INBOX.person.>': ['person'],
  'aira.sign.worker.*': ['search', 'viewer'],
};

describe('on the server of a lab', () => {
  it('nobody is let in without a key, or with a key of their own', async () => {
    const strangers = [
      {},
      { user: 'aira', pass: 'aira' },
      { token: 'aira' },
      { authenticator: nkeyAuthenticator(nkeys.createUser().getSeed()) },
    ];
    for (const shown of strangers) {
      await expect(connect({ servers: server.url, reconnect: false, ...shown })).rejects.toMatchObject({
        code: 'AUTHORIZATION_VIOLATION',
      });
    }
  });

  it('keys are in files of their owner alone, and the server knows public halves', () => {
    expect(statSync(join(home, 'credentials')).mode & 0o777).toBe(0o700);
    const config = readFileSync(join(home, 'nats/nats.conf'), 'utf8');
    expect(statSync(join(home, 'nats/nats.conf')).mode & 0o777).toBe(0o600);
    for (const role of roles) {
      const path = join(home, 'credentials', `${role}.nk`);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const seed = readFileSync(path, 'utf8').trim();
      expect(config).not.toContain(seed);
      expect(readFileSync(`/proc/${server.pid}/cmdline`, 'utf8')).not.toContain(seed);
      expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8')).not.toContain(seed);
    }
  });

  it.each(roles)('as %s, only what the role has to ask can be asked', async (role) => {
    expect(Object.keys(askers).sort()).toEqual(Object.keys(requests).sort());
    for (const [verb, allowed] of Object.entries(askers)) {
      expect(await maySay(role, `aira.archive.${verb}`), verb).toBe(allowed.includes(role));
    }
  });

  it.each(roles)('as %s, only what the role has to say can be said', async (role) => {
    for (const [subject, allowed] of Object.entries(speakers)) {
      expect(await maySay(role, subject), subject).toBe(allowed.includes(role));
    }
  });

  it.each(roles)('as %s, only what is meant for the role can be heard', async (role) => {
    for (const [subject, allowed] of Object.entries(hearers)) {
      expect(await mayHear(role, subject), subject).toBe(allowed.includes(role));
    }
  });

  it.each(roles.filter((role) => role !== 'archive'))(
    'as %s, streams can be neither read nor altered',
    async (role) => {
      const { nc } = connections.get(role) as { nc: NatsConnection };
      for (const stream of ['WORK', 'RESULTS', 'EVENTS']) {
        const refused = [
          ...[
            'STREAM.DELETE',
            'STREAM.PURGE',
            'STREAM.UPDATE',
            'STREAM.MSG.GET',
            'STREAM.MSG.DELETE',
            'STREAM.SNAPSHOT',
          ],
          ...['STREAM.CREATE', 'CONSUMER.LIST', 'CONSUMER.NAMES', 'DIRECT.GET'],
          ...(stream === 'EVENTS' ? [] : ['STREAM.INFO', 'CONSUMER.CREATE']),
        ];
        for (const verb of refused)
          expect(await maySay(role, `$JS.API.${verb}.${stream}`), `${verb} ${stream}`).toBe(false);
        const durable = `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.mine`;
        expect(await maySay(role, durable), durable).toBe(false);
      }
      expect(await maySay(role, '$JS.API.CONSUMER.MSG.NEXT.RESULTS.archivist')).toBe(false);
      expect(await maySay(role, '$JS.API.CONSUMER.DELETE.RESULTS.archivist')).toBe(false);
      await nc.flush();
      expect((await all.jetstreamManager().then((jsm) => jsm.streams.names().next())).sort()).toEqual([
        'EVENTS',
        'RESULTS',
        'WORK',
      ]);
    },
  );

  it('each role does what it is for', async () => {
    const results: string[] = [];
    const events: number[] = [];
    const consuming = await busOf('archive').consumeResults('archivist', ({ key }) => {
      results.push(key);
      return 'ack';
    });
    for (const role of ['viewer', 'agent'] as const) {
      const watching = await busOf(role).consumeEvents({ from: 'new' }, () => void events.push(1));
      lab.later(() => watching.stop());
    }
    await busOf('archive').publishEvent(event(1));
    await busOf('archive').publishJob('cpu', job(1), 'job-1');
    const delivery = await busOf('worker').takeJob('cpu', { expiresMs: 10_000 });
    expect(delivery?.job.key).toBe(job(1).key);
    delivery?.working();
    await busOf('worker').publishResult(result(1), 'result-1');
    await delivery?.ack();
    await until(() => results.length === 1 && events.length === 2);
    await consuming.stop();
  });

  it('a worker whose stream of results is gone has the archive make it', async () => {
    const results: string[] = [];
    const consuming = await busOf('archive').consumeResults('archivist', ({ key }) => {
      results.push(key);
      return 'ack';
    });
    // A listener to everything would look like a stream that does not answer.
    listening.unsubscribe();
    await (await all.jetstreamManager()).streams.delete('RESULTS');
    await busOf('worker').publishResult(result(2), 'result-2');
    await until(() => results.includes(result(2).key));
    await consuming.stop();
  });
});

describe('a role', () => {
  it('is not played with the key of another', async () => {
    for (const [role, key] of [
      ['worker', 'agent'],
      ['archive', 'viewer'],
    ] as const) {
      const access = labAccess(home, key) ?? {};
      await expect(lab.bus(server, { role, access })).rejects.toMatchObject({ code: 'nats-role' });
    }
  });

  it('can tell whether the server keeps it from what is meant for the archive', async () => {
    expect(await busOf('worker').separatesRoles()).toBe(true);
    expect(await busOf('viewer').separatesRoles()).toBe(true);
    const open = await lab.bus(server);
    expect(await open.separatesRoles()).toBe(false);
  });
});
