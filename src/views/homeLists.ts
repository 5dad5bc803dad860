import type { AgentState, WorkerState } from '../domain/messages.ts';

/** The last heartbeat of each worker and agent. */
export interface Heard {
  readonly workers: ReadonlyMap<string, { readonly state: WorkerState; readonly at: number }>;
  /** By search and agent, with a blank between. */
  readonly agents: ReadonlyMap<string, { readonly state: AgentState; readonly at: number }>;
}

/** A heartbeat that is older says nothing about now. */
export const freshMs = 60_000;
