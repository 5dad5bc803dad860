import { type AnyModel, createModel, OwnScaffolds, type PythonOptions, Searchers } from '../agents/index.ts';
import {
  type Access,
  type Bus,
  type EmbeddedServer,
  embedServer,
  type Role,
  withoutCredentials,
} from '../bus/index.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { PrerequisiteError, RetryableError, toError } from '../domain/errors.ts';
import { agentNameSchema } from '../domain/ids.ts';
import type { OpenRetriever } from '../domain/literature.ts';
import type { SearchStatus } from '../domain/messages.ts';
import { armsOf, isLocal, isOutside, type LocalModelName } from '../domain/model.ts';
import type { SearchSpec } from '../domain/search.ts';
import { openRehearsals } from '../evaluators/index.ts';
import { privateHome } from '../memory/index.ts';
import { type Clock, type Device, deferred, type Logger, type Timers, watchDisk } from '../platform/index.ts';
import { type ChatOptions, isRecorded, openChat } from './chat.ts';
import {
  type Component,
  type ComponentDeps,
  limitsFor,
  roleConnections,
  type SearchEnd,
  startAgent,
  startArchivist,
  startScale,
  startSearch,
  startWorkers,
  tokensOf,
  type WorkerOptions,
} from './components.ts';
import type { ScaleProgress } from './scalePlan.ts';

/** Parts that may run in other processes instead. */
export const components = ['archive', 'workers', 'agents'] as const;
export type ComponentName = (typeof components)[number];

