/** The server loses everything it holds while a search goes on (I1: deleting every stream loses nothing). */
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { isRunning } from '../evaluators/support/processes.ts';
import { type Contents, trainingCounts } from '../support/ledger.ts';
import { start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';
import { audit } from './audit.ts';
import { violations } from './checker.ts';
import { freePort } from './distributedLab.ts';
import { serve } from './server.ts';
import { undisturbed } from './undisturbed.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-streams-'));
let calm: Contents;
let file: string;
/** The training under way, and one whose result was published and not yet recorded. */
const cutOff = 2;

beforeAll(async () => {
  file = toySearch(folder, { profile: 'long', budget: { evaluations: 5 }, references: [], ladder: { promote: 0.4 } });
  calm = await undisturbed(folder, file, 'wiped');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('an archive that comes back to an empty server fills it again', async () => {
  const home = join(folder, 'restarted');
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  const archive = ['archive', '--home', home, '--port', `${port}`];
  const first = start(archive);
  await first.until(() => / at nats:/.test(first.stderr), 'the address of the archive');
  const launch = ['launch', file, '--name', 'wiped', '--home', home, '--json', '--nats', url];
  const launcher = start([...launch, '--without', 'archive']);
  await launcher.event(({ event }) => event === 'node-evaluated', 'a first result');
  const { server } = JSON.parse(readFileSync(join(home, 'nats/owner.json'), 'utf8')) as { server: { pid: number } };
  first.kill('SIGKILL');
  await first.ended;
  await vi.waitFor(() => expect(isRunning(server.pid)).toBe(false), { timeout: 20_000, interval: 20 });
  rmSync(join(home, 'nats/jetstream'), { recursive: true });
  const second = start(archive);
  const { code, stderr } = await launcher.ended;
  expect(code, stderr).toBe(0);
  second.kill('SIGTERM');
  await second.ended;
  expect(violations(home, 'wiped', { undisturbed: calm, cutOff, told: launcher.events })).toEqual([]);
  await audit(home, 'wiped');
});

it('a server that comes back empty is filled by those who stayed', async () => {
  const home = join(folder, 'stayed');
  const store = join(folder, 'store');
  const port = await freePort();
  const url = `nats://127.0.0.1:${port}`;
  let server = await serve(store, port);
  onTestFinished(() => void server.kill('SIGKILL'));
  const launcher = start(['launch', file, '--name', 'wiped', '--home', home, '--json', '--nats', url]);
  await launcher.event(({ event }) => event === 'node-evaluated', 'a first result');
  // With a training under way, whose job the server then knows nothing of.
  await vi.waitFor(() => expect(trainingCounts(home).unheard).toBe(1), { timeout: 20_000, interval: 10 });
  server.kill('SIGKILL');
  await once(server, 'exit');
  rmSync(store, { recursive: true });
  server = await serve(store, port);
  const { code, stderr } = await launcher.ended;
  expect(code, stderr).toBe(0);
  expect(violations(home, 'wiped', { undisturbed: calm, cutOff, told: launcher.events })).toEqual([]);
  await audit(home, 'wiped');
});
