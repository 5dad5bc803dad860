import { randomUUID } from 'node:crypto';
import {
  type AnyModel,
  createModel,
  OwnScaffolds,
  type PythonOptions,
  Searchers,
  type ThinkDeps,
  think,
} from '../agents/index.ts';
import {
  type Access,
  agentSecret,
  type Bus,
  type BusOptions,
  type EmbeddedServer,
  embedServer,
  type Role,
  sealingKey,
  withoutCredentials,
} from '../bus/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { PrerequisiteError, RetryableError, toError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type SearchId, type WorkerId, workerIdSchema } from '../domain/ids.ts';
import type { OpenRetriever } from '../domain/literature.ts';
import type { SearchStatus } from '../domain/messages.ts';
import { armsOf, isLocal, isOutside, type LocalModelName } from '../domain/model.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type EvaluatorOptions, openEvaluator, openRehearsals } from '../evaluators/index.ts';
import { Archive, privateHome } from '../memory/index.ts';
import {
  type Clock,
  type Device,
  deferred,
  derivedToken,
  type Logger,
  newToken,
  type Timers,
  watchDisk,
} from '../platform/index.ts';
import { agentMachine } from './agent/machine.ts';
import { archivistMachine } from './archivist/machine.ts';
import { type ComponentDeps, roleConnections } from './buses.ts';
import { type ChatOptions, isRecorded, openChat } from './chat.ts';
import { retryTransient, startMachine } from './machines.ts';
import { type ScaleProgress, scaleMachine } from './scale/machine.ts';
import { searchMachine } from './search/machine.ts';
import { workerMachine } from './worker/machine.ts';
import type { Departure, Stay } from './worker/stay.ts';

/** Heartbeats per acknowledgement wait: more than one, because one may be lost. */
const heartbeatsPerWait = 3;

/** Queue and ledger are compared once per this many acknowledgement waits: every 60 s by default. */
const waitsPerReconciliation = 2;

/** The bus's figures for such a wait. Recording a result takes milliseconds, so its own wait may be shorter. */
export function limitsFor(ackWaitMs: number): NonNullable<BusOptions['limits']> {
  return { jobAckWaitMs: ackWaitMs, resultAckWaitMs: Math.round(ackWaitMs / 3) };
}

/** A component that runs until it is stopped. */
export interface Component {
  /** Resolves when the part has ended; with what was wrong where it ended by itself. */
  readonly ended: Promise<Error | null>;
  /** Ends after what is under way. */
  drain(): void;
  /** Ends now, and returns unfinished jobs to the queue. */
  stop(): void;
}

/** A worker, which may have its machine for a time only. */
export interface WorkerPart extends Component {
  /** Ends within this many milliseconds: after the training under way if it fits, else it is returned. */
  leave(withinMs: number): void;
  /** Why it left; null while it has not, and where it was drained or stopped. */
  departure(): Departure | null;
}

/** Starts the archivist of a home. @throws PrerequisiteError when the home cannot be used. */
export function startArchivist(home: string, { bus, ackWaitMs, clock, timers, log }: ComponentDeps): Component {
  const archive = Archive.open(home, clock);
  const part = startMachine(
    archivistMachine({
      archive,
      bus,
      timers,
      log,
      sealingKey: sealingKey(home),
      reconcileEveryMs: waitsPerReconciliation * ackWaitMs,
    }),
    log,
  );
  const stop = () => part.send({ type: 'STOP' });
  const ended = part.ended.then((last) => last.context.error).finally(() => archive.close());
  return { ended, drain: stop, stop };
}

/** What workers of any device are given. */
export type WorkerOptions = Pick<EvaluatorOptions, 'python' | 'data' | 'tasks' | 'primitives' | 'unsafe' | 'scale'>;

/** Starts the worker of one device, for candidates of these kinds. */
export function startWorker(
  id: WorkerId,
  device: Device,
  own: WorkerOptions,
  kinds: readonly SpaceKind[],
  options: ComponentDeps,
  stay?: Stay,
): WorkerPart {
  const { bus, timers, log, clock, ackWaitMs } = options;
  const evaluators = new Map(
    kinds.map((kind) => [kind, openEvaluator(kind, { device, ...own, clock, timers, log })] as const),
  );
  const heartbeatMs = Math.round(ackWaitMs / heartbeatsPerWait);
  const parts = { id, deviceClass: device.class, bus, evaluators, stay, clock, timers, log, newToken, heartbeatMs };
  const part = startMachine(workerMachine(parts), log);
  return {
    ended: part.ended.then((last) => last.context.error),
    drain: () => part.send({ type: 'DRAIN' }),
    stop: () => part.send({ type: 'STOP' }),
    leave: (withinMs) => part.send({ type: 'LEAVE', why: 'notice', withinMs }),
    departure: () => part.snapshot().context.departure,
  };
}

