/** Ctrl-C once, and twice. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { isRunning } from '../evaluators/support/processes.ts';
import { temporaryFolder } from '../support/home.ts';
import { trainingCounts, withArchive } from '../support/ledger.ts';
import { aira, type Program, start } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

const patience = { timeout: 60_000, interval: 20 };

/** Starts a search of trainings that take seconds, and waits until one is under way. */
async function inTheMidst(): Promise<{ home: string; program: Program; server: number }> {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const file = toySearch(folder, {
    profile: 'long',
    budget: { evaluations: 3 },
    references: [],
    ladder: { promote: 0 },
  });
  const program = start(['launch', file, '--home', home, '--json']);
  await program.event(({ event }) => event === 'node-evaluated', 'the first result');
  await vi.waitFor(() => expect(trainingCounts(home).unheard).toBe(1), patience);
  const owner = JSON.parse(readFileSync(join(home, 'nats/owner.json'), 'utf8')) as { server: { pid: number } };
  return { home, program, server: owner.server.pid };
}

async function resume(home: string) {
  const { code, stderr } = await aira(['launch', '--resume', 'toy-1', '--home', home, '--json']);
  expect(code, stderr).toBe(0);
}

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('the first %s lets what is being trained end, and a resume repeats nothing', async (signal, status) => {
  const { home, program, server } = await inTheMidst();
  program.kill(signal);
  const { code, stderr } = await program.ended;
  expect(code, stderr).toBe(status);
  expect(program.events.at(-1)).toMatchObject({ event: 'stopped', search: 'toy-1' });
  expect(program.events.some(({ event }) => event === 'notice')).toBe(true);
  const stopped = trainingCounts(home);
  expect(stopped.unheard).toBe(0);
  expect(stopped.begun).toBe(stopped.known);
  expect(isRunning(server)).toBe(false);

  await resume(home);
  const finished = trainingCounts(home);
  expect(finished.known).toBeGreaterThan(stopped.known);
  expect(finished).toMatchObject({ begun: finished.known, unheard: 0 });
  const phases = withArchive(home, (db) => db.prepare('SELECT phase FROM phases ORDER BY seq').all());
  expect(phases).toContainEqual({ phase: 'stopped' });
  expect(phases.at(-1)).toEqual({ phase: 'finished' });
});

it.each([
  ['SIGUSR1', 75],
  ['SIGUSR2', 75],
  ['SIGTERM', 143],
] as const)(
  'a worker that a scheduler gives notice by %s ends with %i, however often it is signalled',
  async (signal, status) => {
    const home = join(temporaryFolder(), 'home');
    const archive = start(['archive', '--home', home]);
    const url = await archive.until(() => /at (nats:\S+)/.exec(archive.stderr)?.[1], 'the address of the archive');
    const worker = start(['worker', '--nats', url, '--home', home, '--workers', '1']);
    await worker.until(() => / workers? at /.test(worker.stderr), 'the worker');
    for (const _ of [1, 2, 3]) worker.kill(signal);
    const { code, stderr } = await worker.ended;
    expect(code, stderr).toBe(status);
    expect(stderr).toContain(`${signal}: no further jobs`);
  },
);

// The training may end by itself between the two signals; then there was nothing to cut, and the scene is set again.
it('the second SIGINT ends it at once, and leaves nothing running', { retry: 4 }, async () => {
  const { home, program, server } = await inTheMidst();
  program.kill('SIGINT');
  await program.event(({ event }) => event === 'notice', 'the notice of a gentle end');
  program.kill('SIGINT');
  expect(await program.ended).toMatchObject({ code: 130 });
  const cut = trainingCounts(home);
  expect(cut.unheard).toBe(1);
  await vi.waitFor(() => expect(isRunning(server)).toBe(false), patience);

  await resume(home);
  const finished = trainingCounts(home);
  expect(finished.begun - finished.known).toBe(1);
});
