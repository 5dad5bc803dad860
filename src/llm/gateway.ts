import type * as z from 'zod';
import type { CallOutcome, CallReservation, CallSettlement, Usage } from '../domain/agent.ts';
import { BudgetError, RetryableError, TerminalError } from '../domain/errors.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import type { ReplyOf } from '../domain/messages.ts';
import { type Rng, rngFor } from '../domain/rng.ts';
import { type Clock, pause, printable, systemClock, systemTimers, type Timers } from '../platform/index.ts';
import { type Answered, Cassette, type Entry, type Scope } from './cassette.ts';
import type { ChatModel, ChatRequest, Meter, ProviderState, ToolCall } from './chat.ts';
import { redacted } from './keys.ts';
import { cost, countedTokens, countedUsage, loadPrices, mostUsage, type Prices, usualBytesPerToken } from './prices.ts';
import {
  type Breaker,
  ChatFault,
  defaultRetries,
  namesTools,
  ProviderDownError,
  type RetryPolicy,
  retrying,
} from './retry.ts';

/** Reserves and settles calls in the ledger, whatever the transport. Both are idempotent. */
export interface CallLedger {
  reserve(reservation: CallReservation, signal: AbortSignal): Promise<ReplyOf<'call-reserve'>>;
  /** @param agent the agent that made the call. */
  settle(settlement: CallSettlement, signal: AbortSignal, agent: AgentName): Promise<unknown>;
}

export interface Question {
  readonly scope: Scope;
  readonly request: ChatRequest;
  /**
   * Text that depends on the time, such as the remaining time: appended to the last message and excluded from the question's
   * identity, because a replay could not repeat it.
   */
  readonly remainingBudget: string;
  /** The problem with an answer's form, or null; decides whether the call counts as malformed. */
  readonly problem: (text: string) => string | null;
}

export interface Answer {
  readonly text: string;
  /** `toolless`: nothing was asked, because the server rejects requests with tools. */
  readonly outcome: Extract<CallOutcome, 'complete' | 'malformed' | 'truncated' | 'refused' | 'empty'> | 'toolless';
  readonly problem: string | null;
  /** If any, the model waits for their results, and the text is its comment on them. */
  readonly calls: readonly ToolCall[];
  readonly carried: readonly ProviderState[];
  /** Cost in dollars. */
  readonly dollars: number;
  /** From a recording of an earlier version, which read answers strictly; it must be read the same way again (I5). */
  readonly isOlder?: boolean;
}

interface GatewayDeps {
  readonly search: SearchId;
  /** The model for a request, created on first use. @throws PrerequisiteError without a key. */
  readonly model: (request: ChatRequest) => { readonly chat: ChatModel; readonly breaker: Breaker };
  readonly ledger: CallLedger;
  readonly cassette: Cassette;
  readonly prices: Prices;
  readonly redact: (text: string) => string;
  readonly retries: RetryPolicy;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: () => string;
  /** Receives each notice for the user once, as one line. */
  readonly notice?: (line: string) => void;
}

/** Pause before another try while other agents' reservations hold the budget; these are settled within seconds. */
const reservePauseMs = 1000;
/** Characters of a recorded thought. */
const longestReasoning = 60_000;
/** Earliest retry of a thought after all tries of a request failed. */
const unavailableMs = 30_000;

/** Thrown when dollars or tokens are used up. This is permanent: a replay ends at the same question. */
export class BudgetExhaustedError extends BudgetError {}

/** The unanswered question, as in the recording. */
type Unanswered = Omit<Entry, 'result'>;

/** Thrown when a provider is unavailable: retry later or use another model. */
export class ProviderUnavailableError extends RetryableError {
  readonly question: Unanswered;

  constructor(code: string, message: string, retryAfterMs: number, question: Unanswered, options?: ErrorOptions) {
    super(code, message, retryAfterMs, options);
    this.question = question;
  }
}

