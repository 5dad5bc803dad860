/** Every part of a lab as a process of its own. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { contentsOf } from '../support/ledger.ts';
import { aira, start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

it('five processes do together what one does alone', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const file = toySearch(folder);

  const archive = start(['archive', '--home', home]);
  const url = await archive.until(() => /at (nats:\S+)/.exec(archive.stderr)?.[1], 'the address of the archive');
  const worker = start(['worker', '--nats', url, '--home', home, '--workers', '1']);
  // Before there is a search: they wait for it.
  const agents = ['chance', 'climber'].map((name) => start(['agent', 'apart', name, '--nats', url, '--home', home]));
  const search = ['launch', file, '--name', 'apart', '--without', 'workers', 'agents', '--nats', url, '--home', home];
  const launcher = start([...search, '--json']);

  const { code, stderr } = await launcher.ended;
  expect(code, stderr).toBe(0);
  expect(launcher.events.at(-1)).toMatchObject({ event: 'finished', search: 'apart', failed: 0 });
  for (const agent of agents) expect(await agent.ended).toMatchObject({ code: 0 });
  expect([worker.isOver, archive.isOver]).toEqual([false, false]);
  for (const part of [worker, archive]) {
    part.kill('SIGTERM');
    expect(await part.ended).toMatchObject({ code: 143, signal: null });
  }

  const alone = join(folder, 'alone');
  expect(await aira(['launch', file, '--name', 'apart', '--home', alone, '--json'])).toMatchObject({ code: 0 });
  expect(contentsOf(home, 'apart')).toEqual(contentsOf(alone, 'apart'));
});

it('a part without an address to meet at says so', async () => {
  const { code, stderr } = await aira(['worker']);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^aira: .*NATS.*\n {2}remedy: .*--nats.*\n$/);
});
