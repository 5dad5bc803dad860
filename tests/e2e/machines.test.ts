/**
 * A lab on one machine and a worker on another, each with an address of its own: what an outsider and each role get there,
 * and what ends with a key (I12).
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { audit } from '../chaos/audit.ts';
import { freePort } from '../chaos/distributedLab.ts';
import { type Machines, noNamespaces, twoMachines } from '../support/namespaces.ts';
import { aira, jsonLines, Program, start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

const missing = noNamespaces();
if (missing !== null) console.warn(missing);

interface Report {
  readonly connected?: boolean;
  readonly refused?: readonly string[];
  readonly code?: string;
  readonly message?: string;
  readonly closed?: string;
}

describe.skipIf(missing !== null)('a lab for several machines', () => {
  let machines: Machines;
  let folder: string;
  let home: string;
  let url: string;
  let ca: string;
  let archive: Program;

  /** Issues a key and brings it to the other machine, which has nothing else of the lab. */
  async function issue(role: string, name: string, ...more: string[]): Promise<string> {
    const to = join(folder, 'elsewhere', name);
    const { code, stdout, stderr } = await aira(['credentials', role, name, '--home', home, '--to', to, ...more]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`aira ${role} --nats ${url} --nats-nkey ${role}.nk --nats-ca ca.pem`);
    expect(statSync(join(to, `${role}.nk`)).mode & 0o777).toBe(0o600);
    return join(to, `${role}.nk`);
  }

  /** Runs the intruder on the other machine; its reports, one by one. */
  function intrude(question: object): { next: () => Promise<Report>; end: () => void } {
    const [command, ...rest] = [...machines.gpu.within, process.execPath, 'tests/support/intruder.mjs'];
    const child = spawn(command ?? '', [...rest, JSON.stringify({ url, ...question })], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return {
      next: async () => JSON.parse((await lines.next()).value ?? '{}') as Report,
      end: () => void child.kill('SIGKILL'),
    };
  }
  const report = (question: object) => intrude(question).next();
  /** The same with a key that was just issued: the server admits it within a second. */
  const admitted = async (question: object): Promise<ReturnType<typeof intrude> & { first: Report }> => {
    for (;;) {
      const intruder = intrude(question);
      const first = await intruder.next();
      if (first.code !== 'AUTHORIZATION_VIOLATION') return { ...intruder, first };
    }
  };

  beforeAll(async () => {
    machines = twoMachines();
    folder = mkdtempSync(join(tmpdir(), 'aira-machines-'));
    home = join(folder, 'home');
    const port = await freePort();
    url = `tls://${machines.lab.address}:${port}`;
    const init = ['archive', 'init', '--home', home, '--host', machines.lab.address, '--port', `${port}`];
    const prepared = await new Program(init, {}).ended;
    expect(prepared.code, prepared.stderr).toBe(0);
    ca = join(folder, 'ca.pem');
    copyFileSync(join(home, 'credentials/tls/ca.pem'), ca);
    archive = new Program(['archive', '--home', home], { within: machines.lab.within });
    await archive.until(() => / at tls:/.test(archive.stderr), 'the address of the archive');
  });
  afterAll(async () => {
    archive?.kill('SIGTERM');
    await archive?.ended;
    machines?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('shuts out who has no certificate of its CA, no key, or speaks without TLS', async () => {
    expect(await report({})).toMatchObject({ connected: false });
    expect(await report({ ca: '' })).toMatchObject({
      connected: false,
      message: expect.stringMatching(/self.signed|unable to/i),
    });
    expect(await report({ ca })).toMatchObject({ connected: false, code: 'AUTHORIZATION_VIOLATION' });
    expect(readFileSync(join(home, 'credentials/tls/server.pem'), 'utf8')).toContain('BEGIN CERTIFICATE');
    expect(() => statSync(join(home, 'credentials/tls/ca.key'))).toThrow(/ENOENT/);
  });

  it('lets each role do its part, hear its own inbox, and nothing else', async () => {
    const other = /"nkey":\s*"(U\w+)"/;
    await issue('worker', 'gpu-1');
    const [, foreign = ''] = other.exec(readFileSync(join(home, 'credentials/issued.json'), 'utf8')) ?? [];
    const publishes = {
      worker: ['aira.archive.agent-submit', 'aira.archive.call-reserve', 'aira.archive.search-open', 'aira.work.cpu'],
      agent: ['aira.archive.job-claim', 'aira.result', 'aira.archive.search-tests', 'aira.work.cpu'],
      viewer: ['aira.archive.agent-submit', 'aira.archive.job-claim', 'aira.result', 'aira.sign.worker.x'],
      search: ['aira.archive.agent-submit', 'aira.archive.job-claim', 'aira.result', 'aira.event.a.b'],
    };
    const subscribes = [
      '>',
      'aira.>',
      'aira.archive.*',
      '_INBOX.>',
      '_INBOX.worker.>',
      `_INBOX.${foreign}.>`,
      'aira.result',
    ];
    for (const [role, tried] of Object.entries(publishes)) {
      const nkey = await issue(role, `${role}-of-all`);
      const always = [
        '$JS.API.STREAM.DELETE.WORK',
        '$JS.API.STREAM.PURGE.RESULTS',
        '_INBOX.worker.x',
        `_INBOX.${foreign}.x`,
      ];
      const {
        first: { connected, refused },
      } = await admitted({ ca, nkey, publishes: [...tried, ...always], subscribes });
      expect(connected, role).toBe(true);
      const expected = [
        ...[...tried, ...always].map((each) => `publish ${each}`),
        ...subscribes.map((each) => `subscription ${each}`),
      ];
      expect(refused, role).toEqual(expected.sort());
    }
    const second = await aira(['credentials', 'worker', 'gpu-1', '--home', home]);
    expect(second).toMatchObject({ code: 2, stderr: expect.stringMatching(/"gpu-1" was issued before/) });
  });

  it('cuts off a revoked key at once, and an expired one', async () => {
    const nkey = await issue('worker', 'gpu-8');
    const connected = await admitted({ ca, nkey, stay: true });
    onTestFinished(connected.end);
    expect(connected.first).toMatchObject({ connected: true });
    expect(await aira(['credentials', 'revoke', 'gpu-8', '--home', home])).toMatchObject({ code: 0 });
    expect(await connected.next()).toHaveProperty('closed');
    expect(await report({ ca, nkey })).toMatchObject({ connected: false, code: 'AUTHORIZATION_VIOLATION' });
    const again = await aira(['credentials', 'worker', 'gpu-8', '--home', home]);
    expect(again.stderr).toMatch(/was issued before/);
    const listed = await aira(['credentials', 'list', '--json', '--home', home]);
    expect(jsonLines(listed.stdout)).toContainEqual(expect.objectContaining({ name: 'gpu-8', state: 'revoked' }));
  });

  it('trains on the other machine, which its doctor finds fit', async () => {
    const nkey = await issue('worker', 'gpu-7', '--expires', '7d');
    const other = { within: machines.gpu.within, env: { HOME: join(folder, 'elsewhere') } };
    const nats = ['--nats', url, '--nats-nkey', nkey, '--nats-ca', ca, '--home', join(folder, 'elsewhere/none')];
    const doctor = await aira(['doctor', 'worker', ...nats, '--json'], other);
    const checks = jsonLines<{ name: string; ok: boolean; detail: string }>(doctor.stdout);
    for (const name of [
      'address',
      'tls',
      'credential',
      'archive',
      'clock',
      'evaluators',
      'scratch',
      'gpu',
      'trainer',
    ]) {
      expect(
        checks.find((check) => check.name === name),
        doctor.stdout + doctor.stderr,
      ).toMatchObject({ ok: true });
    }
    const worker = start(['worker', '--workers', '1', ...nats], other);
    const file = toySearch(folder, { budget: { evaluations: 4 } });
    const launch = ['launch', file, '--name', 'far', '--home', home, '--nats', url, '--json'];
    const launcher = start([...launch, '--without', 'archive', 'workers'], { within: machines.lab.within });
    const { code, stderr } = await launcher.ended;
    expect(code, stderr).toBe(0);
    worker.kill('SIGTERM');
    expect((await worker.ended).code).toBe(143);
    await audit(home, 'far');
  });
});
