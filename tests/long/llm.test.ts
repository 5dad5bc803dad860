/** Eleven agents, nine of them with language models of three providers, on a real task while one call in ten fails. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { rngFor } from '../../src/domain/rng.ts';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { type Fault, startLlmServer } from '../support/llm-server/server.ts';
import { aira, jsonLines } from '../support/program.ts';

const kinds: Fault[] = [
  { kind: 'status', status: 429, headers: { 'retry-after-ms': '300' } },
  { kind: 'malformed' },
  { kind: 'status', status: 529 },
  { kind: 'cut' },
  { kind: 'refused' },
  { kind: 'status', status: 500 },
  { kind: 'truncated' },
  { kind: 'empty' },
  { kind: 'error-event' },
  { kind: 'reset' },
];

it('runs compose-mad-3p at nano for 60 evaluations, with a clean audit', async () => {
  const fault = (number: number): Fault | null =>
    rngFor('fault', number).float() < 0.1 ? (kinds[rngFor('kind', number).below(kinds.length)] ?? null) : null;
  const server = await startLlmServer({ brain: proposer, fault });
  const models = [
    ...[
      'openai/gpt-6-sol',
      'anthropic/claude-opus-5-5',
      'compatible/qwen3:8b',
      'anthropic/claude-haiku-5-5',
      'local/random',
    ],
    ...[
      'openai/gpt-5.6-luna',
      'anthropic/claude-sonnet-5-5',
      'compatible/qwen3:32b',
      'openai/gpt-6-luna',
      'compatible/gemma4',
    ],
    'local/mutate',
  ];
  const agents = models.map((model, index) => ({
    name: `${index < 5 ? 'shot' : 'greedy'}-${index + 1}`,
    model,
    scaffold: index < 5 ? 'one-shot' : { kind: 'greedy', drafts: 2 },
    ...(model.startsWith('compatible/') ? { baseUrl: server.urls.compatible } : {}),
  }));
  const folder = temporaryFolder();
  const file = join(folder, 'eleven.yaml');
  const ladder = { promote: 0.05, finalists: 1 };
  const budget = { evaluations: 60, dollars: 25 };
  writeFileSync(file, stringify({ task: 'compose-mad-3p', profile: 'nano', budget, agents, ladder, references: [] }));
  const home = join(folder, 'home');
  const env = {
    ...{ OPENAI_API_KEY: 'sk-canary-long-openai-01', ANTHROPIC_API_KEY: 'sk-ant-canary-long-02' },
    ...{ OPENAI_BASE_URL: server.urls.openai, ANTHROPIC_BASE_URL: server.urls.anthropic },
  };
  const { code, stderr } = await aira(['launch', file, '--home', home, '--json'], { env });
  expect(code, stderr).toBe(0);
  expect(server.wrong).toEqual([]);
  const count = (sql: string) => withArchive(home, (db) => (db.prepare(sql).get() as { n: number }).n);
  expect(count(`SELECT count(*) AS n FROM nodes WHERE verdict = 'accepted' AND origin <> 'aggregate'`)).toBe(60);
  const failed = server.served.filter(({ fault: each }) => each !== null).length;
  const asked = server.served.length;
  expect(failed / asked).toBeGreaterThan(0.05);

  const audited = await aira(['audit', 'eleven-1', '--home', home, '--json'], { env });
  const findings = jsonLines<{ holds: boolean | null; violations: string[] }>(audited.stdout);
  expect(findings.flatMap(({ violations }) => violations)).toEqual([]);
  expect(findings.filter(({ holds }) => holds === false)).toEqual([]);
  expect(findings).toHaveLength(9);

  const refused = count(`SELECT count(*) AS n FROM nodes WHERE verdict <> 'accepted'`);
  const tries = count('SELECT count(*) AS n FROM settlements');
  const lessons = count('SELECT count(*) AS n FROM lessons');
  const cents = count('SELECT round(100 * sum(dollars), 1) AS n FROM settlements');
  console.info(
    `60 evaluations; ${asked} calls, ${failed} of them failed (${Math.round((100 * failed) / asked)} %), ${tries} settled; ` +
      `${refused} attempts refused, ${lessons} lessons, ${cents} cents; I1 to I11 hold`,
  );
});
