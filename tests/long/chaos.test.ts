/** The chaos tests at length: every failpoint at several passes, and six campaigns of 25 kills each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { failpoints } from '../../src/platform/processes.ts';
import { audit } from '../chaos/audit.ts';
import { campaign } from '../chaos/campaign.ts';
import { violations } from '../chaos/checker.ts';
import { dieAndResume } from '../chaos/dieAndResume.ts';
import { DistributedLab, freePort } from '../chaos/distributedLab.ts';
import { undisturbed } from '../chaos/undisturbed.ts';
import type { Contents } from '../support/ledger.ts';
import { toySearch } from '../support/toySearch.ts';

const folder = mkdtempSync(join(tmpdir(), 'aira-long-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('killed at', () => {
  let calm: Contents;
  beforeAll(async () => {
    calm = await undisturbed(folder, toySearch(folder), 'toy');
  });

  // No search has more proposals than its budget.
  const passes = (name: string) => (name.startsWith('submit.') ? [1, 2, 6] : [1, 2, 7, 12]);
  it.for(failpoints.flatMap((name) => passes(name).map((pass) => `${name}:${pass}`)))('%s', async (armed) => {
    expect(await dieAndResume(armed, mkdtempSync(join(folder, 'killed-')), calm)).toEqual([]);
  });
});

describe('25 kills', () => {
  it.for([2, 3, 4, 5, 6, 7])('of campaign %i', async (seed) => {
    const place = mkdtempSync(join(folder, 'kills-'));
    const file = toySearch(place, { profile: 'steady', seed, budget: { evaluations: 32 }, workers: 2 });
    const calm = await undisturbed(place, file, 'kills');
    const lab = new DistributedLab({ folder: place, file, search: 'kills', port: await freePort() });
    onTestFinished(() => lab.stop());
    await lab.start();
    const { kills, cutOff } = await campaign(lab, 25, seed, 600);
    await lab.finished();
    await lab.stop();
    expect(lab.strange).toEqual([]);
    expect(violations(lab.home, 'kills', { undisturbed: calm, cutOff, told: lab.told }), kills.join(' ')).toEqual([]);
    expect(kills).toHaveLength(25);
    await audit(lab.home, 'kills');
  });
});
