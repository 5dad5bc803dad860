/**
 * The printed array job on a real Slurm of Debian's packages: four workers on four (pretended) GPUs, one of which is
 * preempted by a more important job and queued again; the search ends as an undisturbed one, and its audit is clean.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { audit } from '../chaos/audit.ts';
import { violations } from '../chaos/checker.ts';
import { freePort } from '../chaos/distributedLab.ts';
import { undisturbed } from '../chaos/undisturbed.ts';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, start } from '../support/program.ts';
import { noSlurm, Slurm } from '../support/slurm.ts';
import { toySearch } from '../support/toySearch.ts';

const graceSeconds = 20;

it('four workers, one preempted and queued again', async ({ skip }) => {
  const missing = noSlurm();
  if (missing !== null) return skip(missing);
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const file = toySearch(folder, { profile: 'long', budget: { evaluations: 60 }, workers: 4 });
  const calm = await undisturbed(folder, file, 'cluster');

  const slurm = new Slurm({ ports: [await freePort(), await freePort()], gpus: 4, graceSeconds });
  onTestFinished(() => slurm.stop());
  await slurm.start();
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const archive = start(['archive', '--home', home, '--port', `${port}`]);
  await archive.until(() => / at nats:/.test(archive.stderr), 'the address of the archive');

  const nkey = join(home, 'credentials/worker.nk');
  const printed = await aira([
    ...['worker', '--print', 'slurm', '--nats', url, '--nats-nkey', nkey, '--count', '4', '--cpus', '1'],
    ...['--grace', '5', '--lifetime', '1', '--max-idle', '0.5'],
  ]);
  expect(printed.code, printed.stderr).toBe(0);
  const script = join(folder, 'workers.sh');
  writeFileSync(script, printed.stdout);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const main = join(inject('installation'), 'dist/cli/main.js');
  writeFileSync(join(bin, 'aira'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`);
  chmodSync(join(bin, 'aira'), 0o755);
  const env = { PATH: `${bin}:${process.env.PATH}`, HOME: folder, AIRA_ACK_WAIT_SECONDS: '3' };
  const submitted = slurm.run('sbatch', ['--parsable', script], env).trim();
  const running = () => slurm.jobs(submitted).filter(({ state }) => state === 'RUNNING');
  await vi.waitFor(() => expect(running()).toHaveLength(4), { timeout: 60_000, interval: 500 });

  const launch = ['launch', file, '--name', 'cluster', '--home', home, '--json', '--nats', url];
  const launcher = start([...launch, '--without', 'archive', 'workers']);
  await launcher.event(({ event }) => event === 'node-evaluated', 'a first result');
  const workers = () =>
    withArchive(home, (db) => db.prepare('SELECT count(DISTINCT worker) AS n FROM attempts').get() as { n: number }).n;
  await vi.waitFor(() => expect(workers()).toBe(4), { timeout: 60_000, interval: 200 });

  // All GPUs are taken: Slurm makes room.
  const important = slurm.run('sbatch', ['--parsable', '-p', 'high', '--gpus=1', '--wrap', 'sleep 3'], env).trim();
  const preempted = () => slurm.jobs(submitted).filter(({ restarts }) => restarts > 0);
  await vi.waitFor(() => expect(preempted()).toHaveLength(1), { timeout: 120_000, interval: 500 });
  await vi.waitFor(() => expect(slurm.jobs(important)[0]?.state).toBe('COMPLETED'), {
    ...{ timeout: 120_000, interval: 500 },
  });

  const { code, stderr } = await launcher.ended;
  expect(code, stderr).toBe(0);
  const isOver = () => slurm.jobs(submitted).every(({ state }) => state === 'COMPLETED');
  await vi.waitFor(() => expect(isOver(), JSON.stringify(slurm.jobs(submitted))).toBe(true), {
    ...{ timeout: 400_000, interval: 1000 },
  });
  for (const each of slurm.jobs(submitted)) expect(each).toMatchObject({ state: 'COMPLETED', exitCode: '0:0' });

  const logs = readdirSync(slurm.folder).filter((name) => name.startsWith('aira-worker-'));
  const texts = logs.map((name) => readFileSync(join(slurm.folder, name), 'utf8'));
  expect(texts.filter((text) => /SIGTERM: no further jobs/.test(text))).toHaveLength(1);
  for (const text of texts) expect(text).toMatch(/no job for 0\.5 minutes/);
  const counts = withArchive(home, (db) =>
    db.prepare('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM releases) AS releases').get(),
  ) as { attempts: number; releases: number };
  console.info(JSON.stringify({ tasks: slurm.jobs(submitted), workers: workers(), ...counts }));
  expect(violations(home, 'cluster', { undisturbed: calm, cutOff: 1, told: launcher.events })).toEqual([]);
  await audit(home, 'cluster');
});
