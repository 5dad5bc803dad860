import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type ChatThinking, openThoughts, type RehearsalDeps } from '../agents/index.ts';
import type { AgentSpec } from '../domain/agent.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import { chatArms, isProgram } from '../domain/model.ts';
import type { Rehearsing } from '../domain/rehearsal.ts';
import { Cassette, defaultRetries, defaultTimeouts, Gateway, keyring, loadPrices, providersOf } from '../llm/index.ts';
import type { ComponentDeps } from './components.ts';
import { retryTransient } from './machines.ts';

/** How a process reaches language models; keys stay in its environment (I7). */
export interface ChatOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Where `compatible/` models may be asked: see `keyring`. */
  readonly addresses: readonly string[];
  /** A price file that overrides entries of the shipped one. */
  readonly prices?: string | undefined;
  /** A recording to answer from, instead of asking anybody. */
  readonly replay?: string | undefined;
}

/** Whether an agent's thoughts are recorded: its model answers in words, or it uses tools. */
export const isRecorded = ({ model, operators }: Pick<AgentSpec, 'model' | 'operators'>): boolean =>
  chatArms(model).length > 0 || isProgram(model) || operators !== undefined;

/** Where the answers of a search are recorded. */
export const recordingPath = (home: string, search: SearchId) => join(home, 'calls', `${search}.jsonl`);

/** The time of a rehearsal that is not settled is charged in full later. */
const settleAttempts = 20;

export interface OpenChat {
  readonly thinking: ChatThinking;
  /** For multi-turn agents. */
  readonly rehearsing: RehearsalDeps;
  close(): Promise<void>;
}

/**
 * Opens the language models for the agents of a search that run in this process.
 *
 * @param place where multi-turn agents rehearse; closed with the rest.
 *
 * @throws PrerequisiteError for a price file, a recording or a home that cannot be used.
 */
export function openChat(
  search: SearchId,
  home: string,
  { environment, addresses, prices, replay }: ChatOptions,
  place: Rehearsing,
  { bus, tokenOf, clock, timers, log }: Pick<ComponentDeps, 'bus' | 'tokenOf' | 'clock' | 'timers' | 'log'>,
): OpenChat {
  const keys = keyring(environment, addresses);
  const watch = { timers, clock, timeouts: defaultTimeouts };
  const retrying = (signal: AbortSignal) => ({ signal, timers, log });
  const as = (agent: AgentName) => ({ token: tokenOf(search, agent) });
  const cassette =
    replay === undefined ? Cassette.record(recordingPath(home, search), keys.redact) : Cassette.replay(replay);
  const thoughts = openThoughts(join(home, 'thoughts.db'));
  const gateway = new Gateway({
    search,
    cassette,
    clock,
    timers,
    model: providersOf(keys, watch, clock),
    ledger: {
      reserve: (reservation, signal) =>
        retryTransient(() => bus.ask('call-reserve', reservation, as(reservation.agent)), retrying(signal)),
      settle: (settlement, signal, agent) =>
        retryTransient(() => bus.ask('call-settle', settlement, as(agent)), retrying(signal)),
    },
    prices: loadPrices(prices),
    redact: keys.redact,
    retries: defaultRetries,
    ids: randomUUID,
    notice: (line) => log.warn(line),
  });
  const ledger: RehearsalDeps['ledger'] = {
    reserve: (reservation, signal) =>
      retryTransient(() => bus.ask('rehearsal-reserve', reservation, as(reservation.agent)), retrying(signal)),
    settle: (settlement, agent) => bus.ask('rehearsal-settle', settlement, { ...as(agent), attempts: settleAttempts }),
  };
  return {
    thinking: { search, gateway, thoughts },
    rehearsing: { search, place, ledger, clock, ids: randomUUID },
    async close() {
      await place.close();
      cassette.close();
      thoughts.close();
    },
  };
}
