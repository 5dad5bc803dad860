import type { EnsembleSetting } from '../actors/index.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { probeEngine } from '../evaluators/index.ts';
import { retrievers } from '../literature/index.ts';
import { archivePath, isThere, readArchive } from '../memory/index.ts';
import {
  childEnvironment,
  createLogger,
  findNatsServer,
  findPython,
  packageRoot,
  systemClock,
  systemTimers,
} from '../platform/index.ts';
import { dataFolder, registeredTasks } from '../tasks/index.ts';
import { type NatsOptions, natsAccess } from './nats.ts';
import { airaVersion } from './writeReport.ts';

/**
 * `AIRA_ACK_WAIT_SECONDS`: after how long the silence of a worker means that it is gone. All processes that share a NATS
 * server must be given the same. Default 30 s; shorter where parts are expected to die often, as in tests.
 *
 * @throws PrerequisiteError `ack-wait` for anything but a number of at least 1.
 */
function ackWaitMs(text = process.env.AIRA_ACK_WAIT_SECONDS): number {
  if (text === undefined || text === '') return 30_000;
  const seconds = Number(text);
  if (seconds >= 1 && seconds <= 3600) return Math.round(seconds * 1000);
  const message = `AIRA_ACK_WAIT_SECONDS is ${JSON.stringify(text)}, which is not between 1 and 3600`;
  throw new PrerequisiteError('ack-wait', message, 'correct or unset it');
}

export interface SystemOptions extends NatsOptions {
  home: string;
  port?: number;
  /** A price file of the user's own. */
  prices?: string;
  /** A recording to answer from. */
  replay?: string;
  /** Ask no literature service. */
  offline?: boolean;
  /** Run programs of agents without a sandbox. */
  unsafe?: boolean;
  /** Task directories by others that workers of this process may run. */
  task?: readonly string[];
  /** Addresses at which language models may be asked. */
  baseUrl?: readonly string[];
}

/** What the parts of a lab are given when they run for real. @throws PrerequisiteError without a usable Python. */
export async function labOptions(options: SystemOptions): Promise<EnsembleSetting> {
  const python = await findPython();
  await probeEngine(python);
  const log = createLogger('aira');
  const room = retrievers({
    ...{ environment: process.env, version: airaVersion, offline: options.offline === true },
    ...{ clock: systemClock, timers: systemTimers, log },
  });
  return {
    home: options.home,
    ...natsAccess(options, process.env),
    natsServer: findNatsServer,
    port: options.port,
    ackWaitMs: ackWaitMs(),
    helpers: { python, env: childEnvironment(process.env), packageRoot },
    workers: {
      ...{ python, data: dataFolder(options.home), unsafe: options.unsafe === true },
      tasks: [...(options.task ?? []), ...registeredTasks(options.home)],
    },
    chat: {
      ...{ environment: process.env, addresses: options.baseUrl ?? [] },
      ...{ prices: options.prices, replay: options.replay },
    },
    clock: systemClock,
    timers: systemTimers,
    openRetriever: room.open,
    closeReading: room.close,
    log,
  };
}

/** The addresses of language models that the agents of a search name. */
export const addressesOf = (agents: readonly Pick<SearchSpec['agents'][number], 'baseUrl'>[]): string[] =>
  agents.flatMap(({ baseUrl }) => baseUrl ?? []);

/** The same for a search of this home's own ledger; none for a search that is recorded elsewhere. */
export function recordedAddresses(home: string, search: SearchId): string[] {
  if (!isThere(archivePath(home), home)) return [];
  const reader = readArchive(home);
  try {
    return reader.searches.exists(search) ? addressesOf(reader.searches.spec(search).agents) : [];
  } finally {
    reader.close();
  }
}
