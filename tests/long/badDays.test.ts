/**
 * Bad days: a campaign of faults from a seed, after which nothing is lost, nothing is counted twice, and the search is that
 * of an undisturbed one. `npm run chaos` chooses seeds and sizes, and adds up the totals.
 *
 * AIRA_CHAOS: {"seeds": [1], "faults": 40, "result": <file for the totals>}.
 */
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { audit } from '../chaos/audit.ts';
import { BadDays } from '../chaos/badDays.ts';
import { violations } from '../chaos/checker.ts';
import { costOf, type Fault, scheduleOf } from '../chaos/schedule.ts';
import { undisturbed } from '../chaos/undisturbed.ts';
import { trainingCounts, withArchive } from '../support/ledger.ts';
import { toySearch } from '../support/toySearch.ts';

interface Campaigns {
  readonly seeds: readonly number[];
  readonly faults: number;
  readonly result: string | null;
}
const asked = process.env.AIRA_CHAOS;
const { seeds, faults, result } = (asked ? JSON.parse(asked) : { seeds: [1], faults: 30, result: null }) as Campaigns;

it.each(seeds)('seed %i', async (seed) => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-bad-days-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // Nearly all of the 81 candidates of the toy, at a second each: a quiet machine then outlasts 40 faults.
  const file = toySearch(folder, { profile: 'long', seed, budget: { evaluations: 76 }, workers: 2 });
  const calm = await undisturbed(folder, file, 'bad');
  const days = await BadDays.begin(folder, file, 'bad');
  onTestFinished(() => days.unmount());
  const suffered: Fault[] = [];
  const replay = () =>
    `npm run chaos -- --seed ${seed} --faults ${faults}\n${suffered.map((each) => JSON.stringify(each)).join('\n')}`;
  try {
    for (const { afterMs, fault } of scheduleOf(seed, faults, 800)) {
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      if (days.lab.isFinished) break;
      if (await days.suffer(fault)) suffered.push(fault);
    }
    await days.lab.finished().catch((thrown) => {
      const pending = withArchive(days.lab.home, (db) =>
        db
          .prepare(`SELECT r.node, r.rung, r.seed, (SELECT group_concat(worker) FROM attempts a WHERE a.key = r.key) AS by
          FROM evaluation_requests r WHERE NOT EXISTS (SELECT 1 FROM evaluations e WHERE e.key = r.key)`)
          .all(),
      );
      throw new Error(`the search did not end\n${replay()}\n${days.lab.lastWords()}\n${JSON.stringify(pending)}`, {
        cause: thrown,
      });
    });
  } finally {
    await days.end();
  }
  const cutOff = suffered.reduce((sum, fault) => sum + costOf(fault), 0);
  expect([...days.lab.strange, ...days.wrong], replay()).toEqual([]);
  expect(violations(days.lab.home, 'bad', { undisturbed: calm, cutOff, told: days.lab.told }), replay()).toEqual([]);
  await audit(days.lab.home, 'bad');
  const kinds: Record<string, number> = {};
  for (const { kind } of suffered) kinds[kind] = (kinds[kind] ?? 0) + 1;
  const kills: Record<string, number> = {};
  for (const fault of suffered) if (fault.kind === 'kill') kills[fault.victim] = (kills[fault.victim] ?? 0) + 1;
  const totals = {
    seed,
    faults: suffered.length,
    kinds,
    kills,
    nodes: calm.nodes.length,
    ...trainingCounts(days.lab.home),
  };
  console.info(JSON.stringify(totals));
  if (result !== null) appendFileSync(result, `${JSON.stringify(totals)}\n`);
});
