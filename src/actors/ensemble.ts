import { randomUUID } from 'node:crypto';
import { createModel, type LocalModel, type PythonSetting } from '../agents/index.ts';
import { type Bus, connectBus } from '../bus/index.ts';
import type { ModelName } from '../domain/agent.ts';
import { RetryableError, toError } from '../domain/errors.ts';
import { workerIdSchema } from '../domain/ids.ts';
import type { OpenRetriever } from '../domain/literature.ts';
import type { Standing } from '../domain/messages.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { Device } from '../evaluators/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { Timers } from '../platform/timers.ts';
import {
  type EmbeddedServer,
  embedServer,
  type LabSetting,
  type Part,
  type SearchEnd,
  startAgent,
  startArchivist,
  startSearch,
  startWorker,
} from './lab.ts';

/** Parts that may run in other processes instead. */
export const parts = ['archive', 'workers', 'agents'] as const;
export type PartName = (typeof parts)[number];

export interface EnsembleSetting {
  readonly home: string;
  /** The server to meet at; without it one is embedded, which nats-server binary and port are for. */
  readonly url: string | null;
  readonly natsServer: () => string;
  readonly port: number | undefined;
  /** What helper processes are started with. */
  readonly helpers: PythonSetting;
  /** What the models that read, read with. */
  readonly openRetriever: OpenRetriever;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** A lab whose bus is up and whose archive answers, ready to run a search. */
export interface Lab {
  readonly bus: Bus;
  readonly url: string;
  runSearch(
    spec: SearchSpec,
    source: string,
    options: { devices: readonly Device[]; without: readonly PartName[] },
  ): RunningSearch;
  close(): Promise<void>;
}

export interface RunningSearch {
  readonly ended: Promise<SearchEnd>;
  /** Ends after what is being trained. */
  drain(): void;
  /** The latest that is known of where it stands. */
  standing(): Standing | null;
}

/** A number that tells this process's workers from those of others on the same bus. */
const tag = () => randomUUID().slice(0, 8);

async function answers(bus: Bus): Promise<boolean> {
  try {
    await bus.ask('search-name', { family: 'probe' as never }, { timeoutMs: 2000 });
    return true;
  } catch (thrown) {
    if (thrown instanceof RetryableError) return false;
    throw thrown;
  }
}

/**
 * Opens a lab: a bus, embedded unless a URL is given, and an archivist, unless one answers already or another process is
 * to bring it.
 *
 * @throws PrerequisiteError when the bus cannot be reached or the home cannot be used.
 */
export async function openLab(setting: EnsembleSetting, without: readonly PartName[]): Promise<Lab> {
  const { home, clock, timers, log } = setting;
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    let { url } = setting;
    if (url === null) {
      const server: EmbeddedServer = await embedServer(setting.natsServer(), `${home}/nats`, setting.port, log);
      closers.push(() => server.stop());
      url = server.url;
    }
    const bus = await connectBus({ url, name: 'aira', clock, ids: randomUUID, log });
    closers.push(() => bus.close());
    const lab: LabSetting = { bus, clock, timers, log };
    if (!without.includes('archive') && !(setting.url !== null && (await answers(bus)))) {
      const archivist = startArchivist(home, lab);
      closers.push(async () => {
        archivist.stop();
        await archivist.ended;
      });
    }
    return { bus, url, runSearch: (...args) => runSearch(lab, setting, ...args), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function runSearch(
  lab: LabSetting,
  { helpers, openRetriever }: Pick<EnsembleSetting, 'helpers' | 'openRetriever'>,
  spec: SearchSpec,
  source: string,
  { devices, without }: { devices: readonly Device[]; without: readonly PartName[] },
): RunningSearch {
  const search = startSearch(spec, source, lab);
  const mine = tag();
  const workers: Part[] = without.includes('workers')
    ? []
    : devices.map((device, index) => {
        const id = workerIdSchema.parse(`${device.class}-${index + 1}-w${mine}`);
        return startWorker(id, device, helpers.python, lab);
      });
  const models = new Map<ModelName, LocalModel>();
  for (const { model } of spec.agents) {
    if (!models.has(model)) models.set(model, createModel(model, helpers, openRetriever));
  }
  const agents: Part[] = without.includes('agents')
    ? []
    : spec.agents.map(({ name }) => startAgent(spec.id, name, Object.fromEntries(models), lab));

  const wait = async (): Promise<SearchEnd> => {
    // A search whose own workers are all gone would wait for ever for somebody to train.
    const noWorkers = Promise.all(workers.map((worker) => worker.ended)).then((ends) => {
      const error = ends.find((end) => end !== null);
      return workers.length > 0 && error ? ({ how: 'failed', error: toError(error) } as const) : null;
    });
    const first = await Promise.race([search.ended, noWorkers.then((end) => end ?? search.ended)]);
    if (first.how === 'failed') search.stop();
    for (const part of agents) part.stop();
    for (const part of workers) part.stop();
    await Promise.all([...agents, ...workers].map((part) => part.ended));
    for (const model of models.values()) await model.close();
    return first;
  };

  return {
    ended: wait(),
    drain() {
      for (const part of [...agents, ...workers]) part.drain();
      search.drain();
    },
    standing: search.standing,
  };
}
