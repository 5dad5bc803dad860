import { type Thinker, think } from '../agents/index.ts';
import { type Bus, type BusOptions, sealingKey } from '../bus/index.ts';
import type { AgentName, SearchId, WorkerId } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';
import type { SpaceKind } from '../domain/space.ts';
import { type Device, type EvaluatorSetting, openEvaluator } from '../evaluators/index.ts';
import { Archive } from '../memory/archive.ts';
import type { Clock } from '../platform/clock.ts';
import type { Logger } from '../platform/log.ts';
import type { Timers } from '../platform/timers.ts';
import { newToken } from '../platform/tokens.ts';
import { agentMachine } from './agent/machine.ts';
import { archivistMachine } from './archivist/machine.ts';
import { run } from './running.ts';
import { searchMachine } from './search/machine.ts';
import { workerMachine } from './worker/machine.ts';

/** What every part of a lab is given. */
export interface LabSetting {
  /** The connection of the part's role. */
  readonly bus: Bus;
  /** The token by which this process proves to be an agent of a search. */
  readonly tokenOf: (search: SearchId, agent: AgentName) => string;
  /** After how long the silence of a worker means that it is gone. */
  readonly ackWaitMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Logger;
}

/** A worker says so often per acknowledgement wait that it is alive, because a single sign may be lost on the way. */
const signsPerWait = 3;

/** Queue and ledger are compared once per so many waits: 60 s where nothing else is said. */
const waitsPerReconciliation = 2;

/** The bus's figures for such a wait. Recording a result takes milliseconds, so its own wait may be shorter. */
export function limitsFor(ackWaitMs: number): NonNullable<BusOptions['limits']> {
  return { jobAckWaitMs: ackWaitMs, resultAckWaitMs: Math.round(ackWaitMs / 3) };
}

/** A part that goes on until it is told to end. */
export interface Part {
  /** Resolves when the part has ended; with what was wrong where it ended by itself. */
  readonly ended: Promise<Error | null>;
  /** Ends after what is under way. */
  drain(): void;
  /** Ends now; what was under way is handed back. */
  stop(): void;
}

/** Starts the archivist of a home. @throws PrerequisiteError when the home cannot be used. */
export function startArchivist(home: string, { bus, ackWaitMs, clock, timers, log }: LabSetting): Part {
  const archive = Archive.open(home, clock);
  const part = run(
    archivistMachine({
      ...{ archive, bus, timers, log, sealingKey: sealingKey(home) },
      reconcileEveryMs: waitsPerReconciliation * ackWaitMs,
    }),
    log,
  );
  const stop = () => part.send({ type: 'STOP' });
  const ended = part.ended.then((last) => last.context.error).finally(() => archive.close());
  return { ended, drain: stop, stop };
}

/** What workers of any device are given. */
export type WorkerSetting = Pick<EvaluatorSetting, 'python' | 'data' | 'tasks' | 'unsafe'>;

/** Starts the worker of one device, for candidates of these kinds. */
export function startWorker(
  id: WorkerId,
  device: Device,
  own: WorkerSetting,
  kinds: readonly SpaceKind[],
  setting: LabSetting,
): Part {
  const { bus, timers, log, clock, ackWaitMs } = setting;
  const evaluators = new Map(
    kinds.map((kind) => [kind, openEvaluator(kind, { device, ...own, clock, timers, log })] as const),
  );
  const heartbeatMs = Math.round(ackWaitMs / signsPerWait);
  const parts = { id, deviceClass: device.class, bus, evaluators, timers, log, newToken, heartbeatMs };
  const part = run(workerMachine(parts), log);
  return {
    ended: part.ended.then((last) => last.context.error),
    drain: () => part.send({ type: 'DRAIN' }),
    stop: () => part.send({ type: 'STOP' }),
  };
}

/** What agents think with; it belongs to the caller, who closes it. */
export type Equipment = Pick<Thinker, 'models' | 'chat' | 'openRetriever'>;

/** Starts one agent of a search. */
export function startAgent(
  search: SearchId,
  name: AgentName,
  equipment: Equipment,
  { bus, tokenOf, timers, log }: LabSetting,
): Part {
  const thinks = (input: Parameters<Parameters<typeof agentMachine>[0]['think']>[0]) =>
    think({ ...equipment, ...input });
  const machine = agentMachine({ search, name, token: tokenOf(search, name), bus, think: thinks, timers, log });
  const part = run(machine, log);
  const stop = () => part.send({ type: 'STOP' });
  return { ended: part.ended.then((last) => last.context.error), drain: stop, stop };
}

/** How a search ended. */
export type SearchEnd = { readonly how: 'finished' | 'stopped' } | { readonly how: 'failed'; readonly error: Error };

/** Starts the life of a search, or takes it up where the ledger says that it stood. */
export function startSearch(spec: SearchSpec, source: string, workers: number, { bus, timers, log }: LabSetting) {
  const part = run(searchMachine({ spec, source, workers, bus, timers, log }), log);
  const ended: Promise<SearchEnd> = part.ended.then((last) => {
    if (last.context.error) return { how: 'failed', error: last.context.error };
    return { how: last.value === 'finished' ? 'finished' : 'stopped' };
  });
  return {
    ended,
    drain: () => part.send({ type: 'DRAIN' }),
    stop: () => part.send({ type: 'STOP' }),
    standing: () => part.snapshot().context.standing,
  };
}
