/** Starts each component of a lab with its dependencies: the connection of its role, clock, tokens, evaluators, thinking. */
import { randomUUID } from 'node:crypto';
import { type ThinkDeps, think } from '../agents/index.ts';
import {
  type Access,
  agentSecret,
  type Bus,
  type BusOptions,
  connectBus,
  isAnonymous,
  labAccess,
  type Role,
  sealingKey,
} from '../bus/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import type { SpaceKind } from '../domain/candidate.ts';
import { type AgentName, type SearchId, type WorkerId, workerIdSchema } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import { type EvaluatorOptions, openEvaluator } from '../evaluators/index.ts';
import { Archive } from '../memory/index.ts';
import { type Clock, type Device, derivedToken, type Logger, newToken, type Timers } from '../platform/index.ts';
import { agentMachine } from './agent.ts';
import { archivistMachine } from './archivist.ts';
import { retryTransient, startMachine } from './machines.ts';
import { type ScaleProgress, scaleMachine } from './scalePlan.ts';
import { searchMachine } from './search.ts';
import { workerMachine } from './worker.ts';
import type { Departure, Stay } from './workerSteps.ts';

/** The server, and the credentials for it. */
interface BusAddress {
  readonly url: string;
  /** Credentials from the user; null for the keys of the home's own lab, if it has any. */
  readonly access: Access | null;
}

/** A connection for each role of this process (I12). */
interface RoleConnections {
  /** @throws PrerequisiteError as `connectBus`; `credentials`. */
  open(role: Role): Promise<Bus>;
  /** @throws Error for a role that was not opened: a mistake of the caller. */
  as(role: Role): Bus;
  close(): Promise<void>;
}

/** One connection per role. Credentials from the user serve every role; without any, the home's keys are used. */
export function roleConnections(
  { url, access }: BusAddress,
  home: string,
  options: Pick<BusOptions, 'limits' | 'clock' | 'log'>,
): RoleConnections {
  const opened = new Map<Role, Bus>();
  return {
    async open(role) {
      // A CA certificate identifies the server, not us.
      const own = access === null || isAnonymous(access) ? labAccess(home, role) : null;
      // An address of `tls://` names no CA: the home's own certificate is still its lab's.
      const tls = own?.tls || access?.tls ? { tls: { ...own?.tls, ...access?.tls } } : {};
      const shown = { ...own, ...access, ...tls };
      const bus = await connectBus({ ...options, url, access: shown, role, name: `aira-${role}`, ids: randomUUID });
      opened.set(role, bus);
      return bus;
    },
    as(role) {
      const bus = opened.get(role);
      if (!bus) throw new Error(`no connection as ${role} was opened`);
      return bus;
    },
    async close() {
      const closed = await Promise.allSettled([...opened.values()].map((bus) => bus.close()));
      const failed = closed.find((each) => each.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}

/** Dependencies of every component of a lab. */
export interface ComponentDeps {
  /** The connection of the component's role. */
  readonly bus: Bus;
  /** The token by which this process proves to be an agent of a search. */
  readonly tokenOf: (search: SearchId, agent: AgentName) => string;
  /** Silence of a worker, in milliseconds, after which its jobs go to others. */
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

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

/** A number that tells this process's workers from those of others on the same bus. */
const tag = () => randomUUID().slice(0, 8);

/** Starts a worker on each device. */
export function startWorkers(
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

/** How the agents of a home prove who they are. */
export function tokensOf(home: string): ComponentDeps['tokenOf'] {
  let secret: string | undefined;
  return (search, agent) => {
    secret ??= agentSecret(home);
    return derivedToken(secret, `${search} ${agent}`);
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
