/** Searches whose agents ask language models, over HTTP, from the program itself. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { contentsOf, withArchive } from '../support/ledger.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { type Fault, type LlmServer, startLlmServer } from '../support/llm-server/server.ts';
import { aira, jsonLines, start } from '../support/program.ts';
import { launchAgain } from '../support/replay.ts';
import { toySearch } from '../support/toySearch.ts';

const keys = {
  OPENAI_API_KEY: 'sk-canary-e2e-openai-5d10',
  ANTHROPIC_API_KEY: 'sk-ant-canary-e2e-c0de',
  AIRA_COMPATIBLE_API_KEY: 'canary-e2e-local-4411',
};
const environment = (server: LlmServer) => ({
  ...keys,
  OPENAI_BASE_URL: server.urls.openai,
  ANTHROPIC_BASE_URL: server.urls.anthropic,
});

const mixed = (server: LlmServer) => [
  { name: 'climber', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 } },
  {
    ...{ name: 'reasoner', model: 'openai/gpt-5.6-luna', scaffold: 'greedy', effort: 'low', literature: true },
    proposals: 2,
  },
  {
    name: 'sceptic',
    model: 'anthropic/claude-haiku-5-5',
    scaffold: 'mcts',
    role: 'You doubt every result.',
    literature: { searches: 2, items: 2 },
  },
  {
    ...{ name: 'cheap', model: 'compatible/qwen3:8b', baseUrl: server.urls.compatible, scaffold: 'evolutionary' },
    models: { analyze: 'openai/gpt-6-luna' },
    temperature: 0.7,
    literature: { sources: ['corpus'] },
  },
  { name: 'chooser', model: 'bandit/[openai/gpt-6-luna, local/mutate]', scaffold: 'aira-mcts' },
];

const faulty = (number: number): Fault | null => {
  const faults: Record<number, Fault> = {
    2: { kind: 'malformed' },
    4: { kind: 'cut' },
    6: { kind: 'status', status: 529 },
    8: { kind: 'refused' },
    10: { kind: 'status', status: 429, headers: { 'retry-after-ms': '20' } },
  };
  return faults[number] ?? null;
};

describe('a search with language models', () => {
  // Two searches and an audit of a process each.
  it('runs beside local agents through faults, passes the audit, hides the keys, and is replayed without a network', {
    timeout: 360_000,
  }, async () => {
    const server = await startLlmServer({ brain: proposer, fault: faulty });
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const file = toySearch(folder, { agents: mixed(server), budget: { evaluations: 20, dollars: 1 }, workers: 2 });
    const env = environment(server);
    const { code, stderr, stdout } = await aira(['launch', file, '--home', home, '--json'], { env });
    expect(code, stderr).toBe(0);
    expect(server.wrong).toEqual([]);
    expect(new Set(server.served.map(({ asked }) => asked.format))).toEqual(new Set(['responses', 'messages', 'chat']));
    expect(new Set(server.served.map(({ authorization }) => authorization))).toEqual(
      new Set(Object.values(keys).map((key) => `Bearer ${key}`)),
    );
    const calls = withArchive(home, (db) =>
      db.prepare('SELECT count(*) AS n, sum(s.dollars) AS paid FROM calls c JOIN settlements s ON s.call = c.id').get(),
    );
    expect(calls).toMatchObject({
      n: server.served.length,
      paid: expect.toSatisfy((paid: number) => paid > 0 && paid <= 1),
    });

    const audited = await aira(['audit', 'toy-1', '--home', home, '--json'], { env });
    const findings = jsonLines<{ invariant: string; holds: boolean | null; violations: string[]; evidence: string[] }>(
      audited.stdout,
    );
    expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
    const replayed = findings.find(({ invariant }) => invariant === 'I5')?.evidence.join('\n');
    for (const { name } of mixed(server))
      expect(replayed).toMatch(new RegExp(`${name}: (\\d+) of \\1 attempts re-executed`));

    const read = withArchive(home, (db) =>
      db.prepare(`SELECT agent, rationale FROM nodes WHERE json_array_length(rationale, '$.readings') > 0`).all(),
    ) as { agent: string; rationale: string }[];
    expect(new Set(read.map(({ agent }) => agent))).toEqual(new Set(['reasoner', 'sceptic', 'cheap']));
    expect(read.some(({ rationale }) => JSON.parse(rationale).evidence.length > 0)).toBe(true);

    const said = [stdout, stderr, audited.stdout, audited.stderr];
    const files = readdirSync(home, { recursive: true, encoding: 'utf8' }).map((path) => join(home, path));
    said.push(...files.filter((path) => statSync(path).isFile()).map((path) => readFileSync(path, 'latin1')));
    for (const text of said) for (const key of Object.values(keys)) expect(text.includes(key)).toBe(false);

    await server.stop();
    await launchAgain(file, home);
  });

  it('that was killed buys no finished call again and ends as if it had not been', async () => {
    const folder = temporaryFolder();
    const search = () => {
      const agents = [{ name: 'sceptic', model: 'anthropic/claude-haiku-5-5', scaffold: 'greedy' }];
      return toySearch(folder, { agents, budget: { evaluations: 7 } });
    };
    // The fourth question is never answered: that is where it dies.
    const server = await startLlmServer({
      brain: proposer,
      fault: (number) => (number === 3 ? { kind: 'hang' } : null),
    });
    const home = join(folder, 'home');
    const env = environment(server);
    const dying = start(['launch', search(), '--home', home, '--json'], { env });
    await server.reached(4);
    dying.kill('SIGKILL');
    expect((await dying.ended).signal).toBe('SIGKILL');
    const resumed = await aira(['launch', '--resume', 'toy-1', '--home', home, '--json'], { env });
    expect(resumed.code, resumed.stderr).toBe(0);
    const questions = server.served.map(({ asked }) => JSON.stringify([asked.system, asked.messages]));
    // Asked twice was the one that was under way, and no other.
    expect(questions.length - new Set(questions).size).toBe(1);
    expect(questions.indexOf(questions[3] as string, 4)).toBe(4);

    const calm = await startLlmServer({ brain: proposer });
    const undisturbed = join(folder, 'undisturbed');
    const straight = await aira(['launch', search(), '--home', undisturbed, '--json'], { env: environment(calm) });
    expect(straight.code, straight.stderr).toBe(0);
    expect(contentsOf(home, 'toy-1').nodes).toEqual(contentsOf(undisturbed, 'toy-1').nodes);
  });

  it('that was killed between two candidates of one thought submits the rest, and asks nothing again', async () => {
    const folder = temporaryFolder();
    const search = () => {
      const scaffold = { kind: 'greedy', drafts: 3 };
      const agents = [{ name: 'sceptic', model: 'anthropic/claude-haiku-5-5', scaffold, proposals: 3 }];
      return toySearch(folder, { agents, budget: { evaluations: 5 } });
    };
    const server = await startLlmServer({ brain: proposer });
    const home = join(folder, 'home');
    const env = environment(server);
    // Three drafts from the first question; the process dies before the second of them is recorded.
    const armed = { ...env, AIRA_FAILPOINT: 'submit.before-commit:2' };
    const dying = start(['launch', search(), '--home', home, '--json'], { env: armed });
    expect((await dying.ended).signal).toBe('SIGKILL');
    const attempts = (at: string) =>
      withArchive(at, (db) => db.prepare("SELECT id FROM nodes WHERE agent = 'sceptic' ORDER BY seq").pluck().all());
    expect(attempts(home)).toEqual(['sceptic-1']);
    expect(server.served).toHaveLength(1);
    const resumed = await aira(['launch', '--resume', 'toy-1', '--home', home, '--json'], { env });
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(attempts(home)).toEqual(attempts(home).map((_, index) => `sceptic-${index + 1}`));
    expect(attempts(home).length).toBeGreaterThanOrEqual(5);
    const questions = server.served.map(({ asked }) => JSON.stringify([asked.system, asked.messages]));
    expect(new Set(questions).size).toBe(questions.length);

    const undisturbed = join(folder, 'undisturbed');
    const calm = await startLlmServer({ brain: proposer });
    const straight = await aira(['launch', search(), '--home', undisturbed, '--json'], { env: environment(calm) });
    expect(straight.code, straight.stderr).toBe(0);
    expect(contentsOf(home, 'toy-1').nodes).toEqual(contentsOf(undisturbed, 'toy-1').nodes);
    const traced = await aira(['trace', 'toy-1', '--home', home], { env });
    expect(traced.stdout).toMatch(/thought {4}candidate 1 of 3, with the calls of all/);
    expect(traced.stdout).toMatch(/thought {4}candidate 3 of 3 of the thought of sceptic-1, which has the calls/);
  });

  it('continues without the agents whose provider rejects them', async () => {
    const server = await startLlmServer({
      brain: proposer,
      fault: (_, { format }) => (format === 'messages' ? { kind: 'status', status: 401 } : null),
    });
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const file = toySearch(folder, { agents: mixed(server), budget: { evaluations: 10 } });
    const { code, stdout, stderr } = await aira(['launch', file, '--home', home, '--json'], {
      env: environment(server),
    });
    // Finished with a result, and without one of its agents.
    expect(code, stderr).toBe(4);
    const lines = jsonLines<Record<string, unknown>>(stdout);
    const why = expect.stringContaining('401');
    expect(lines).toContainEqual(
      expect.objectContaining({
        event: 'ended-early',
        of: 'agent',
        subject: 'sceptic',
        reason: 'failed',
        sentence: why,
      }),
    );
    expect(lines.at(-1)?.agents).toContainEqual(
      expect.objectContaining({ agent: 'sceptic', proposed: 0, end: { code: 'failed', reason: why } }),
    );
    const traced = await aira(['trace', 'toy-1', 'sceptic', '--home', home]);
    expect(traced.stdout).toMatch(/ended: failed: .*401/);
    const reported = await aira(['report', 'toy-1', '--home', home]);
    expect(reported.stdout).toMatch(/agent sceptic failed: .*401/);
    expect(reported.stdout.match(/report: /g)).toHaveLength(1);
    expect(readFileSync(join(home, 'reports', 'toy-1.html'), 'utf8')).toMatch(/agent sceptic failed: [^<]*401/);
    const proposed = new Map<unknown, number>();
    for (const { event, agent } of jsonLines<{ event: string; agent: string }>(stdout)) {
      if (event === 'node-submitted') proposed.set(agent, (proposed.get(agent) ?? 0) + 1);
    }
    expect(proposed.get('sceptic')).toBeUndefined();
    for (const name of ['climber', 'reasoner', 'cheap', 'chooser']) expect(proposed.get(name)).toBe(2);
  });

  it('lets an agent end when its own money ends, and the others go on', async () => {
    const server = await startLlmServer({ brain: proposer });
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const agents = [
      { name: 'poor', model: 'anthropic/claude-haiku-5-5', scaffold: 'one-shot', maxTokens: 1000, dollars: 0.0011 },
      { name: 'climber', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 } },
    ];
    const file = toySearch(folder, { agents, budget: { evaluations: 24 } });
    const { code, stderr } = await aira(['launch', file, '--home', home, '--json'], { env: environment(server) });
    expect(code, stderr).toBe(0);
    const proposed = (agent: string) =>
      withArchive(home, (db) =>
        db.prepare(`SELECT count(*) AS n FROM nodes WHERE agent = ? AND verdict = 'accepted'`).pluck().get(agent),
      );
    expect(proposed('climber')).toBe(12);
    expect(proposed('poor')).toBeGreaterThan(0);
    expect(proposed('poor')).toBeLessThan(12);
    const paid = withArchive(home, (db) => db.prepare('SELECT sum(dollars) FROM settlements').pluck().get());
    expect(paid).toBeLessThanOrEqual(0.0011);
    const traced = await aira(['trace', 'toy-1', 'poor', '--home', home]);
    expect(traced.stdout).toMatch(/ended: spent its dollar budget: .*\nspent: \d+ calls, /);
  });

  it('is forecast without keys and without a trace, as the shipped search of three providers shows', async () => {
    const home = join(temporaryFolder(), 'home');
    const file = join(import.meta.dirname, '../../searches/three-providers.yaml');
    const { code, stdout, stderr } = await aira(['launch', file, '--dry-run', '--home', home]);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/literature +propose +anthropic\/claude-sonnet-5-5 +30 calls {2}about +\$\d/);
    expect(stdout).toContain('calls that could exceed $2 are not made');
    expect(stdout).toContain('to run it, set ANTHROPIC_API_KEY and OPENAI_API_KEY\n');
    expect(existsSync(home)).toBe(false);
  });

  it.each([
    [{ model: 'openai/gpt-6-sol' }, {}, /openai\/gpt-6-sol needs an API key/],
    [{ model: 'openai/unheard-of' }, { dollars: 1 }, /no price for openai\/unheard-of/],
    [{ model: 'anthropic/claude-opus-5-5', temperature: 1 }, {}, /only compatible\/ models take a temperature/],
    [{ model: 'compatible/qwen3:8b' }, {}, /needs baseUrl/],
    [{ model: 'local/random', effort: 'low' }, {}, /local\/random is not a language model and takes no effort/],
    [{ model: 'gpt-6-sol' }, {}, /not a model; use local\/random/],
  ])('that cannot work is refused before it begins: %o %o', async (agent, budget, message) => {
    const folder = temporaryFolder();
    const agents = [{ name: 'one', scaffold: 'greedy', ...agent }];
    const file = toySearch(folder, { agents, budget: { evaluations: 2, ...budget } });
    const env = /unheard/.test(agent.model) ? { OPENAI_API_KEY: 'any' } : {};
    const { code, stderr } = await aira(['launch', file, '--home', join(folder, 'home')], { env });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
