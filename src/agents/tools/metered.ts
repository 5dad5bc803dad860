import { parseCandidate } from '../../domain/candidate.ts';
import { AiraError, BudgetError, TerminalError } from '../../domain/errors.ts';
import type { AgentName, SearchId } from '../../domain/ids.ts';
import type { ReplyOf } from '../../domain/messages.ts';
import {
  limitSecondsOf,
  type RehearsalName,
  type RehearsalReservation,
  type RehearsalSettlement,
  type Rehearsed,
  type Rehearsing,
  type Stage,
} from '../../domain/rehearsal.ts';
import type { Scope } from '../../llm/index.ts';
import type { Clock } from '../../platform/index.ts';

/** Reserves and settles rehearsals in the archive. Both are idempotent. */
export interface RehearsalLedger {
  reserve(reservation: RehearsalReservation, signal: AbortSignal): Promise<ReplyOf<'rehearsal-reserve'>>;
  settle(settlement: RehearsalSettlement, agent: AgentName): Promise<unknown>;
}

/** What a process that rehearses is given. */
export interface RehearsalDeps {
  readonly search: SearchId;
  readonly place: Rehearsing;
  readonly ledger: RehearsalLedger;
  readonly clock: Clock;
  readonly ids: () => string;
}

/** A rehearsal that ended, as recorded; `spent`: there was no device time left for it. */
export type MeteredRun = { readonly run: string; readonly rehearsed: Rehearsed } | { readonly spent: string };

/** One rehearsal of an agent. */
export interface RehearsalOrder {
  readonly tool: RehearsalName;
  /** Canonical text. */
  readonly candidate: string;
  readonly script?: string | undefined;
  readonly share: number;
}

/**
 * Runs a rehearsal within what the archive grants.
 *
 * MTR-1. Nothing runs before the archive has granted the most device time that it can take (I9).
 * MTR-2. A run that ends early, by an error or because its agent stops, is charged the time until then.
 *
 * @throws BudgetError `search-closed`; the signal's reason on abort.
 */
export async function meteredRun(
  { search, place, ledger, clock, ids }: RehearsalDeps,
  stage: Stage,
  { tool, candidate, script, share }: RehearsalOrder,
  { agent, ordinal }: Scope,
  signal: AbortSignal,
): Promise<MeteredRun> {
  const run = ids();
  const limitSeconds = limitSecondsOf(tool, stage, share);
  const reply = await ledger.reserve({ search, agent, run, ordinal, tool, seconds: limitSeconds }, signal);
  if (reply.state === 'closed') throw new BudgetError(reply.reason, 'search-closed');
  if (reply.state === 'spent') return { spent: reply.reason };
  const began = clock.monotonic();
  try {
    const order = { tool, candidate: parseCandidate(candidate, stage.space), share, limitSeconds };
    const rehearsed = await place.rehearse(stage, script === undefined ? order : { ...order, script }, signal);
    return { run, rehearsed };
  } catch (thrown) {
    const seconds = (clock.monotonic() - began) / 1000;
    await ledger.settle({ search, run, seconds, outcome: 'cancelled' }, agent).catch(() => undefined);
    signal.throwIfAborted();
    if (!(thrown instanceof AiraError)) throw thrown;
    // The machine cannot run it: the model may go on without.
    const message = `it could not be run here: ${thrown.message}`.slice(0, 1000);
    return { run, rehearsed: { status: 'failed', reason: 'lost', message, seconds } };
  }
}

/** Settles a run that was recorded; a replay's archive does not know it. */
export async function settleRun({ search, ledger }: RehearsalDeps, found: MeteredRun, agent: AgentName): Promise<void> {
  if ('spent' in found) return;
  const { status, seconds } = found.rehearsed;
  try {
    await ledger.settle({ search, run: found.run, seconds, outcome: status }, agent);
  } catch (thrown) {
    if (!(thrown instanceof TerminalError)) throw thrown;
  }
}
