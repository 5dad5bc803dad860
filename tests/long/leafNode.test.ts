/** Workers that reach a lab through a NATS leaf node, as on the login node of a cluster without a route to the lab. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { makeCertificates } from '../../src/bus/index.ts';
import { findNatsServer } from '../../src/platform/installation.ts';
import { audit } from '../chaos/audit.ts';
import { violations } from '../chaos/checker.ts';
import { DistributedLab, freePort } from '../chaos/distributedLab.ts';
import { undisturbed } from '../chaos/undisturbed.ts';
import { aira } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

/** Starts a server with the accounts that Aira prints, and `more` settings, once it listens. */
async function serve(folder: string, port: number, accounts: string, more: object): Promise<ChildProcess> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'nats.conf');
  const settings = Object.entries({ host: '127.0.0.1', port, ...more });
  writeFileSync(file, `${settings.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join('\n')}\n${accounts}`);
  const server = spawn(findNatsServer(), ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr?.on('data', (text) => {
    log += text;
  });
  await vi.waitFor(() => expect(log).toContain('Server is ready'), { timeout: 10_000 });
  return server;
}

it('a worker behind a leaf node trains for the lab, with its own key and no more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-leaf-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = toySearch(folder, { profile: 'steady', seed: 3, budget: { evaluations: 24 }, workers: 2 });
  const calm = await undisturbed(folder, file, 'leaf');
  const home = join(folder, 'home');
  const accounts = async (...more: string[]) => {
    const { code, stdout, stderr } = await aira(['credentials', 'accounts', '--home', home, ...more]);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const [hubPort, leafPort, listen] = await Promise.all([freePort(), freePort(), freePort()]);
  const user = { user: 'login-node', password: 'of-the-leaf-only', account: 'AIRA' };
  const { cert, key, ca } = await makeCertificates(home, []);
  const hub = await serve(join(folder, 'hub'), hubPort, await accounts(), {
    jetstream: { store_dir: join(folder, 'hub'), domain: 'lab' },
    leafnodes: { host: '127.0.0.1', port: listen, tls: { cert_file: cert, key_file: key }, authorization: user },
  });
  onTestFinished(() => void hub.kill('SIGKILL'));
  const url = `tls://${user.user}:${user.password}@127.0.0.1:${listen}`;
  const leaf = await serve(join(folder, 'leaf'), leafPort, await accounts('--leaf', 'lab'), {
    leafnodes: { remotes: [{ url, account: 'AIRA', tls: { ca_file: ca } }] },
  });
  onTestFinished(() => void leaf.kill('SIGKILL'));
  const behind = new Set(['worker-1', 'worker-2', 'agents-2']);
  const urlOf = (name: string) => `nats://127.0.0.1:${behind.has(name) ? leafPort : hubPort}`;
  const lab = new DistributedLab({ folder, file, search: 'leaf', network: { urlOf, envOf: () => ({}) } });
  try {
    await lab.start();
    await lab.finished().catch((thrown) => {
      throw new Error(lab.lastWords(), { cause: thrown });
    });
  } finally {
    await lab.stop();
  }
  expect(lab.strange).toEqual([]);
  expect(violations(lab.home, 'leaf', { undisturbed: calm, cutOff: 0, told: lab.told })).toEqual([]);
  await audit(lab.home, 'leaf');
  // The archive has gone with the lab; the leaf still admits a key of the lab as what it is.
  const doctor = await aira(['doctor', 'worker', '--nats', `nats://127.0.0.1:${leafPort}`, '--home', home]);
  expect(doctor.stdout).toContain('admitted as a worker, and as nothing else');
});
