/** Streams on a NATS cluster: three copies where there are three servers, one where there are fewer, three again later. */
import { afterEach, expect, it } from 'vitest';
import { connectBus } from '../../src/bus/index.ts';
import { streamNames } from '../../src/bus/subjects.ts';
import { systemClock } from '../../src/platform/timers.ts';
import { NatsCluster } from '../chaos/cluster.ts';
import { laboratory, listeningLog } from './support.ts';

const lab = laboratory();
afterEach(() => lab.clear());

it('stores one copy on two servers and says so, and three once there are three', async () => {
  const cluster = await NatsCluster.begin(lab.directory(), 3, 2);
  lab.later(() => cluster.end());
  const { log, records } = listeningLog();
  const bus = await connectBus({ url: cluster.url, name: 'test', clock: systemClock, ids: () => 'id', log });
  lab.later(() => bus.close());
  const warnings = () => records.filter(({ msg }) => /fewer than three servers/.test(String(msg))).length;

  await bus.ensureStreams();
  expect(await cluster.leaderOf(streamNames.work)).toMatchObject({ copies: 1 });
  expect(warnings()).toBe(Object.keys(streamNames).length);

  cluster.start(2);
  await cluster.whole();
  await bus.ensureStreams();
  expect(await cluster.leaderOf(streamNames.work)).toMatchObject({ copies: 3 });
  expect(warnings()).toBe(Object.keys(streamNames).length);
});
