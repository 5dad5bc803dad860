/** One small search per provider, with the real thing at the other end. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { withArchive } from '../support/ledger.ts';
import { aira } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

/** `AIRA_LIVE_URL` is a local server, and `AIRA_LIVE_MODEL` a model that it serves. */
const { OPENAI_API_KEY, ANTHROPIC_API_KEY, AIRA_LIVE_URL, AIRA_LIVE_MODEL } = process.env;
const providers = [
  { agent: { model: 'openai/gpt-6-luna', effort: 'low' }, env: { OPENAI_API_KEY } },
  { agent: { model: 'anthropic/claude-haiku-5-5', effort: 'low' }, env: { ANTHROPIC_API_KEY } },
  {
    agent: { model: `compatible/${AIRA_LIVE_MODEL}`, baseUrl: AIRA_LIVE_URL },
    env: { AIRA_LIVE_URL, AIRA_LIVE_MODEL },
  },
];

describe.each(providers)('$agent.model', ({ agent, env }) => {
  const given = Object.values(env).every((value) => value !== undefined && value !== '');

  it.skipIf(!given)('proposes, is measured, learns, and proposes again within a few cents', async () => {
    const folder = temporaryFolder();
    const home = join(folder, 'home');
    const agents = [{ name: 'live', scaffold: { kind: 'greedy', drafts: 1 }, pending: 1, ...agent }];
    const file = toySearch(folder, { agents, budget: { evaluations: 3, dollars: 0.25 } });
    const { code, stderr } = await aira(['launch', file, '--home', home, '--json'], {
      env: env as Record<string, string>,
    });
    expect(code, stderr).toBe(0);
    const count = (sql: string) => withArchive(home, (db) => (db.prepare(sql).get() as { n: number }).n);
    expect(count(`SELECT count(*) AS n FROM nodes WHERE agent = 'live' AND verdict = 'accepted'`)).toBe(3);
    expect(count(`SELECT count(*) AS n FROM lessons`)).toBeGreaterThan(0);
    expect(count(`SELECT count(*) AS n FROM settlements WHERE outcome = 'complete' AND estimated = 0`)).toBeGreaterThan(
      3,
    );
  });
});
