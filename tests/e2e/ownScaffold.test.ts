/** A scaffold of the user from its file to an audited search: killed and resumed, changed, and in a process of its own. */
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SearchSpec } from '../../src/domain/search.ts';
import { packageRoot } from '../../src/platform/index.ts';
import { withArchive } from '../support/ledger.ts';
import { aira, jsonLines, start } from '../support/program.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-own-scaffold-'));
const home = join(folder, 'home');
const scaffolds = join(folder, 'scaffolds');
const mine = join(scaffolds, 'epsilon.mjs');
const run = (...words: string[]) => aira([...words, '--home', home]);
let file: string;

beforeAll(() => {
  cpSync(join(packageRoot, 'templates/workspace/scaffolds'), scaffolds, { recursive: true });
  // Of no search: if it ran, nothing after it would.
  writeFileSync(join(scaffolds, 'bystander.mjs'), 'process.exit(9);\n');
  const scaffold = { kind: 'own', name: 'epsilon', settings: { drafts: 1 } };
  const agents = [twoAgents[0], { ...twoAgents[1], name: 'own', scaffold }];
  file = toySearch(folder, { agents, ladder: { promote: 0 }, budget: { evaluations: 4 }, references: [] });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const specOf = (search: string): SearchSpec =>
  withArchive(home, (db) =>
    JSON.parse((db.prepare('SELECT spec FROM searches WHERE id = ?').get(search) as { spec: string }).spec),
  );

describe('a search with a scaffold of the user', () => {
  it('is killed, and resumed without a flag from any folder', async () => {
    const killed = await aira(['launch', file, '--name', 'whole', '--home', home, '--json'], {
      env: { AIRA_FAILPOINT: 'submit.before-commit:3' },
    });
    expect(killed.signal).toBe('SIGKILL');
    const resumed = await aira(['launch', '--resume', 'whole', '--home', home, '--json'], { cwd: tmpdir() });
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stdout).toContain('"event":"finished"');
  });

  it('records name, digest and all settings, and no path', () => {
    const { agents } = specOf('whole');
    const { scaffold } = agents.find(({ name }) => name === 'own') ?? {};
    expect(scaffold).toEqual({
      kind: 'own',
      name: 'epsilon',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      settings: { epsilon: 0.2, drafts: 1 },
    });
    expect(JSON.stringify(agents)).not.toContain(folder);
  });

  it('shows it in trace and report, and the audit repeats its decisions', async () => {
    const label = /epsilon@[0-9a-f]{12}/;
    expect((await run('trace', 'whole', 'own')).stdout).toMatch(label);
    expect(readFileSync(join(home, 'reports/whole.html'), 'utf8')).toMatch(label);
    const { code, stdout } = await run('audit', 'whole', '--retrain', '1', '--json');
    expect([code, jsonLines(stdout).filter(({ holds }) => holds !== true)]).toEqual([0, []]);
    expect(stdout).toMatch(/own: (\d+) of \1 attempts re-executed with local\/mutate, epsilon@/);
  });

  it('is refused in one sentence once the file has changed; an audit says what it could not check', async () => {
    appendFileSync(mine, '\n');
    const { code, stderr } = await run('launch', '--resume', 'whole');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^aira: the scaffold "epsilon" has changed .*\n {2}remedy: restore the file, or launch a new search\n$/,
    );
    const audit = await run('audit', 'whole', '--json');
    expect(audit.code).toBe(0);
    expect(JSON.stringify(jsonLines(audit.stdout).find(({ invariant }) => invariant === 'I5'))).toMatch(
      /not checked: own with local\/mutate: the scaffold .{2}epsilon.{2} has changed since the search started/,
    );
  });

  it('runs in a process of its own only with the same file', async () => {
    const changed = join(folder, 'changed');
    mkdirSync(changed);
    writeFileSync(join(changed, 'epsilon.mjs'), `${readFileSync(mine, 'utf8')}// another byte\n`);
    const archive = start(['archive', '--home', home]);
    const url = await archive.until(() => /at (nats:\S+)/.exec(archive.stderr)?.[1], 'the address of the archive');
    const search = ['launch', file, '--name', 'apart', '--without', 'agents', '--nats', url, '--home', home, '--json'];
    const launcher = start(search);
    const agent = (...more: string[]) => ['agent', 'apart', 'own', '--nats', url, '--home', home, ...more];
    const refused = await aira(agent('--scaffolds', changed));
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/the scaffold "epsilon" has changed since the search started/);
    // What was missing on one machine is no end of the agent.
    const chance = start(['agent', 'apart', 'chance', '--nats', url, '--home', home]);
    expect(await aira(agent('--scaffolds', scaffolds))).toMatchObject({ code: 0 });
    expect(await launcher.ended).toMatchObject({ code: 0 });
    expect(await chance.ended).toMatchObject({ code: 0 });
  });
});

describe('aira scaffold', () => {
  it('checks a file, and lists what a home knows', async () => {
    const checked = await aira(['scaffold', 'check', mine]);
    expect(checked).toMatchObject({ code: 0 });
    expect(checked.stdout).toMatch(/settings: epsilon: 0\.2, drafts: 3\nsha256: [0-9a-f]{64}\n$/);
    expect((await run('scaffold', 'ls', '--scaffolds', scaffolds)).stdout).toContain(`epsilon ${mine}\n`);
    expect(await aira(['scaffold', 'check', join(scaffolds, 'none.mjs')])).toMatchObject({ code: 2 });
  });
});
