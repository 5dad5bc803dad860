import { join } from 'node:path';
import { expect } from 'vitest';
import { temporaryFolder } from '../support/home.ts';
import { contentsOf, withArchive } from '../support/ledger.ts';
import { aira } from '../support/program.ts';
import { toySearch } from '../support/toySearch.ts';

/** A server of Chat Completions that the test may stop. */
export interface Served {
  /** Up to and including /v1. */
  readonly url: string;
  readonly model: string;
  stop(): Promise<void>;
}

/** Scored candidates that a search with an open model must reach. */
export const fewestEvaluations = 20;

/**
 * A search whose agents all ask one open model: at least twenty evaluations, a tool call, a repair; then the same search from its
 * recording, with the server gone. Three agents, because a small model repeats itself and an agent that does ends.
 */
export async function wholeSearch({ url, model, stop }: Served): Promise<void> {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const common = { model: `compatible/${model}`, baseUrl: url, pending: 1, patience: 4 };
  const agents = [
    {
      name: 'reader',
      scaffold: 'aide-greedy',
      temperature: 0.9,
      literature: { how: 'tools', searches: 1, reads: 1 },
      ...common,
    },
    { name: 'drafter', scaffold: 'one-shot', temperature: 1.4, ...common },
    { name: 'breeder', scaffold: 'evolutionary', temperature: 1.1, ...common },
    // What the others do not reach.
    { name: 'filler', model: 'local/random', scaffold: 'one-shot', evaluations: 4 },
  ];
  const evaluations = fewestEvaluations + 10;
  const file = toySearch(folder, {
    agents,
    budget: { evaluations },
    references: [],
    ladder: { promote: 0 },
    workers: 1,
  });
  const first = await aira(['launch', file, '--name', 'open', '--home', home, '--json']);
  expect([0, 4], first.stderr).toContain(first.code);
  const count = (sql: string) => withArchive(home, (db) => (db.prepare(sql).get() as { n: number }).n);
  const scored = `SELECT count(*) AS n FROM nodes n JOIN evaluation_requests w ON w.search = n.search AND w.node = n.id
    WHERE n.ordinal > 0 AND n.verdict = 'accepted' AND w.rung = 'screen'`;
  expect(count(scored)).toBeGreaterThanOrEqual(fewestEvaluations);
  expect(count(`${scored} AND n.agent <> 'filler'`)).toBeGreaterThan(0);
  const trace = await aira(['trace', 'open', '--home', home, '--json', '--full']);
  const exchanges = trace.stdout
    .split('\n')
    .filter((line) => line.includes('"event":"exchange"'))
    .map((line) => JSON.parse(line) as { round: number; toolCalls: unknown[]; answer: string | null });
  expect(exchanges.some(({ toolCalls }) => toolCalls.length > 0)).toBe(true);
  expect(exchanges.some(({ round }) => round > 0)).toBe(true);
  expect((await aira(['audit', 'open', '--home', home])).code).toBe(0);

  await stop();
  const again = join(folder, 'again');
  const recording = join(home, 'calls/open.jsonl');
  const replay = await aira(['launch', file, '--name', 'open', '--home', again, '--replay', recording, '--json']);
  expect(replay.code, replay.stderr).toBe(first.code);
  expect(contentsOf(again, 'open').nodes).toEqual(contentsOf(home, 'open').nodes);
}
