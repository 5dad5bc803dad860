/** What users get wrong, command by command: one sentence, its remedy, status 2, no stack, nothing of a file's contents. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLogger } from '../../src/platform/text.ts';
import { cli } from '../support/cli.ts';
import { temporaryFolder } from '../support/home.ts';
import { toySearch, twoAgents } from '../support/toySearch.ts';

const isRoot = process.getuid?.() === 0;

/** Runs a command line that must be refused. */
async function refused(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<string> {
  const { code, stdout, stderr } = await cli(args, { NO_COLOR: '1', ...env });
  expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
  expect(stderr).not.toMatch(/\n\s+at |node_modules/);
  expect(stderr.length).toBeLessThan(4000);
  return stderr;
}

/** A launch that decides everything and starts nothing. */
const planned = (file: string, folder: string, ...more: string[]) =>
  refused(['launch', file, '--dry-run', '--home', join(folder, 'home'), ...more]);

describe('a search file', () => {
  const [agent] = twoAgents;
  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'with a scaffold that is none names the eight',
      { agents: [{ ...agent, scaffold: 'oneshot' }] },
      /unknown scaffold "oneshot"; did you mean "one-shot"\?\s+remedy: use one-shot, greedy, mcts, evolutionary, aira-greedy, aide-greedy, aira-mcts, aira-evo, or put oneshot\.mjs into a folder/,
    ],
    [
      'with a path for a scaffold names the eight',
      { agents: [{ ...agent, scaffold: '../evil.mjs' }] },
      /agents\[0\]\.scaffold: unknown scaffold; use one-shot, greedy, mcts, evolutionary, aira-greedy, aide-greedy, aira-mcts, aira-evo/,
    ],
    [
      'with a kind of scaffold that is none names the four',
      { agents: [{ ...agent, scaffold: { kind: 'gredy' } }] },
      /unknown scaffold; use one-shot, greedy, mcts, evolutionary; did you mean "greedy"\?/,
    ],
    ['without a budget shows one', { budget: undefined }, /budget is missing, e\.g\. budget: \{ evaluations: 60 \}/],
    [
      'with a reference that is no stack names the layer',
      { references: [{ name: 'odd', architecture: '3mA+2Q' }] },
      /reference "odd": "2Q" is not a layer; use M, mA or Mb/,
    ],
    ['with fewer than no evaluations', { budget: { evaluations: -4 } }, /budget\.evaluations: must be at least 1/],
    ['with no minutes', { budget: { evaluations: 4, minutes: 0 } }, /budget\.minutes: must be more than 0/],
    ['with too many workers', { workers: 1e9 }, /workers/],
    ['with a text for a number', { seed: 'one' }, /seed: must be a (whole )?number, not a text/],
    ['with NaN for a number', { seed: Number.NaN }, /seed: must be a (whole )?number/],
    ['with half a candidate', { budget: { evaluations: 1.5 } }, /budget\.evaluations/],
    ['with a number beyond all whole ones', { seed: 1e300 }, /seed/],
    ['with a path for a name', { agents: [{ ...agent, name: '../../x' }] }, /agents\[0\]\.name: use lower-case/],
    ['with controls in a name', { agents: [{ ...agent, name: 'a\u001b[2J' }] }, /agents\[0\]\.name: use lower-case/],
    ['with controls in the name of its task', { task: 'a\u001b[2J\u202e\nb' }, /unknown task "a\ufffd b"/],
    ['with a task of a thousand letters', { task: 'x'.repeat(100_000) }, /has a name that is too long/],
  ])('%s', async (_, changes, wanted) => {
    const folder = temporaryFolder();
    expect(await planned(toySearch(folder, changes), folder)).toMatch(wanted);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ['that is empty', '', /is not a search file/],
    ['that is a text', 'root:x:0:0:root:/root:/bin/sh\nuser:x:1:1::/home/user:/bin/sh\n', /is not a search file/],
    ['that is a list', '- a\n- b\n', /is not a search file/],
    ['that is binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3]), /it is not a text file/],
    ['that is Latin-1', Buffer.from('task: gr\xfcn\n', 'latin1'), /it is not UTF-8 text/],
    ['that is too large', 'a'.repeat(10 * 1024 * 1024), /it has 10485760 bytes; the limit is 131072/],
    ['that is nested deep', '['.repeat(20_000), /nesting is deeper than 48/],
    ['that is nested deep in blocks', '- '.repeat(20_000), /nesting is deeper than 48/],
    [
      'whose aliases multiply',
      `a: &a [x,x,x,x,x,x,x,x,x,x]\n${[...'bcdefgh'].map((c, at) => `${c}: &${c} [${Array(10).fill(`*${'abcdefgh'[at]}`).join(',')}]`).join('\n')}\n`,
      /more than 50000 values after expanding aliases/,
    ],
    ['whose alias names itself', 'task: &a [*a]\n', /alias|task/i],
    ['whose alias names nothing', 'task: *nothing\n', /not YAML.*nothing/i],
    ['with a key that stands twice', 'task: a\ntask: b\n', /the key "task" occurs twice/],
    ['of two documents', 'task: a\n---\ntask: b\n', /not YAML/],
    ['with a tag that makes something', 'task: !!js/function "x"\n', /budget is missing|not YAML/],
  ])('%s', async (_, content, wanted) => {
    const folder = temporaryFolder();
    const file = join(folder, 'given.yaml');
    writeFileSync(file, content);
    expect(await planned(file, folder)).toMatch(wanted);
  });

  it('that is another file is not repeated: three problems at most, and keys cut', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'shadow');
    writeFileSync(file, Array.from({ length: 500 }, (_, at) => `user${at}${'s'.repeat(200)}: secret${at}`).join('\n'));
    const said = await planned(file, folder);
    expect(said).toMatch(/and \d+ more problems/);
    expect(said).not.toMatch(/secret\d/);
    expect(said.match(/user\d+/g)?.length ?? 0).toBeLessThanOrEqual(3);
    expect(said).not.toMatch(/s{60}/);
    expect(said.length).toBeLessThan(1500);
  });

  it('with a byte order mark, or line ends of Windows, is read', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'given.yaml');
    const text =
      'task: nowhere\nbudget: { evaluations: 4 }\nagents: [{ name: a, model: local/random, scaffold: greedy }]\n';
    writeFileSync(file, `\ufeff${text.replaceAll('\n', '\r\n')}`);
    expect(await planned(file, folder)).toMatch(/unknown task "nowhere"/);
  });
});

