/** A reader that leaves, a full device, and the exit statuses of a launch. */
import { execFile } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

/** Runs a line of bash in which `aira` is the program; answers the status of the first command of its pipe, and stderr. */
function shell(line: string): Promise<{ status: number; stdout: string; stderr: string }> {
  const main = `${process.execPath} ${join(inject('installation'), 'dist/cli/main.js')}`;
  const script = `aira() { ${main} "$@"; }; ${line}; echo "status \${PIPESTATUS[0]}"`;
  return new Promise((resolve) => {
    execFile('bash', ['-c', script], { env: { ...process.env, NO_COLOR: '1' } }, (_, stdout, stderr) => {
      resolve({ status: Number(/status (\d+)/.exec(stdout)?.[1] ?? -1), stdout, stderr });
    });
  });
}

const phase = (home: string) =>
  withArchive(home, (db) => db.prepare('SELECT phase FROM phases ORDER BY seq DESC LIMIT 1').get());

it('a reader that leaves ends no search, and ends a list quietly', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const launched = await shell(`aira launch ${toySearch(folder)} --home ${home} --json | head -1`);
  expect(launched.stdout).toContain('"event":"started"');
  expect(launched, launched.stderr).toMatchObject({ status: 0 });
  expect(launched.stderr).toContain('the reader of the output has exited; the search continues');
  expect(phase(home)).toEqual({ phase: 'finished' });

  const listed = await shell(`aira nodes toy-1 --home ${home} --json | head -1`);
  expect(listed).toMatchObject({ status: 0, stderr: '' });

  const full = await shell(`aira nodes toy-1 --home ${home} > /dev/full`);
  expect(full.status).toBe(1);
  expect(full.stderr).toMatch(/^aira: the output cannot be written: .*\n$/);
});

it('a search on a full device of output goes on', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const { status, stderr } = await shell(`aira launch ${toySearch(folder)} --home ${home} --json > /dev/full`);
  expect(stderr).not.toContain('    at ');
  expect(status, stderr).toBe(0);
  expect(phase(home)).toEqual({ phase: 'finished' });
});

it('notices reach a command, and a target that is away ends nothing', async () => {
  const folder = temporaryFolder();
  const [home, out] = [join(folder, 'home'), join(folder, 'notices.jsonl')];
  const command = `cat >> ${out}`;
  const args = ['--notify', 'http://127.0.0.1:9/secret', '--notify', command, '--json'];
  const { code, stdout, stderr } = await aira(['launch', toySearch(folder), '--home', home, ...args]);
  expect(code, stderr).toBe(0);
  const notices = readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(notices.map(({ notice }) => notice)).toEqual(expect.arrayContaining(['best', 'budget', 'end']));
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = lines.at(-1);
  const { best, proposals, how } = notices.at(-1);
  expect([how, last.event]).toEqual(['finished', 'finished']);
  // The numbers are those of the last line.
  expect([best.node, best.validation]).toEqual([last.best.node, last.best.validation]);
  expect(last).toMatchObject(proposals);
  const failures = lines.filter(({ message }) => message?.startsWith('a notice'));
  expect(failures.map(({ message }) => message)).toEqual([
    'a notice did not reach 127.0.0.1:9: it cannot be reached, or is busy; the search continues',
  ]);
});

it('without a score on the final rung the status is 3, and the reason is told', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const file = toySearch(folder, { budget: { evaluations: 6, minutes: 0.001 } });
  const { code, stdout } = await aira(['launch', file, '--home', home, '--json']);
  expect(code).toBe(3);
  const last = JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}');
  expect(last.endings).toContainEqual(expect.objectContaining({ of: 'search', reason: 'minutes-over' }));
});

it('a task whose data cannot be prepared is refused before anything is recorded, and the home stays usable', async () => {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const task = join(folder, 'DocsFail');
  cpSync(join(import.meta.dirname, '../support/tasks/DocsFail'), task, { recursive: true });
  const agents = [{ name: 'tuner', model: 'local/tuner', scaffold: 'greedy' }];
  const broken = toySearch(folder, { task, agents, references: undefined, budget: { evaluations: 1 } }, 'broken');
  const { code, stderr } = await aira(['launch', broken, '--home', home]);
  expect(stderr).toContain("cannot prepare the task's data");
  expect(code, stderr).toBe(2);
  expect(withArchive(home, (db) => db.prepare('SELECT count(*) AS n FROM searches').get())).toEqual({ n: 0 });
  expect(await aira(['launch', toySearch(folder), '--home', home, '--json'])).toMatchObject({ code: 0 });
});
