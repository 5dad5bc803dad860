/** Servers of others: each way in which they ask who is there, and TLS, with a real server each (S4). */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { nkeys } from 'nats';
import { afterEach, describe, expect, it } from 'vitest';
import { connectBus } from '../../src/bus/index.ts';
import { type NatsOptions, natsAccess } from '../../src/cli/setting.ts';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { binary, laboratory, quiet, until } from './support.ts';

const lab = laboratory();
afterEach(() => lab.clear());

/** A server with a configuration of the test's own; answers `host:port`. */
async function serve(config: Record<string, unknown>): Promise<string> {
  const folder = lab.directory();
  const path = join(folder, 'server.conf');
  const jetstream = { store_dir: join(folder, 'store') };
  writeFileSync(path, JSON.stringify({ host: '127.0.0.1', port: -1, ports_file_dir: folder, jetstream, ...config }));
  const server = spawn(binary, ['-c', path], { stdio: 'ignore' });
  lab.later(async () => {
    server.kill();
    await once(server, 'exit');
  });
  const ports = join(folder, `nats-server_${server.pid}.ports`);
  const { nats } = await until(() => JSON.parse(readFileSync(ports, 'utf8')) as { nats: [string] });
  return new URL(nats[0]).host;
}

type Environment = Readonly<Record<string, string>>;

/** Connects as the commands do, and does something that only a known user can. */
async function meet(options: NatsOptions, environment: Environment = {}): Promise<void> {
  const { url, access } = natsAccess(options, environment);
  const shown = { url: url ?? '', access: access ?? undefined, role: 'archive' as const };
  const bus = await connectBus({ ...shown, name: 'test', clock: systemClock, ids: () => 'id', log: quiet });
  lab.later(() => bus.close());
  await bus.ensureStreams();
}

async function refusal(options: NatsOptions, environment: Environment = {}): Promise<PrerequisiteError> {
  const failure = await meet(options, environment).then(
    () => new Error('it was let in'),
    (thrown: unknown) => thrown,
  );
  expect(failure).toBeInstanceOf(PrerequisiteError);
  return failure as PrerequisiteError;
}

