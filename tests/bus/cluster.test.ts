/** Streams on a NATS cluster: three copies where there are three servers, one where there are fewer, three again later. */
import { afterEach, expect, it } from 'vitest';
import { connectBus } from '../../src/bus/index.ts';
import { streamNames } from '../../src/bus/subjects.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { NatsCluster } from '../chaos/cluster.ts';
import { laboratory, listeningLog, until } from './support.ts';

const lab = laboratory();
afterEach(() => lab.clear());

it('stores one copy on two servers and says so, and three once there are three', async () => {
  const cluster = await NatsCluster.begin(lab.directory(), 3, 2);
  lab.later(() => cluster.end());
  const { log, records } = listeningLog();
  const bus = await connectBus({ url: cluster.url, name: 'test', clock: systemClock, ids: () => 'id', log });
  lab.later(() => bus.close());
  const warned = () => records.some(({ msg }) => /fewer than three servers/.test(String(msg)));
  /** The archive sets up streams again until it succeeds: a cluster that elects a leader, or admits a server, refuses for a while. */
  const stored = (copies: number) =>
    until(async () => {
      await bus.ensureStreams();
      return (await cluster.leaderOf(streamNames.work)).copies === copies;
    });

  await stored(1);
  expect(warned()).toBe(true);

  cluster.start(2);
  await stored(3);
  records.length = 0;
  await bus.ensureStreams();
  expect(warned()).toBe(false);
});
