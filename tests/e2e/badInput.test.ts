/** What users get wrong: one sentence, its remedy, status 2, and nothing begun. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, type RunOptions, start } from '../support/program.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

/** Runs a launch that must be refused: the sentence and the remedy. */
async function refusal(args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await aira(['launch', ...args], options);
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  // A sentence and a remedy: no stack, no log.
  expect(stderr).toMatch(/^aira: .+\n {2}remedy: .+\n$/);
  return stderr;
}

function searchesIn(home: string): number {
  if (!existsSync(join(home, 'archive.db'))) return 0;
  return withArchive(home, (db) => (db.prepare('SELECT count(*) AS n FROM searches').get() as { n: number }).n);
}

const fileMistakes: readonly [string, Record<string, unknown>, RegExp[]][] = [
  ['an unknown key', { budgets: { evaluations: 4 } }, [/"budgets"/, /did you mean "budget"/]],
  ['an unknown key further in', { budget: { evaluation: 4, evaluations: 4 } }, [/budget/, /"evaluations"/]],
  ['a missing budget', { budget: undefined }, [/budget/]],
  ['a reference of another depth', { references: [{ name: 'deep', architecture: '5M' }] }, [/deep/, /5 layers/, /4/]],
  ['a reference of no layers', { references: [{ name: 'odd', architecture: 'M X M M' }] }, [/reference "odd"/, /X/]],
  ['an unknown task', { task: 'compose-mad-3q' }, [/compose-mad-3q/, /did you mean "compose-mad-3p"/]],
  ['an unknown profile', { profile: 'nanno' }, [/nanno/, /did you mean "nano"/]],
  ['two agents of one name', { agents: [twoAgents[0], twoAgents[0]] }, [/two agents/, /"chance"/]],
  ['a reserved name', { agents: [{ ...twoAgents[0], name: 'aggregate' }] }, [/aggregate/]],
  ['limits beyond the budget', { agents: [{ ...twoAgents[0], evaluations: 7 }] }, [/7 evaluations/, /6/]],
];

describe('a search file with', () => {
  it.for(fileMistakes)('%s', async ([, changes, patterns]) => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const said = await refusal([toySearch(folder, changes), '--home', home, '--json']);
    for (const pattern of patterns) expect(said).toMatch(pattern);
    // Found before anything was made.
    expect(existsSync(home)).toBe(false);
  });
});

it('a search file that is no YAML', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'broken.yaml');
  writeFileSync(file, 'task: toy\nagents: [ { name: a\nbudget: 3\n');
  expect(await refusal([file, '--home', join(folder, 'home')])).toMatch(/not YAML.*line \d/);
});

it('no search file at all', async () => {
  const folder = temporaryFolder();
  expect(await refusal([join(folder, 'none.yaml'), '--home', folder])).toMatch(/none\.yaml/);
  expect(await refusal(['--home', folder])).toMatch(/--resume/);
});

describe('a place that will not do', () => {
  it('a Python that is not there', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const env = { AIRA_PYTHON: '/nowhere/python3' };
    expect(await refusal([toySearch(folder), '--home', home], { env })).toMatch(/AIRA_PYTHON.*\/nowhere\/python3/s);
    expect(existsSync(home)).toBe(false);
  });

  it('a NATS server that does not answer', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    // A port that was free a moment ago.
    const port = await takePort(true);
    const url = `nats://user:canary-secret@127.0.0.1:${port}`;
    const said = await refusal([toySearch(folder), '--home', home, '--nats', url]);
    expect(said).toContain(`nats://127.0.0.1:${port}`);
    expect(said).not.toContain('canary-secret');
    expect(searchesIn(home)).toBe(0);
  });

  it('a port that is taken', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const port = await takePort(false);
    expect(await refusal([toySearch(folder), '--home', home, '--port', `${port}`])).toContain(`${port}`);
    expect(searchesIn(home)).toBe(0);
  });

  it('an archive of a newer Aira', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    mkdirSync(home);
    const db = new Database(join(home, 'archive.db'));
    // "AIRA": the application id by which an archive is known.
    db.exec('CREATE TABLE searches (id TEXT)');
    db.pragma(`application_id = ${0x41495241}`);
    db.pragma('user_version = 99');
    db.close();
    expect(await refusal([toySearch(folder), '--home', home])).toMatch(/newer.*99/);
    expect(searchesIn(home)).toBe(0);
  });

  it('a file that is no archive', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'archive.db'), 'this is no database, only a text of some length\n'.repeat(40));
    expect(await refusal([toySearch(folder), '--home', home])).toMatch(/archive\.db/);
  });

  it('a search that nobody has begun', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    expect(await refusal(['--resume', 'nobody-1', '--home', home])).toMatch(/no search "nobody-1"/);
    expect(searchesIn(home)).toBe(0);
  });

  it('a home in which another search is going on', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const file = toySearch(folder, { profile: 'long' });
    const first = start(['launch', file, '--home', home, '--json']);
    await first.event(({ event }) => event === 'node-submitted', 'a first proposal');
    expect(await refusal([file, '--home', home])).toContain(`(PID ${first.pid}`);
    expect(first.isOver).toBe(false);
    expect(searchesIn(home)).toBe(1);
  });

  it('a disk that is full', async ({ skip }) => {
    const folder = temporaryFolder();
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'pipe' });
    } catch (thrown) {
      skip(`this user cannot mount a small file system: ${(thrown as Error).message.split('\n').at(-2) ?? ''}`);
    }
    onTestFinished(() => void execFileSync('umount', ['-l', disk]));
    const home = join(disk, 'home');
    expect(await refusal([toySearch(folder), '--home', home])).toMatch(/MB are free|full/);
    expect(searchesIn(home)).toBe(0);
  });
});

/** A port that is held until the test is over, or was free a moment ago. */
async function takePort(release: boolean): Promise<number> {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const { port } = holder.address() as { port: number };
  const close = () => new Promise<void>((resolve) => void holder.close(() => resolve()));
  if (release) await close();
  else onTestFinished(close);
  return port;
}

describe('a name that is taken', () => {
  it('by another search is refused in one sentence, and by the same one, finished, is said to be', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const file = toySearch(folder, { budget: { evaluations: 2 }, references: [] });
    const first = await aira(['launch', file, '--home', home, '--name', 'mine']);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).not.toMatch(/finished before/);
    const again = await aira(['launch', file, '--home', home, '--name', 'mine']);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stdout).toMatch(/"mine" has already finished: nothing is trained/);
    const other = toySearch(folder, { budget: { evaluations: 3 }, references: [] }, 'other');
    const said = await refusal([other, '--home', home, '--name', 'mine']);
    expect(said).toMatch(/"mine" names another search in this lab.*\n.*--resume mine/);
    expect(searchesIn(home)).toBe(1);
    const wrong = await aira(['trace', 'mine', 'nobody', '--home', home]);
    expect(wrong).toMatchObject({ code: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/"nobody" is not an agent of "mine"\n {2}remedy: choose one of chance, climber\n/);
  });
});