function file(name: string, text: string | Uint8Array): string {
  const path = join(lab.directory(), name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const users = (user: Record<string, unknown>) => ({ accounts: { A: { jetstream: 'enabled', users: [user] } } });

describe('a server that wants user and password', () => {
  const password = 'p@ss:w/rd%';

  it('takes them from the address', async () => {
    const host = await serve(users({ user: 'me', password }));
    await meet({ nats: `nats://me:${encodeURIComponent(password)}@${host}` });
    const failure = await refusal({ nats: `nats://me:wrong-secret@${host}` });
    expect(failure.code).toBe('nats-refused');
    expect(JSON.stringify([failure.message, failure.remedy])).not.toContain('wrong-secret');
  });

  it('takes them from the environment', async () => {
    const host = await serve(users({ user: 'me', password }));
    await meet({ nats: `nats://${host}` }, { AIRA_NATS_USER: 'me', AIRA_NATS_PASSWORD: password });
    expect(await refusal({ nats: `nats://${host}` })).toMatchObject({ code: 'nats-refused' });
  });
});

it('a server that wants a token takes it from the address or the environment', async () => {
  const host = await serve({ authorization: { token: 'only-a-token' } });
  await meet({ nats: `nats://only-a-token@${host}` });
  await meet({ nats: host }, { AIRA_NATS_TOKEN: 'only-a-token' });
  expect(await refusal({ nats: `nats://another@${host}` })).toMatchObject({ code: 'nats-refused' });
});

it('a server that knows an nkey takes the file of its seed', async () => {
  const key = nkeys.createUser();
  const host = await serve(users({ nkey: key.getPublicKey() }));
  await meet({ nats: host, natsNkey: file('user.nk', `${new TextDecoder().decode(key.getSeed())}\n`) });
  const other = file('other.nk', nkeys.createUser().getSeed());
  expect(await refusal({ nats: host, natsNkey: other })).toMatchObject({ code: 'nats-refused' });
});

describe('a server with an operator', () => {
  type Key = ReturnType<typeof nkeys.createUser>;
  const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

  /** A JWT as nsc makes it: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt */
  function jwt(issuer: Key, subject: Key, name: string, nats: Record<string, unknown>): string {
    const claims = {
      jti: name,
      iat: 1_700_000_000,
      iss: issuer.getPublicKey(),
      name,
      sub: subject.getPublicKey(),
      nats,
    };
    const signed = `${base64({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64(claims)}`;
    return `${signed}.${Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url')}`;
  }

  it('takes the file of credentials', async () => {
    const [operator, account, system, user] = [
      ...[nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount(), nkeys.createUser()],
    ] as [Key, Key, Key, Key];
    const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const accountJwt = jwt(operator, account, 'A', { type: 'account', version: 2, limits: { ...limits, ...storage } });
    const systemJwt = jwt(operator, system, 'SYS', { type: 'account', version: 2, limits });
    const userLimits = { subs: -1, data: -1, payload: -1 };
    const userJwt = jwt(account, user, 'me', { type: 'user', version: 2, pub: {}, sub: {}, ...userLimits });
    const host = await serve({
      operator: jwt(operator, operator, 'O', { type: 'operator', version: 2 }),
      resolver: 'MEMORY',
      resolver_preload: { [account.getPublicKey()]: accountJwt, [system.getPublicKey()]: systemJwt },
      system_account: system.getPublicKey(),
    });
    const creds = (seed: Uint8Array) =>
      [
        ...['-----BEGIN NATS USER JWT-----', userJwt, '------END NATS USER JWT------', ''],
        ...['-----BEGIN USER NKEY SEED-----', new TextDecoder().decode(seed), '------END USER NKEY SEED------', ''],
      ].join('\n');
    await meet({ nats: host, natsCreds: file('me.creds', creds(user.getSeed())) });
    const stolen = file('stolen.creds', creds(nkeys.createUser().getSeed()));
    expect(await refusal({ nats: host, natsCreds: stolen })).toMatchObject({ code: 'nats-refused' });
  });
});

describe('a server with TLS', () => {
  /** An authority, and certificates of it for the server and a client. */
  function certificates(): Record<'ca' | 'server' | 'serverKey' | 'client' | 'clientKey' | 'otherCa', string> {
    const folder = lab.directory();
    const at = (name: string) => join(folder, name);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    for (const ca of ['ca', 'other']) {
      openssl(
        'req',
        '-x509',
        ...newKey,
        '-keyout',
        `${ca}.key`,
        '-out',
        `${ca}.pem`,
        '-days',
        '2',
        '-subj',
        `/CN=${ca}`,
      );
    }
    writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost');
    for (const name of ['server', 'client']) {
      openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'names'];
      openssl('x509', '-req', '-in', `${name}.csr`, ...signing, '-out', `${name}.pem`);
    }
    return {
      ...{ ca: at('ca.pem'), otherCa: at('other.pem'), server: at('server.pem'), serverKey: at('server.key') },
      ...{ client: at('client.pem'), clientKey: at('client.key') },
    };
  }

  it('is believed for the authority that was given, and no other', async () => {
    const { ca, otherCa, server, serverKey } = certificates();
    const host = await serve({ tls: { cert_file: server, key_file: serverKey } });
    await meet({ nats: `tls://${host}`, natsCa: ca });
    for (const natsCa of [otherCa, undefined]) {
      const failure = await refusal({ nats: `tls://${host}`, ...(natsCa && { natsCa }) });
      expect(failure.code).toBe('nats-unreachable');
      expect(failure.message).toMatch(/certificate|issuer/i);
    }
  });

  it('is shown our own certificate where it wants one', async () => {
    const { ca, server, serverKey, client, clientKey } = certificates();
    const host = await serve({ tls: { cert_file: server, key_file: serverKey, ca_file: ca, verify: true } });
    await meet({ nats: `tls://${host}`, natsCa: ca, natsCert: client, natsKey: clientKey });
    await refusal({ nats: `tls://${host}`, natsCa: ca });
  });

  it('is not met in the clear by a tls:// address', async () => {
    const host = await serve({});
    await refusal({ nats: `tls://${host}` });
  });
});

describe('credentials that do not go together', () => {
  const wrong: readonly [string, NatsOptions, Environment, RegExp][] = [
    ['of two kinds', { nats: 'nats://me:secret@h', natsNkey: 'NKEY' }, {}, /two kinds/],
    ['without a server', { natsCreds: 'NKEY' }, {}, /--nats-creds needs an external NATS server/],
    ['in a file that is not there', { nats: 'h', natsCreds: '/nowhere' }, {}, /--nats-creds cannot be read/],
    ['of half a certificate', { nats: 'h', natsCert: 'NKEY' }, {}, /must be given together/],
    ['with half an escape', { nats: 'nats://me:100%@h' }, {}, /encoded/],
    ['of a cluster, half of it without TLS', { nats: 'tls://a,nats://b' }, {}, /some addresses .* use TLS/],
    ['of two users', { nats: 'nats://me:secret@a,nats://you:secret@b' }, {}, /different users/],
    ['with a name that is no address', { nats: 'nats://a,nats://me:secret@[' }, {}, /not the address/],
  ];

  it.each(wrong)('%s are refused in one sentence', (_, options, environment, sentence) => {
    const nkey = file('user.nk', nkeys.createUser().getSeed());
    const given = JSON.parse(JSON.stringify(options).replaceAll('NKEY', nkey)) as NatsOptions;
    expect(() => natsAccess(given, environment)).toThrow(sentence);
    expect(() => natsAccess(given, environment)).not.toThrow(/secret|100%/);
  });
});

describe('the addresses of a cluster', () => {
  it('lose their credentials, which any of them may name', () => {
    const { url, access } = natsAccess({ nats: 'nats://a:1, nats://me:secret@b:2,c' }, {});
    expect(url).toBe('nats://a:1,nats://b:2,c');
    expect(access).toEqual({ user: 'me', password: 'secret' });
  });

  it('lead to the servers that are there', async () => {
    const host = await serve({});
    const dead = createServer().listen(0, '127.0.0.1');
    await once(dead, 'listening');
    const { port } = dead.address() as AddressInfo;
    dead.close();
    await once(dead, 'close');
    await meet({ nats: `nats://127.0.0.1:${port},nats://${host}` });
  });
});
