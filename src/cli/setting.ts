import type { LabOptions } from '../actors/index.ts';
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
import { airaVersion } from './version.ts';

/**
 * `AIRA_ACK_WAIT_SECONDS`: after this long without a heartbeat a worker counts as lost. All processes on a NATS server
 * must use the same value. Default 30 s; tests that kill components use less.
 *
 * @throws PrerequisiteError `ack-wait` for anything but a number from 1 to 3600.
 */
function ackWaitMs(text = process.env.AIRA_ACK_WAIT_SECONDS): number {
  if (text === undefined || text === '') return 30_000;
  const seconds = Number(text);
  if (seconds >= 1 && seconds <= 3600) return Math.round(seconds * 1000);
  const message = `AIRA_ACK_WAIT_SECONDS must be a number from 1 to 3600, got ${JSON.stringify(text)}`;
  throw new PrerequisiteError('ack-wait', message, 'correct or unset it');
}

export interface SystemOptions extends NatsOptions {
  home: string;
  port?: number;
  /** Price file of the user. */
  prices?: string;
  /** A recording to answer from. */
  replay?: string;
  /** Use cached literature only. */
  offline?: boolean;
  /** Run programs of agents without a sandbox. */
  unsafe?: boolean;
  /** Third-party task directories that workers of this process may run. */
  task?: readonly string[];
  /** Folders of own primitives that workers of this process may train. */
  primitives?: readonly string[];
  /** Allowed endpoints of language models. */
  baseUrl?: readonly string[];
  /** Real paths of programs that agents of this process may run. */
  program?: readonly string[];
  /** Folders with scaffolds that agents of this process may have. */
  scaffolds?: readonly string[];
}

/** Dependencies of a component that trains nothing. */
export function partOptions(options: SystemOptions) {
  const log = createLogger('aira');
  const room = retrievers({
    environment: process.env,
    version: airaVersion,
    offline: options.offline === true,
    clock: systemClock,
    timers: systemTimers,
    log,
  });
  return {
    home: options.home,
    ...natsAccess(options, process.env),
    ackWaitMs: ackWaitMs(),
    clock: systemClock,
    timers: systemTimers,
    openRetriever: room.open,
    closeReading: room.close,
    log,
  };
}

/** Dependencies of a lab in production. @throws PrerequisiteError without a usable Python. */
export async function labOptions(options: SystemOptions): Promise<LabOptions> {
  const python = await findPython();
  await probeEngine(python);
  return {
    ...partOptions(options),
    programs: options.program ?? [],
    scaffolds: options.scaffolds ?? [],
    natsServer: findNatsServer,
    port: options.port,
    helpers: { python, env: childEnvironment(process.env), packageRoot },
    workers: {
      python,
      data: dataFolder(options.home),
      unsafe: options.unsafe === true,
      primitives: options.primitives ?? [],
      tasks: [...(options.task ?? []), ...registeredTasks(options.home)],
    },
    chat: {
      environment: process.env,
      addresses: options.baseUrl ?? [],
      prices: options.prices,
      replay: options.replay,
    },
  };
}

/** Endpoints of language models that agents name. */
export const addressesOf = (agents: readonly Pick<SearchSpec['agents'][number], 'baseUrl'>[]): string[] =>
  agents.flatMap(({ baseUrl }) => baseUrl ?? []);

/** Files of programs that agents run. */
export const programsOf = (agents: readonly Pick<SearchSpec['agents'][number], 'program'>[]): string[] =>
  agents.flatMap(({ program }) => program?.path ?? []);

/** The agents of a search in this home's archive; none for a search recorded elsewhere. */
export function recordedAgents(home: string, search: SearchId): SearchSpec['agents'] {
  if (!isThere(archivePath(home), home)) return [];
  const reader = readArchive(home);
  try {
    return reader.searches.exists(search) ? reader.searches.spec(search).agents : [];
  } finally {
    reader.close();
  }
}
