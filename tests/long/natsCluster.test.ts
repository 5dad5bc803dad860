/** A NATS cluster of three loses the server that leads a stream, again and again: the search ends as an undisturbed one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { streamNames } from '../../src/bus/subjects.ts';
import { audit } from '../chaos/audit.ts';
import { violations } from '../chaos/checker.ts';
import { NatsCluster } from '../chaos/cluster.ts';
import { DistributedLab } from '../chaos/distributedLab.ts';
import { undisturbed } from '../chaos/undisturbed.ts';
import { toySearch } from '../support/toySearch.ts';

const losses = 9;

it('a lab on a cluster of three survives the loss of leaders', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'aira-cluster-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = toySearch(folder, { profile: 'steady', seed: 7, budget: { evaluations: 160 }, workers: 2 });
  const calm = await undisturbed(folder, file, 'three');
  const cluster = await NatsCluster.begin(folder, 3);
  onTestFinished(() => cluster.end());
  const network = { urlOf: () => cluster.url, envOf: () => ({}) };
  const lab = new DistributedLab({ folder, file, search: 'three', network });
  const lost: string[] = [];
  try {
    await lab.start();
    const streams = Object.values(streamNames);
    for (let loss = 0; loss < losses && !lab.isFinished; loss++) {
      const stream = streams[loss % streams.length] as string;
      const { leader, copies } = await cluster.leaderOf(stream);
      expect(copies).toBe(3);
      await cluster.kill(leader);
      lost.push(`${stream}: nats-${leader}`);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      cluster.start(leader);
    }
    await lab.finished();
  } finally {
    await lab.stop();
  }
  expect(lost).toHaveLength(losses);
  expect(lab.strange, lost.join('\n')).toEqual([]);
  expect(violations(lab.home, 'three', { undisturbed: calm, cutOff: lost.length, told: lab.told })).toEqual([]);
  await audit(lab.home, 'three');
});