/** Thrown when a provider rejected the request: only another model may answer it. */
export class RequestRejectedError extends TerminalError {
  readonly question: Unanswered;

  constructor(message: string, question: Unanswered) {
    super('provider-rejected', message);
    this.question = question;
  }
}

/** The part of the gateway that a proposer uses. */
export type LlmClient = Pick<Gateway, 'ask' | 'recall'>;

const nothing: Usage = { input: 0, cached: 0, written: 0, output: 0 };

/** The usage of a call without an answer. A cancelled request was under way, so its input counts. */
function usageWithout(sent: ChatRequest, meter: Meter, fault: ChatFault | null, bytesPerToken: number): Usage {
  const began = meter.stated !== null || meter.received > 0;
  if (fault !== null && !fault.billable && !began) return nothing;
  return countedUsage(sent, meter, bytesPerToken);
}

/**
 * The only path to a language model.
 *
 * Role: answers from the recording, or else reserves, asks, retries, settles and records. Non-role: the content of questions
 * and the handling of answers.
 *
 * GTW-1. No request is sent before the ledger has granted its maximum cost (I9).
 * GTW-2. An answered question is never asked again (I5).
 * GTW-3. Every try is a separate call in the ledger. One without an answer is charged what is known: its input as stated or
 *        counted, its output as received. A request that the server turned away costs nothing.
 * GTW-4. No output contains a key, errors included, whichever field a provider put it into (I7).
 * GTW-5. Findings shown to a model are recorded like answers: a replay shows the same (I5).
 */
export class Gateway {
  readonly #deps: GatewayDeps;
  readonly #noticed = new Set<string>();
  /** Bytes per token of each model's latest answer, for estimates of calls without one. */
  readonly #bytesPerToken = new Map<string, number>();

  constructor(deps: GatewayDeps) {
    this.#deps = deps;
  }

