/** Random kills of any process of a distributed lab. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { toySearch } from '../support/toySearch.ts';
import { audit } from './audit.ts';
import { campaign } from './campaign.ts';
import { violations } from './checker.ts';
import { DistributedLab, freePort } from './distributedLab.ts';
import { undisturbed } from './undisturbed.ts';

it('25 kills lose nothing and count nothing twice', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-kills-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = toySearch(folder, { profile: 'steady', budget: { evaluations: 32 }, workers: 2 });

  const calm = await undisturbed(folder, file, 'kills');
  const lab = new DistributedLab({ folder, file, search: 'kills', port: await freePort() });
  onTestFinished(() => lab.stop());
  await lab.start();
  const { kills, cutOff } = await campaign(lab, 25, 1, 600);
  await lab.finished();
  await lab.stop();

  expect(kills).toHaveLength(25);
  expect(lab.strange).toEqual([]);
  expect(violations(lab.home, 'kills', { undisturbed: calm, cutOff, told: lab.told }), kills.join(' ')).toEqual([]);
  await audit(lab.home, 'kills');
});
