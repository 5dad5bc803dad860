/** A provider that is away for a while: its agents rest and come back, and the others do not wait for them. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { proposer } from '../support/llm-server/brain.ts';
import { startLlmServer } from '../support/llm-server/server.ts';
import { aira, type EventLine, jsonLines } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

it('is left alone, probed, and used again when it is back', async () => {
  // Five tries fail and open the circuit; the first probe succeeds.
  const server = await startLlmServer({
    brain: proposer,
    fault: (number) => (number < 5 ? { kind: 'status', status: 503 } : null),
  });
  const folder = temporaryFolder();
  const agents = [
    { name: 'reasoner', model: 'openai/gpt-5.6-luna', scaffold: { kind: 'greedy', drafts: 1 } },
    { name: 'climber', model: 'local/mutate', scaffold: { kind: 'greedy', drafts: 1 } },
  ];
  const file = toySearch(folder, { agents, budget: { evaluations: 6 } });
  const env = { OPENAI_API_KEY: 'sk-any', OPENAI_BASE_URL: server.urls.openai };
  const { code, stdout, stderr } = await aira(['launch', file, '--home', join(folder, 'home'), '--json'], { env });
  expect(code, stderr).toBe(0);
  const submitted = jsonLines<EventLine>(stdout).filter(({ event }) => event === 'node-submitted');
  const order = submitted.map(({ agent }) => agent).filter((agent) => agent === 'climber' || agent === 'reasoner');
  expect(order).toEqual(['climber', 'climber', 'climber', 'reasoner', 'reasoner', 'reasoner']);
  expect(server.served.slice(0, 6).map(({ fault }) => fault)).toEqual([...Array(5).fill('status'), null]);
});
