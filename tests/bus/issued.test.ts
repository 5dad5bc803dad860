/** Keys of other machines on the embedded server: admitted within a second, with an inbox of their own, and cut off at their end. */
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  accessOfSeedFile,
  type Bus,
  connectBus,
  type EmbeddedServer,
  embedServer,
  issueCredential,
  issuedCredentials,
  labAccess,
  listeningOf,
  makeCertificates,
  recordListening,
  revokeCredential,
} from '../../src/bus/index.ts';
import { examineWorker } from '../../src/cli/commands/doctor.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { freePort } from '../chaos/distributedLab.ts';
import { codeOf } from '../support/errors.ts';
import { binary, laboratory, quiet, until } from './support.ts';

const lab = laboratory();
let home: string;
let server: EmbeddedServer;
let port: number;
beforeAll(async () => {
  home = join(lab.directory(), 'home');
  mkdirSync(home);
  port = await freePort();
  const tls = await makeCertificates(home, ['lab.example.org']);
  recordListening(home, { v: 1, host: '127.0.0.1', port, names: ['lab.example.org'], tls });
  server = await embedServer(binary, home, undefined, quiet);
  lab.later(() => server.stop());
});
afterAll(() => lab.clear());

const ca = () => readFileSync(listeningOf(home)?.tls.ca ?? '', 'utf8');

function issue(name: string, expiresAt: number | null = null) {
  const file = join(home, 'keys', name);
  const issued = issueCredential(home, { name, role: 'worker', expiresAt }, file, systemClock.now());
  return { ...issued, file, access: { ...accessOfSeedFile(readFileSync(file, 'utf8')), tls: { ca: ca() } } };
}

async function connected(access: ReturnType<typeof issue>['access']): Promise<Bus> {
  const bus = await until(() =>
    connectBus({
      url: server.url,
      access,
      role: 'worker',
      name: 'test',
      clock: systemClock,
      ids: () => 'id',
      log: quiet,
    }),
  );
  lab.later(() => bus.close());
  return bus;
}
const refusal = (access: ReturnType<typeof issue>['access']) =>
  connectBus({
    url: server.url,
    access,
    role: 'worker',
    name: 'test',
    clock: systemClock,
    ids: () => 'id',
    log: quiet,
  }).then(
    (bus) => bus.close().then(() => 'none'),
    (thrown) => (thrown as { code: string }).code,
  );

describe('a key of another machine', () => {
  it('is one private file; the lab has its public half', () => {
    const { file, nkey } = issue('gpu-1');
    const text = readFileSync(file, 'utf8');
    const [seed = ''] = /^SU\S+$/m.exec(text) ?? [];
    expect(seed).toHaveLength(58);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const list = join(home, 'credentials/issued.json');
    expect(statSync(list).mode & 0o777).toBe(0o600);
    expect(readFileSync(list, 'utf8')).toContain(nkey);
    expect(readFileSync(list, 'utf8')).not.toContain(seed);
    expect(codeOf(() => issue('gpu-1'))).toBe('credential-exists');
    expect(issuedCredentials(home).filter(({ name }) => name === 'gpu-1')).toHaveLength(1);
  });

  it('is admitted by the running server, over TLS, and hears replies at an inbox that no other key hears', async () => {
    const { access, nkey } = issue('gpu-2');
    const bus = await connected(access);
    expect(await bus.separatesRoles()).toBe(true);
    const archive = await connectBus({
      ...{ url: server.url, access: labAccess(home, 'archive') ?? {}, role: 'archive', name: 'a' },
      ...{ clock: systemClock, ids: () => 'id', log: quiet },
    });
    lab.later(() => archive.close());
    await archive.ensureStreams();
    await archive.serve({ 'worker-hello': () => ({ at: 5, evaluators: ['design-1', 'torch-9'] }) } as never);
    expect(await bus.ask('worker-hello', {})).toEqual({ at: 5, evaluators: ['design-1', 'torch-9'] });
    const config = JSON.parse(readFileSync(join(home, 'nats/nats.conf'), 'utf8')) as {
      accounts: { AIRA: { users: { nkey: string; permissions: { subscribe: { allow: string[] } } }[] } };
    };
    const heard = config.accounts.AIRA.users.filter(({ permissions }) =>
      permissions.subscribe.allow.some((subject) => subject === `_INBOX.${nkey}.>` || subject === '_INBOX.>'),
    );
    expect(heard.map((user) => user.nkey)).toEqual([nkey]);
  });

  it('ends when it is revoked, also for a connection that is open', async () => {
    const { access, name } = issue('gpu-3');
    await connected(access);
    revokeCredential(home, name, 7);
    revokeCredential(home, name, 8);
    expect(await until(async () => (await refusal(access)) === 'nats-refused')).toBe(true);
    expect(issuedCredentials(home).find((each) => each.name === name)?.revokedAt).toBe(7);
    expect(codeOf(() => revokeCredential(home, 'gpu-0', 7))).toBe('credential-unknown');
  });

  it('ends at its time', async () => {
    const { access } = issue('gpu-4', systemClock.now() - 1);
    expect(await refusal(access)).toBe('nats-refused');
  });

  it('is not lost with a list that cannot be read: those of before stay admitted', async () => {
    const { access } = issue('gpu-5');
    await connected(access);
    const list = join(home, 'credentials/issued.json');
    const text = readFileSync(list, 'utf8');
    writeFileSync(list, '{');
    expect(codeOf(() => issue('gpu-6'))).toBe('credentials');
    expect(await refusal(access)).toBe('none');
    writeFileSync(list, text);
  });
});

describe('the doctor of a worker', () => {
  const examine = async (changes: Partial<Parameters<typeof examineWorker>[0]>) => {
    const checks = await examineWorker({
      ...{ url: server.url, access: null, home: lab.directory(), storage: null, evaluators: ['torch-0'] },
      ...{ ackWaitMs: 3000, clock: systemClock, log: quiet },
      ...changes,
    });
    return Object.fromEntries(checks.map(({ name, ok, remedy }) => [name, ok ? 'ok' : (remedy ?? 'none')]));
  };

  it('says what is wrong, and what to do', async () => {
    const { access } = issue('gpu-9');
    await connected(access);
    expect(await examine({ url: `tls://127.0.0.1:${await freePort()}` })).toMatchObject({
      address: expect.stringContaining('login node'),
    });
    expect(await examine({})).toMatchObject({ address: 'ok', tls: expect.stringContaining('--nats-ca') });
    expect(await examine({ access: { tls: { ca: ca() } } })).toMatchObject({
      ...{ tls: 'ok', credential: expect.stringContaining('--nats-nkey') },
    });
  });

  it('compares the clock and the evaluators with the archive’s', async () => {
    const { access } = issue('gpu-10');
    await connected(access);
    // The archive that serves since the second test says 5 ms after the epoch, and that jobs wait for torch-9 and a program.
    const found = await examine({ access });
    expect(found).toMatchObject({ archive: 'ok', credential: 'ok', scratch: 'ok' });
    expect(found.clock).toContain('synchronise');
    expect(found.evaluators).toContain('that the search was launched with');
    expect(await examine({ access, evaluators: ['torch-9+mine@1'] })).toMatchObject({ evaluators: 'ok' });
  });
});