export interface LabOptions {
  readonly home: string;
  /** The server to meet at; without it one is embedded, which nats-server binary and port are for. */
  readonly url: string | null;
  /** What the user gave to show there; null for the keys of the home's own lab. */
  readonly access: Access | null;
  readonly natsServer: () => string;
  readonly port: number | undefined;
  /** Silence of a worker, in milliseconds, after which its jobs go to others. */
  readonly ackWaitMs: number;
  /** What helper processes are started with. */
  readonly helpers: PythonOptions;
  readonly workers: WorkerOptions;
  /** Real paths of programs that agents may run. */
  readonly programs: readonly string[];
  /** Folders with scaffolds of the user. */
  readonly scaffolds: readonly string[];
  /** What the models that read, read with. */
  readonly openRetriever: OpenRetriever;
  /** Ends what reading has under way; called when the lab closes. */
  readonly closeReading: () => void;
  /** How this process reaches language models. */
  readonly chat: ChatOptions;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

export interface RunOptions {
  /** One worker is started on each of these. */
  readonly devices: readonly Device[];
  readonly without: readonly ComponentName[];
  /** Workers that were started for it beforehand. */
  readonly crew?: number;
}

/** A lab whose bus is up and whose archive answers, ready to run a search. */
export interface Lab {
  /** The connection of role `search`. */
  readonly bus: Bus;
  /** Sees what passes, for displays. */
  readonly viewer: Bus;
  /** The server keeps the roles apart. */
  readonly separated: boolean;
  readonly url: string;
  /** Rejects when the server or the archive of this lab fails for good, or its disk is nearly full. */
  readonly failed: Promise<never>;
  runSearch(spec: SearchSpec, source: string, options: RunOptions): RunningSearch;
  /** The runs of a scale plan; its workers are started apart. */
  runScale(
    spec: SearchSpec,
    source: string,
    onProgress: (progress: ScaleProgress) => void,
  ): ReturnType<typeof startScale>;
  /** Workers that outlast a search: they train for whichever search has jobs of these kinds. */
  startWorkers(devices: readonly Device[], kinds: readonly SpaceKind[]): Component[];
  close(): Promise<void>;
}

export interface RunningSearch {
  readonly ended: Promise<SearchEnd>;
  /** Ends after what is being trained. */
  drain(): void;
  /** The latest that is known of where it stands. */
  searchStatus(): SearchStatus | null;
}

/** Tries, a quarter of a second apart, until an archive must answer: it may be reading a large ledger. */
const startAttempts = 80;

/** Time to end: a nats-server falls silent on a full disk, and stays so when there is room again. */
const leastFreeBytes = 64 * 1024 * 1024;

function diskFull(home: string, free: number): PrerequisiteError {
  const megabytes = Math.floor(free / 1024 / 1024);
  const message = `the disk is nearly full: ${megabytes} MB are free in ${home}; nothing that was recorded is lost`;
  return new PrerequisiteError('disk-full', message, 'free some space, then resume the search');
}

/** Whether an archivist answers within this many tries, a quarter of a second apart. */
async function answers(bus: Bus, attempts: number): Promise<boolean> {
  try {
    await bus.ask('search-name', { family: agentNameSchema.parse('probe') }, { timeoutMs: 2000, attempts });
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
export async function openLab(options: LabOptions, without: readonly ComponentName[]): Promise<Lab> {
  const { home, ackWaitMs, clock, timers, log } = options;
  privateHome(home);
  const closers: (() => Promise<void>)[] = [];
  const failed = deferred<never>();
  const close = async (): Promise<void> => {
    // One that fails must not keep the others from running: a server that is left behind keeps this process alive.
    const failures: unknown[] = [];
    for (const closer of closers.splice(0).reverse()) await closer().catch((thrown) => failures.push(thrown));
    if (failures.length > 0) throw failures[0];
  };
  closers.push(async () => options.closeReading());
  try {
    let { url } = options;
    if (url === null) {
      const server: EmbeddedServer = await embedServer(options.natsServer(), home, options.port, log);
      closers.push(() => server.stop());
      server.gone.catch((thrown) => failed.reject(toError(thrown)));
      const stopWatching = watchDisk(home, leastFreeBytes, timers, (free) => failed.reject(diskFull(home, free)));
      closers.push(async () => stopWatching());
      url = server.url;
    }
    const access = options.url === null ? null : options.access;
    const buses = roleConnections({ url, access }, home, { limits: limitsFor(ackWaitMs), clock, log });
    closers.push(() => buses.close());
    const [bus, viewer] = [await buses.open('search'), await buses.open('viewer')];
    if (!without.includes('workers')) await buses.open('worker');
    if (!without.includes('agents')) await buses.open('agent');
    const common = { tokenOf: tokensOf(home), ackWaitMs, clock, timers, log };
    const as = (role: Role): ComponentDeps => ({ ...common, bus: buses.as(role) });
    if (!without.includes('archive') && !(options.url !== null && (await answers(bus, 1)))) {
      await buses.open('archive');
      const archivist = startArchivist(home, as('archive'));
      closers.push(async () => {
        archivist.stop();
        await archivist.ended;
      });
      archivist.ended.then((error) => error && failed.reject(error), failed.reject);
    }
    if (!(await Promise.race([answers(bus, startAttempts), failed.promise]))) {
      throw new PrerequisiteError(
        'archive-away',
        `no archive answers at ${withoutCredentials(url)}`,
        'start one there with: aira archive',
      );
    }
    const run: Lab['runSearch'] = (spec, source, runOptions) =>
      runSearch(as, { ...options, failed: failed.promise }, spec, source, runOptions);
    const scale: Lab['runScale'] = (spec, source, onProgress) => startScale(spec, source, onProgress, as('search'));
    // Our own server does; another is asked.
    const separated = options.url === null || (await viewer.separatesRoles());
    return {
      bus,
      viewer,
      separated,
      url,
      failed: failed.promise,
      runSearch: run,
      runScale: scale,
      startWorkers: (devices, kinds) => startWorkers(devices, kinds, options.workers, as('worker')),
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function runSearch(
  as: (role: Role) => ComponentDeps,
  {
    home,
    helpers,
    workers: own,
    programs,
    scaffolds,
    openRetriever,
    chat,
    failed,
  }: Pick<LabOptions, 'home' | 'helpers' | 'workers' | 'programs' | 'scaffolds' | 'openRetriever' | 'chat'> & {
    failed: Promise<never>;
  },
  spec: SearchSpec,
  source: string,
  { devices, without, crew = 0 }: RunOptions,
): RunningSearch {
  const here = !without.includes('agents');
  // The connection of the search is always there, that of agents only where they run.
  const { clock, timers, log } = as('search');
  const place = openRehearsals({ ...own, clock, timers, log });
  const talk = here && spec.agents.some(isRecorded) ? openChat(spec.id, home, chat, place, as('agent')) : null;
  const launched = without.includes('workers') ? [] : devices;
  const search = startSearch(spec, source, launched.length + crew, as('search'));
  // A process that brings no workers has no connection as one.
  const workers = launched.length === 0 ? [] : startWorkers(launched, [spec.space.kind], own, as('worker'));
  const models = new Map<LocalModelName, AnyModel>();
  for (const model of spec.agents.flatMap((agent) => armsOf(agent.model))) {
    if (isLocal(model) && !models.has(model)) models.set(model, createModel(model, helpers, openRetriever));
  }
  const searchers = new Searchers(helpers, timers, programs);
  const equipment = {
    models: Object.fromEntries(models),
    chat: talk?.thinking,
    rehearsing: talk?.rehearsing,
    openRetriever,
    scaffolds: new OwnScaffolds(scaffolds),
    searchers,
  };
  const agents: Component[] = here
    ? spec.agents
        .filter(({ model }) => !isOutside(model))
        .map(({ name }) => startAgent(spec.id, name, equipment, as('agent')))
    : [];

  const untilEnded = async (): Promise<SearchEnd> => {
    // Without its workers a search would wait forever.
    const noWorkers = Promise.all(workers.map((worker) => worker.ended)).then((ends) => {
      const error = ends.find((end) => end !== null);
      return workers.length > 0 && error ? ({ how: 'failed', error: toError(error) } as const) : null;
    });
    const labFailed = failed.catch((thrown): SearchEnd => ({ how: 'failed', error: toError(thrown) }));
    const first = await Promise.race([search.ended, noWorkers.then((end) => end ?? search.ended), labFailed]);
    if (first.how === 'failed') search.stop();
    for (const part of agents) part.stop();
    for (const part of workers) part.stop();
    await Promise.all([...agents, ...workers].map((part) => part.ended));
    for (const model of models.values()) await model.close();
    await searchers.close();
    await talk?.close();
    return first;
  };

  return {
    ended: untilEnded(),
    drain() {
      for (const part of [...agents, ...workers]) part.drain();
      search.drain();
    },
    searchStatus: search.searchStatus,
  };
}
