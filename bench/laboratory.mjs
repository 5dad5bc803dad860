// A laboratory as a benchmark wants it: the real archivist, workers and agents meeting on a real nats-server, with a task,
// a model and evaluators of the benchmark's own. What is measured is what lies between them.
import { randomUUID } from 'node:crypto';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { agentMachine } from '../dist/actors/agent.js';
import { archivistMachine } from '../dist/actors/archivist.js';
import { startMachine } from '../dist/actors/machines.js';
import { workerMachine } from '../dist/actors/worker.js';
import { connectBus, labAccess, labUsers, roles, sealingKey, startServer } from '../dist/bus/index.js';
import { searchSpecSchema } from '../dist/domain/search.js';
import { Archive } from '../dist/memory/index.js';
import { findNatsServer } from '../dist/platform/index.js';
import { newToken } from '../dist/platform/secrets.js';
import { createLogger } from '../dist/platform/text.js';
import { systemClock, systemTimers } from '../dist/platform/timers.js';

export const search = 'bench-1';
export const primitives = ['M', 'mA', 'Mb'];
const log = createLogger('bench');
const timers = systemTimers;
const clock = systemClock;

/** An agent that draws at random, two proposals ahead of the results. @param {string} name @param {number} evaluations */
export const agent = (name, evaluations) => ({
  ...{ name, model: 'local/random', scaffold: { kind: 'one-shot' }, pending: 2, evaluations },
});

/** A search over stacks of 16 layers whose evaluations nobody trains. @param {readonly unknown[]} agents */
export function searchOf(agents) {
  const rung = { seconds: 1, settings: {} };
  return searchSpecSchema.parse({
    ...{ id: search, task: 'bench', taskVersion: 'v1', metric: 'accuracy', profile: 'nano', evaluator: 'none' },
    ...{ space: { kind: 'stack', layers: 16, primitives }, rungs: { screen: rung, confirm: rung, final: rung } },
    ...{
      deviceClass: 'cpu',
      lowerIsBetter: false,
      seed: 1,
      budget: { evaluations: 2_000_000 },
      references: [],
      agents,
    },
    ladder: { promote: 0.2, confirmSeeds: 1, finalists: 2, finalSeeds: 2 },
  });
}

export const outcome = {
  ...{ status: 'ok', validation: 0.5, test: null, tasks: {}, curve: [], seconds: 1, cpuSeconds: 1 },
  ...{ params: 1, flops: 1, peakMemoryBytes: 1, device: 'cpu' },
};

/** An evaluator that takes for each job what `judge` takes. @param {(key: string) => Promise<void>} judge */
export const evaluator = (judge) => ({
  start: async () => ({ evaluator: 'none', device: 'cpu', deviceName: 'none' }),
  evaluate: async (jobs, { onOutcome }) => {
    for (const { key } of jobs) {
      await judge(key);
      onOutcome(key, outcome);
    }
  },
  stop: async () => undefined,
});

/** The server of a home, on the loopback address. @param {string} home */
export const serverOf = (home) =>
  startServer({ binary: findNatsServer(), storeDir: join(home, 'nats'), users: labUsers(home), log });

/** A connection in a role, with the key of the home. @param {string} home @param {string} url @param {string} role */
export const connectAs = (home, url, role) =>
  connectBus({ url, access: labAccess(home, role), role, name: role, clock, ids: randomUUID, log });

/** The archivist of an open archive. @param {object} archive @param {string} home @param {object} bus */
export const startArchivist = (archive, home, bus) =>
  startMachine(
    archivistMachine({ archive, bus, sealingKey: sealingKey(home), timers, log, reconcileEveryMs: 60_000 }),
    log,
  );

/** @param {string} id @param {object} judge @param {object} bus */
export function startWorker(id, judge, bus) {
  const parts = { id, deviceClass: 'cpu', evaluators: new Map([['stack', judge]]), heartbeatMs: 10_000 };
  return startMachine(workerMachine({ ...parts, bus, newToken, clock, timers, log }), log);
}

/** @param {string} name @param {Function} think @param {object} bus */
export const startAgent = (name, think, bus) =>
  startMachine(agentMachine({ search, name, token: newToken(), bus, think, timers, log }), log);

/**
 * Opens the archive of a home and puts the parts of a laboratory around it.
 *
 * @param {string} home
 * @param {(archive: object) => void} [watch] sees the archive before any part does
 */
export async function openLab(home, watch = () => undefined) {
  const server = await serverOf(home);
  const buses = {};
  for (const role of roles) buses[role] = await connectAs(home, server.url, role);
  const bus = buses.search;
  const archive = Archive.open(home, clock);
  watch(archive);
  const archivist = startArchivist(archive, home, buses.archive);
  await bus.ask('search-name', { family: 'probe' }, { attempts: 50 });
  const workers = [];
  return {
    bus,
    /** @param {string} id @param {object} judge */
    startWorker: (id, judge) => workers.push(startWorker(id, judge, buses.worker)),
    /** @param {string} name @param {Function} think */
    startAgent: (name, think) => startAgent(name, think, buses.agent),
    async close() {
      for (const worker of workers) worker.send({ type: 'STOP' });
      await Promise.all(workers.map(({ ended }) => ended));
      archivist.send({ type: 'STOP' });
      await archivist.ended;
      archive.close();
      for (const each of Object.values(buses)) await each.close();
      await server.stop();
    },
  };
}

/** Date, machine and load, as the first line of a section says them. */
export function circumstances() {
  const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;
  const load = loadavg()[0]?.toFixed(1);
  return `${new Date().toISOString().slice(0, 10)}, ${machine}, load average ${load} at the beginning.`;
}

/** The value that a share of the values is not above. @param {readonly number[]} values @param {number} share */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