describe('a path', () => {
  const commands: readonly [string, (path: string, folder: string) => string[]][] = [
    ['launch', (path, folder) => ['launch', path, '--dry-run', '--home', join(folder, 'home')]],
    ['ablate', (path, folder) => ['ablate', path, '--dry-run', '--home', join(folder, 'home')]],
    ['scale', (path, folder) => ['scale', path, '--dry-run', '--home', join(folder, 'home')]],
    ['table show', (path) => ['table', 'show', path]],
    ['launch --prices', (path, folder) => ['launch', toySearch(folder), '--dry-run', '--prices', path]],
    ['launch --replay', (path, folder) => ['launch', toySearch(folder), '--dry-run', '--replay', path]],
  ];

  it.each(commands)('of %s that is not there, a directory, a loop or below a file is refused', async (_, args) => {
    const folder = temporaryFolder();
    expect(await refused(args(join(folder, 'none'), folder))).toMatch(/does not exist/);
    expect(await refused(args(folder, folder))).toMatch(/is a directory|is not a file/);
    symlinkSync('loop', join(folder, 'loop'));
    expect(await refused(args(join(folder, 'loop'), folder))).toMatch(/loop of links/);
    writeFileSync(join(folder, 'file'), 'x');
    expect(await refused(args(join(folder, 'file', 'below'), folder))).toMatch(
      /below something that is not a directory/,
    );
    expect(await refused(args(join(folder, 'n'.repeat(300)), folder))).toMatch(/name that is too long/);
  });

  it.skipIf(isRoot).each(commands)('of %s that may not be read is refused', async (_, args) => {
    const folder = temporaryFolder();
    const file = join(folder, 'closed');
    writeFileSync(file, 'x');
    chmodSync(file, 0);
    expect(await refused(args(file, folder))).toMatch(/may not be read .*permission denied/);
  });

  it('of something that has no end is read to its limit', async () => {
    const folder = temporaryFolder();
    expect(await planned('/dev/zero', folder)).toMatch(/more than 131072 bytes/);
  });

  it('of a home that cannot be is refused at once', async () => {
    const folder = temporaryFolder();
    const file = join(folder, 'file');
    writeFileSync(file, 'x');
    for (const home of ['/proc/x', '/proc/x/y', file, join(file, 'below')]) {
      const said = await refused(['launch', toySearch(folder), '--home', home]);
      expect(said).toMatch(/cannot be used as the lab’s home: it .*\n {2}remedy: choose another --home\n$/);
    }
  });

  it('of a page that cannot be written is refused at once', async () => {
    expect(await refused(['table', 'build', '--out', '/proc/x/y.json', '--layers', '1', '--seeds', '2'])).toMatch(
      /\/proc\/x/,
    );
  });
});