/** What agents think with; it belongs to the caller, who closes it. */
export type ThinkingDeps = Pick<
  ThinkDeps,
  'models' | 'chat' | 'openRetriever' | 'scaffolds' | 'searchers' | 'rehearsing'
>;

/** Starts one agent of a search. */
export function startAgent(
  search: SearchId,
  name: AgentName,
  equipment: ThinkingDeps,
  { bus, tokenOf, timers, log }: ComponentDeps,
): Component {
  const thinks = (input: Parameters<Parameters<typeof agentMachine>[0]['think']>[0]) => {
    const { view, signal } = input;
    const claim: ThinkDeps['claim'] = (candidate) => {
      const request = { search, agent: name, ordinal: view.ordinal, candidate };
      const token = tokenOf(search, name);
      return retryTransient(() => bus.ask('idea-claim', request, { token }), { signal, timers, log });
    };
    return think({ ...equipment, ...input, claim });
  };
  const prepare = async ({ scaffold }: AgentSpec): Promise<void> => {
    if (scaffold.kind === 'own') await equipment.scaffolds?.open(scaffold);
  };
  const machine = agentMachine({
    search,
    name,
    token: tokenOf(search, name),
    bus,
    think: thinks,
    prepare,
    timers,
    log,
  });
  const part = startMachine(machine, log);
  const stop = () => part.send({ type: 'STOP' });
  return { ended: part.ended.then((last) => last.context.error), drain: stop, stop };
}

/** How a search ended. */
export type SearchEnd = { readonly how: 'finished' | 'stopped' } | { readonly how: 'failed'; readonly error: Error };

/** Starts a search, or resumes it in the phase that the ledger records. */
export function startSearch(spec: SearchSpec, source: string, workers: number, { bus, timers, log }: ComponentDeps) {
  const part = startMachine(searchMachine({ spec, source, workers, bus, timers, log }), log);
  const ended: Promise<SearchEnd> = part.ended.then((last) => {
    if (last.context.error) return { how: 'failed', error: last.context.error };
    return { how: last.value === 'finished' ? 'finished' : 'stopped' };
  });
  return {
    ended,
    drain: () => part.send({ type: 'DRAIN' }),
    stop: () => part.send({ type: 'STOP' }),
    searchStatus: () => part.snapshot().context.searchStatus,
  };
}

/** Starts the runs of a scale plan, or resumes them. */
export function startScale(
  spec: SearchSpec,
  source: string,
  onProgress: (progress: ScaleProgress) => void,
  { bus, timers, log }: ComponentDeps,
) {
  const part = startMachine(scaleMachine({ spec, source, bus, timers, log, onProgress }), log);
  const ended: Promise<SearchEnd> = part.ended.then((last) => {
    if (last.context.error) return { how: 'failed', error: last.context.error };
    return { how: last.value === 'finished' ? 'finished' : 'stopped' };
  });
  return { ended, drain: () => part.send({ type: 'DRAIN' }) };
}

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

/** A number that tells this process's workers from those of others on the same bus. */
const tag = () => randomUUID().slice(0, 8);

/** How the agents of a home prove who they are. */
export function tokensOf(home: string): ComponentDeps['tokenOf'] {
  let secret: string | undefined;
  return (search, agent) => {
    secret ??= agentSecret(home);
    return derivedToken(secret, `${search} ${agent}`);
  };
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
    const startWorkers: Lab['startWorkers'] = (devices, kinds) =>
      workersOn(devices, kinds, options.workers, as('worker'));
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
      startWorkers,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

function workersOn(
  devices: readonly Device[],
  kinds: readonly SpaceKind[],
  own: WorkerOptions,
  lab: ComponentDeps,
): Component[] {
  const mine = tag();
  return devices.map((device, index) => {
    const id = workerIdSchema.parse(`${device.class}-${index + 1}-w${mine}`);
    return startWorker(id, device, own, kinds, lab);
  });
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
  const workers = launched.length === 0 ? [] : workersOn(launched, [spec.space.kind], own, as('worker'));
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
