import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection, nkeyAuthenticator, nkeys } from 'nats';
import { pino } from 'pino';
import { vi } from 'vitest';
import {
  type Access,
  type Bus,
  type BusOptions,
  type BusUser,
  connectBus,
  type NatsServer,
  startServer,
} from '../../src/bus/index.ts';
import { type EvaluationResult, evaluationResultSchema, type Job, jobSchema } from '../../src/domain/evaluation.ts';
import { contentHash } from '../../src/domain/json.ts';
import { eventSchema, type LabEvent } from '../../src/domain/messages.ts';
import { systemClock } from '../../src/platform/timers.ts';

export const binary = 'nats-server';
export const quiet = pino({ level: 'silent' });

/** One who may do everything, for tests that play several parts over one connection. */
const everyone = nkeys.createUser();
export const everything: BusUser = { nkey: everyone.getPublicKey(), publish: ['>'], subscribe: ['>'] };
export const everyAccess: Access = { nkeySeed: everyone.getSeed() };

/** Below a store: where a server keeps the streams of a lab. */
export const streamsFolder = 'jetstream/jetstream/AIRA/streams';

/** A connection without anything of Aira in between. */
export function rawConnection({ url }: Pick<NatsServer, 'url'>): Promise<NatsConnection> {
  return connect({ servers: url, authenticator: nkeyAuthenticator(everyone.getSeed()) });
}

/** A logger that keeps what it is told. */
export function listeningLog() {
  const records: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void records.push(JSON.parse(line)) });
  return { log, records };
}

/** Resolves when the condition holds; throws what it threw last when it does not within `withinMs`. */
export function until<T>(
  condition: () => T | Promise<T>,
  withinMs = 30_000,
): Promise<Exclude<T, false | null | undefined>> {
  return vi.waitFor(
    async () => {
      const value = await condition();
      if (value === false || value === undefined || value === null) throw new Error('the condition does not hold yet');
      return value as Exclude<T, false | null | undefined>;
    },
    { timeout: withinMs, interval: 20 },
  );
}

/** A place for one test file: temporary directories, servers and buses that are all gone afterwards. */
export function laboratory() {
  const undo: (() => void | Promise<void>)[] = [];
  let ids = 0;
  function directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'aira-bus-'));
    undo.push(() => rmSync(path, { recursive: true, force: true }));
    return path;
  }
  return {
    directory,
    async server(storeDir = directory(), port?: number, users: readonly BusUser[] = [everything]): Promise<NatsServer> {
      const server = await startServer({ binary, storeDir, port, users, log: quiet });
      undo.push(() => server.stop());
      return server;
    },
    async bus(server: NatsServer, options: Partial<BusOptions> = {}): Promise<Bus> {
      const bus = await connectBus({
        url: server.url,
        access: everyAccess,
        name: 'test',
        clock: systemClock,
        ids: () => `id-${++ids}`,
        log: quiet,
        ...options,
      });
      undo.push(() => bus.close());
      return bus;
    },
    later(action: () => void | Promise<void>): void {
      undo.push(action);
    },
    async clear(): Promise<void> {
      for (const action of undo.splice(0).reverse()) await action();
    },
  };
}

export function job(number: number): Job {
  return jobSchema.parse({
    key: contentHash(`job ${number}`),
    task: 'compose-mad-3p',
    taskVersion: 'a1',
    evaluator: 'torch-1',
    deviceClass: 'cpu',
    rung: 'screen',
    space: { kind: 'stack', layers: 2, primitives: ['M', 'mA', 'Mb'] },
    settings: { steps: 10, widths: [8, 16] },
    candidate: { kind: 'stack', architecture: ['mA', 'M'] },
    lowerIsBetter: false,
    seed: number,
    measure: 'validation',
    timeoutSeconds: 60,
  });
}

export function result(number: number): EvaluationResult {
  return evaluationResultSchema.parse({
    key: job(number).key,
    worker: 'worker-1',
    evaluator: 'torch-1',
    attempt: 1,
    outcome: {
      status: 'failed',
      reason: 'nan',
      message: `loss left the numbers at ${number}`,
      seconds: 1,
      device: 'cpu',
    },
  });
}

export function event(number: number, search = 'first'): LabEvent {
  return eventSchema.parse({
    kind: 'node-evaluated',
    search,
    node: `composer-${number}`,
    agent: 'composer',
    rung: 'screen',
    seed: number,
    validation: 0.5,
    seconds: 1,
    saved: false,
  });
}
