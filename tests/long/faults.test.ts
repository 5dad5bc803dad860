/**
 * A search in which 15 % of all calls fail in every way: what it spends is what its providers count, and each of its agents
 * ends with a reason that the user reads.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { cost, loadPrices } from '../../src/llm/prices.ts';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { type Fault, startLlmServer } from '../support/llm-server/server.ts';
import type { Asked } from '../support/llm-server/wire.ts';
import { aira, jsonLines } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

const kinds: Fault[] = [
  { kind: 'status', status: 429, headers: { 'retry-after-ms': '100' } },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 529 },
  { kind: 'malformed' },
  { kind: 'refused' },
  { kind: 'truncated' },
  { kind: 'empty' },
  { kind: 'fenced' },
  { kind: 'no-usage' },
  { kind: 'cut' },
  { kind: 'short' },
  { kind: 'error-event' },
  { kind: 'reset' },
];

it('spends at most 1.1 times what its providers count, and explains the end of every agent', async () => {
  const fault = (number: number, asked: Asked): Fault | null => {
    if (asked.model === 'nothing-here') return { kind: 'status', status: 404 };
    return rngFor('fault', number).float() < 0.15 ? (kinds[rngFor('kind', number).below(kinds.length)] ?? null) : null;
  };
  const server = await startLlmServer({ brain: proposer, fault });
  const agent = (name: string, model: string, rest: object = {}) => ({
    ...{ name, model, scaffold: { kind: 'greedy', drafts: 2 } },
    ...(model.startsWith('compatible/') ? { baseUrl: server.urls.compatible } : {}),
    ...rest,
  });
  const agents = [
    agent('opus', 'anthropic/claude-opus-5-5'),
    agent('haiku', 'anthropic/claude-haiku-5-5', { memory: 'ensemble' }),
    agent('sol', 'openai/gpt-6-sol', { effort: 'low' }),
    agent('luna', 'openai/gpt-5.6-luna', { scaffold: 'one-shot' }),
    agent('qwen', 'compatible/qwen3:8b'),
    // Its money is enough for a few calls only.
    agent('poor', 'anthropic/claude-opus-5-5', { dollars: 0.175 }),
    agent('rejected', 'compatible/nothing-here', { evaluations: 3 }),
  ];
  const folder = temporaryFolder();
  const ladder = { promote: 0.05, finalists: 1 };
  const file = toySearch(folder, { agents, ladder, budget: { evaluations: 42, dollars: 25 } }, 'faulty');
  const home = join(folder, 'home');
  const env = {
    ...{ OPENAI_API_KEY: 'sk-canary-faults-openai', ANTHROPIC_API_KEY: 'sk-ant-canary-faults' },
    ...{ OPENAI_BASE_URL: server.urls.openai, ANTHROPIC_BASE_URL: server.urls.anthropic },
  };
  const { code, stdout, stderr } = await aira(['launch', file, '--home', home, '--json'], { env });
  // A final result, and an agent that was lost: its model does not exist.
  expect(code, stderr).toBe(4);

  const prices = loadPrices();
  const families = { chat: 'compatible', messages: 'anthropic', responses: 'openai' } as const;
  const bill = server.served.reduce((sum, { asked, counted }) => {
    const price = prices.of(`${families[asked.format]}/${asked.model}` as never);
    return counted && price ? sum + cost(counted, price) : sum;
  }, 0);
  const spent = withArchive(
    home,
    (db) => db.prepare('SELECT sum(dollars) AS n FROM settlements').get() as { n: number },
  ).n;
  expect(bill).toBeGreaterThan(0.02);
  expect(spent / bill).toBeLessThanOrEqual(1.1);
  expect(spent / bill).toBeGreaterThan(0.9);

  const counts = withArchive(
    home,
    (db) =>
      db
        .prepare(
          `SELECT agent, count(*) AS n FROM nodes WHERE verdict = 'accepted' AND origin NOT IN ('aggregate') GROUP BY agent`,
        )
        .all() as { agent: string; n: number }[],
  );
  const wanted = withArchive(home, (db) =>
    JSON.parse((db.prepare('SELECT spec FROM searches').get() as { spec: string }).spec),
  );
  const early = (wanted.agents as { name: string; evaluations: number }[])
    .filter(({ name, evaluations }) => (counts.find(({ agent: who }) => who === name)?.n ?? 0) < evaluations)
    .map(({ name }) => name);
  expect(early).toEqual(expect.arrayContaining(['poor', 'rejected']));
  const last = jsonLines<{
    agents?: { agent: string; end: { code: string; reason: string } | null; spend: { dollars: number } }[];
    report?: string;
  }>(stdout).findLast(({ agents: rows }) => rows !== undefined);
  const explained = (last?.agents ?? []).filter(({ agent: name }) => early.includes(name));
  expect(explained.map(({ agent: name }) => name).sort()).toEqual([...early].sort());
  const report = readFileSync(String(last?.report), 'utf8');
  for (const { end, spend } of explained) {
    expect(end?.reason.length).toBeGreaterThan(10);
    expect(report).toContain(end?.reason.slice(0, 40));
    expect(spend.dollars).toBeGreaterThanOrEqual(0);
  }
  const failed = server.served.filter((each) => each.fault !== null).length;
  console.info(
    `${server.served.length} calls, ${failed} with a fault; spent $${spent.toFixed(4)} of $${bill.toFixed(4)} counted; ` +
      explained.map(({ agent: name, end }) => `${name}: ${end?.reason}`).join(' | '),
  );
});