describe('an environment', () => {
  it('with an unknown level of the log names the levels', async () => {
    const folder = temporaryFolder();
    const args = ['launch', toySearch(folder), '--dry-run'];
    const said = await refused(args, { AIRA_LOG: 'verbose' });
    expect(said).toMatch(/AIRA_LOG is "verbose".*\n.*trace, debug, info, warn, error, fatal, silent/);
    expect((await cli(args, { AIRA_LOG: '' })).code).toBe(0);
    expect(createLogger('test').level).toBeDefined();
  });

  it('with an empty variable is as one without it', async () => {
    // Nothing below the current folder is taken for the lab; a checkout that has been used has one there.
    const before = process.cwd();
    onTestFinished(() => process.chdir(before));
    process.chdir(temporaryFolder());
    const { code, stderr } = await cli(['nodes'], { AIRA_HOME: '', NO_COLOR: '1' });
    process.chdir(before);
    expect(code).toBe(2);
    expect(stderr).toContain('there is no archive in .aira\n');
    expect((await cli(['nodes', '--home', ''])).stderr).toMatch(/the path is empty/);
    const folder = temporaryFolder();
    const dry = (value: string) => cli(['launch', toySearch(folder), '--home', folder], { AIRA_DRY_RUN: value });
    expect((await dry('1')).code).toBe(0);
  });
});

describe('arguments', () => {
  const traversal = '../../x';
  it.each([
    [['launch', '--name', traversal]],
    [['launch', '--resume', traversal]],
    [['nodes', traversal]],
    [['report', traversal]],
    [['trace', traversal]],
    [['trace', 'quickstart-1', traversal]],
    [['trace', 'quickstart-1', '--attribute', traversal]],
    [['audit', traversal]],
    [['agent', traversal, 'a']],
    [['agent', 'quickstart-1', traversal]],
    [['agent', 'quickstart-1', 'a\u001b]0;x\u0007']],
    [['nodes', 'a\u001b[2J']],
    [['nodes', `${'a'.repeat(100_000)}`]],
    [['data', 'import', traversal, '.']],
    [['data', 'import', '/etc/x', '.']],
    [['task', 'check']],
    [['task', 'check', '/nowhere/at/all']],
    [['task', 'nothing']],
    [['table']],
    [['table', 'show']],
    [['data', 'import', 'mad']],
    [['launch']],
    [['launch', '--workers', '1e3']],
    [['launch', '--workers', '-1']],
    [['launch', '--workers', '']],
    [['launch', '--workers', '999999999999']],
    [['launch', '--workers', '0x10']],
    [['launch', '--port', '70000']],
    [['launch', '--without', 'nothing']],
    [['launch', 'a\0b']],
    [['table', 'build', '--layers', '500']],
    [['ablate', '--seeds', 'NaN']],
    [['scale']],
    [['scale', '--workers', '1e3']],
    [['data', 'import', 'web', '.', '--tokenizer', 'bytes', '--validation', '99']],
    [['worker', '--devices', '0']],
    [['nothing']],
    [[`${'x'.repeat(100_000)}`]],
    [['--nothing\u001b[2J']],
  ])('%j are refused with status 2', async (args) => {
    const home = join(temporaryFolder(), 'home');
    const said = await refused(args, { AIRA_HOME: home });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
    expect(said).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  it('ask for help without failing', async () => {
    for (const args of [['--help'], ['--version'], ['launch', '--help'], ['task', 'check', '--help']]) {
      expect((await cli(args)).code).toBe(0);
    }
  });
});

describe('a lab', () => {
  it('that is not there, or is no lab, is refused by every command that reads', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const readers = [['nodes'], ['nodes', 'a-1'], ['report', 'a-1'], ['trace', 'a-1'], ['audit', 'a-1']];
    for (const args of readers) expect(await refused([...args, '--home', home])).toMatch(/there is no archive/);
    mkdirSync(home);
    writeFileSync(join(home, 'archive.db'), 'no database, only a text of some length\n'.repeat(40));
    for (const args of readers) expect(await refused([...args, '--home', home])).toMatch(/archive\.db/);
    const directory = join(folder, 'other');
    mkdirSync(join(directory, 'archive.db'), { recursive: true });
    for (const args of readers) expect(await refused([...args, '--home', directory])).toMatch(/archive/);
  });

  it.skipIf(isRoot)('of another user is named as such', async () => {
    const home = join(temporaryFolder(), 'home');
    mkdirSync(home);
    writeFileSync(join(home, 'archive.db'), 'x');
    chmodSync(home, 0);
    try {
      expect(await refused(['nodes', '--home', home])).toMatch(/may not be read .*permission denied/);
    } finally {
      chmodSync(home, 0o700);
    }
  });
});