  /**
   * @throws BudgetError if the budget is insufficient, ProviderUnavailableError if the provider is unavailable,
   * RequestRejectedError if it rejected the request, PrerequisiteError without a key, the signal's reason on abort.
   */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const { cassette, redact } = this.#deps;
    const { scope, request } = question;
    // Round-trip through JSON, which drops undefined values.
    const sent = JSON.parse(JSON.stringify(request)) as z.core.util.JSONType;
    const key = contentHash({ scope, request: sent } as Json);
    const entry = { v: 2 as const, key, scope, request: sent };
    const known = cassette.find(key, scope, sent);
    const recorded = known?.result;
    if (recorded?.kind === 'budget') throw new BudgetExhaustedError(recorded.reason);
    if (recorded?.kind === 'toolless') return this.#withoutTools(recorded.reason, request.model);
    if (recorded?.kind === 'read')
      throw new TerminalError('recording', 'the recording has a lookup under this answer key');
    if (recorded?.kind === 'away')
      throw new ProviderUnavailableError('provider-away', recorded.reason, unavailableMs, entry);
    if (recorded) {
      await this.#settleAgain(recorded, question, signal);
      const answer = toAnswer(recorded, question);
      return known?.v === 1 ? { ...answer, isOlder: true } : answer;
    }
    try {
      const result = await this.#buy(key, question, signal);
      cassette.add({ ...entry, result });
      await this.#settleAnswered(result, question, signal);
      return toAnswer(result, question);
    } catch (thrown) {
      if (thrown instanceof BudgetExhaustedError)
        cassette.add({ ...entry, result: { kind: 'budget', reason: thrown.message } });
      if (thrown instanceof ProviderDownError) {
        throw new ProviderUnavailableError(thrown.code, thrown.message, thrown.retryAfterMs, entry, { cause: thrown });
      }
      if (!(thrown instanceof ChatFault)) throw thrown;
      const message = redact(`${request.model}: ${thrown.message}`);
      if (thrown.kind === 'rejected' && request.tools !== undefined && namesTools.test(thrown.message)) {
        const reason = message.slice(0, 500);
        cassette.add({ ...entry, result: { kind: 'toolless', reason } });
        return this.#withoutTools(reason, request.model);
      }
      if (thrown.kind === 'rejected') throw new RequestRejectedError(message, entry);
      throw new ProviderUnavailableError(
        'provider-away',
        message,
        Math.max(unavailableMs, thrown.retryAfterMs ?? 0),
        entry,
      );
    }
  }

  /** Records that a thought continued without this answer, so that a resume and a replay do the same (I5). */
  recordUnavailable({ question, message }: ProviderUnavailableError | RequestRejectedError): void {
    this.#deps.cassette.add({ ...question, result: { kind: 'away', reason: message } });
  }

  /**
   * The recorded findings of a lookup; without a record, looks up and records them.
   *
   * @param lookup what determines the findings, apart from the time.
   */
  async recall<T extends Json>(scope: Scope, lookup: Json, find: () => Promise<T>): Promise<T> {
    const { cassette, redact } = this.#deps;
    const request = JSON.parse(JSON.stringify({ read: lookup })) as z.core.util.JSONType;
    const key = contentHash({ scope, request } as Json);
    const known = cassette.find(key, scope, request)?.result;
    if (known?.kind === 'read') return known.found as T;
    const found = JSON.parse(redact(JSON.stringify(await find()))) as T;
    cassette.add({ v: 2, key, scope, request, result: { kind: 'read', found: found as z.core.util.JSONType } });
    return found;
  }

  #withoutTools(reason: string, model: string): Answer {
    this.#notice(
      `${model} tools`,
      `the server of ${model} supports no tools: literature is looked up before each question instead (${reason})`,
    );
    return { text: '', outcome: 'toolless', problem: null, calls: [], carried: [], dollars: 0 };
  }

  #notice(what: string, line: string): void {
    if (this.#noticed.has(what)) return;
    this.#noticed.add(what);
    this.#deps.notice?.(line);
  }

  /** Buys one answer, with retries; settles failed tries only. */
  async #buy(key: string, { scope, request, remainingBudget }: Question, signal: AbortSignal): Promise<Answered> {
    const { search, ledger, prices, clock, timers, ids, retries, redact } = this.#deps;
    const { chat, breaker } = this.#deps.model(request);
    const sent = remainingBudget === '' ? request : { ...request, tail: remainingBudget };
    const most = mostUsage(sent);
    const price = prices.of(request.model, request.baseUrl) ?? { input: 0, output: 0 };
    const perToken = () => this.#bytesPerToken.get(request.model) ?? usualBytesPerToken;
    const { agent, ordinal, purpose } = scope;
    const rng: Rng = rngFor('retry', key);
    return retrying(
      async () => {
        const call = ids();
        const dollars = cost(most, price);
        const reservation = { search, agent, call, ordinal, purpose, model: request.model, request: key, dollars };
        await this.#reserve({ ...reservation, tokens: most.input + most.output }, signal);
        const startedAt = clock.monotonic();
        const latency = () => Math.max(0, clock.monotonic() - startedAt);
        const meter: Meter = { stated: null, received: 0 };
        try {
          // Redact the whole reply once: what is stored, settled, recorded and re-sent must be identical (I5, I7).
          const reply = redacted(await chat.complete(sent, signal, meter), redact);
          const { text, finish, calls = [], carried = [] } = reply;
          const served = reply.served === null ? null : printable(reply.served, { width: 200 });
          const usage = reply.usage ?? countedUsage(sent, meter, perToken());
          if (reply.usage !== null && usage.input > 0) {
            this.#bytesPerToken.set(request.model, countedTokens(sent, 1) / usage.input);
          }
          const asks = calls.length === 0 ? {} : { calls: [...calls], carried: [...carried] };
          const billed = reply.dollars ?? cost(usage, price);
          const paid = { usage, dollars: billed, estimated: reply.usage === null, latencyMs: latency() };
          const thought = reply.reasoning ? { reasoning: reply.reasoning.slice(0, longestReasoning) } : {};
          return { kind: 'answer', text, finish, ...(asks as object), ...thought, served, call, ...paid };
        } catch (thrown) {
          const fault = thrown instanceof ChatFault ? thrown : null;
          const usage = usageWithout(sent, meter, fault, perToken());
          const outcome: CallOutcome = fault?.kind ?? 'lost';
          const message = redact(fault?.message ?? 'cancelled').slice(0, 500);
          const charged = Math.min(dollars, cost(usage, price));
          if (fault?.adapted) {
            const { adapted } = fault;
            this.#notice(
              `${request.model} ${adapted}`,
              `the server of ${request.model} refused a part of a request; from now on it gets ${adapted} (${message})`,
            );
          }
          const settlement = {
            outcome,
            served: null,
            usage,
            dollars: charged,
            estimated: usage !== nothing,
            message,
          };
          const settling = ledger.settle({ search, call, ...settlement, latencyMs: latency() }, signal, scope.agent);
          if (fault === null) settling.catch(() => undefined);
          else await settling;
          throw thrown;
        }
      },
      retries,
      { breaker, timers, rng, signal },
    );
  }

  async #reserve(reservation: CallReservation, signal: AbortSignal): Promise<void> {
    for (;;) {
      const reply = await this.#deps.ledger.reserve(reservation, signal);
      if (reply.state === 'granted') return;
      if (reply.state === 'spent') throw new BudgetExhaustedError(reply.reason);
      if (reply.state === 'closed') throw new BudgetError(reply.reason, 'search-closed');
      await pause(this.#deps.timers, reservePauseMs, signal);
    }
  }

  async #settleAnswered(answer: Answered, question: Question, signal: AbortSignal): Promise<void> {
    const { search, ledger } = this.#deps;
    const { outcome, problem } = toAnswer(answer, question);
    if (outcome === 'toolless') return;
    const { call, served, usage, dollars, estimated, latencyMs } = answer;
    // A refusal's text begins with the provider's category.
    const message = (outcome === 'refused' ? answer.text : problem)?.slice(0, 500) || null;
    const settlement = { search, call, outcome, served, usage, dollars, estimated, latencyMs, message };
    await ledger.settle(settlement, signal, question.scope.agent);
  }

  /** The process may have died between recording and settling. In a replay the ledger does not know the call. */
  async #settleAgain(answer: Answered, question: Question, signal: AbortSignal): Promise<void> {
    try {
      await this.#settleAnswered(answer, question, signal);
    } catch (thrown) {
      if (!(thrown instanceof TerminalError)) throw thrown;
    }
  }
}

function toAnswer({ text, finish, dollars, calls = [], carried = [] }: Answered, { problem }: Question): Answer {
  const asks = { calls, carried: carried as readonly ProviderState[], dollars };
  if (finish !== 'complete' || calls.length > 0) return { text, outcome: finish, problem: null, ...asks };
  const wrong = problem(text);
  return { text, outcome: wrong === null ? 'complete' : 'malformed', problem: wrong, ...asks };
}

/**
 * A gateway that answers from a recording only: for audits, which must change neither ledger nor bill.
 *
 * @throws PrerequisiteError if the recording is missing or damaged.
 */
export function replayedGateway(search: SearchId, recording: string): Gateway {
  const never = (): never => {
    throw new TerminalError('replay-only', 'a replay cannot send requests');
  };
  return new Gateway({
    search,
    model: never,
    ledger: { reserve: async () => never(), settle: async () => undefined },
    cassette: Cassette.replay(recording),
    prices: loadPrices(),
    redact: (text) => text,
    retries: defaultRetries,
    clock: systemClock,
    timers: systemTimers,
    ids: never,
  });
}
