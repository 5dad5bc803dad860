import type * as z from 'zod';
import type { CallOutcome, CallReservation, CallSettlement, Usage } from '../domain/call.ts';
import { contentHash, type Json } from '../domain/canonical.ts';
import { BudgetError, RetryableError, TerminalError } from '../domain/errors.ts';
import type { AgentName, SearchId } from '../domain/ids.ts';
import type { ReplyOf } from '../domain/messages.ts';
import { type Rng, rngFor } from '../domain/rng.ts';
import { type Clock, pause, printable, systemClock, systemTimers, type Timers } from '../platform/index.ts';
import { type Answered, Cassette, type Entry, type Scope } from './cassette.ts';
import type { ChatModel, ChatRequest, ProviderState, ToolCall } from './chat.ts';
import { ChatFault } from './faults.ts';
import { redacted } from './keys.ts';
import { cost, likelyUsage, loadPrices, mostUsage, type Prices } from './prices.ts';
import { type Breaker, defaultRetries, ProviderDownError, type RetryPolicy, retrying } from './retry.ts';

/** Where calls are reserved and settled: the ledger, over whatever leads there. Both may be repeated without harm. */
export interface CallLedger {
  reserve(reservation: CallReservation, signal: AbortSignal): Promise<ReplyOf<'call-reserve'>>;
  /** `agent` is whose call it was. */
  settle(settlement: CallSettlement, signal: AbortSignal, agent: AgentName): Promise<unknown>;
}

export interface Question {
  readonly scope: Scope;
  readonly request: ChatRequest;
  /**
   * What depends on the moment, such as the time that is left: sent at the end of the last message and no part of the
   * question's identity, since a replay could not repeat it.
   */
  readonly remainingBudget: string;
  /** What is wrong with an answer's form, or null; decides whether the call counts as malformed. */
  readonly problem: (text: string) => string | null;
}

export interface Answer {
  readonly text: string;
  /** `toolless`: nothing was asked, because the server takes no request with tools. */
  readonly outcome: Extract<CallOutcome, 'complete' | 'malformed' | 'truncated' | 'refused' | 'empty'> | 'toolless';
  readonly problem: string | null;
  /** Where there are any, the model waits for their results, and the text is what it said beside them. */
  readonly calls: readonly ToolCall[];
  readonly carried: readonly ProviderState[];
  /** What it cost. */
  readonly dollars: number;
}

export interface GatewayDeps {
  readonly search: SearchId;
  /** The model behind a request, made when it is first needed. @throws PrerequisiteError without a key. */
  readonly model: (request: ChatRequest) => { readonly chat: ChatModel; readonly breaker: Breaker };
  readonly ledger: CallLedger;
  readonly cassette: Cassette;
  readonly prices: Prices;
  readonly redact: (text: string) => string;
  readonly retries: RetryPolicy;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ids: () => string;
  /** Told once of what a user should know, in one line. */
  readonly notice?: (line: string) => void;
}

/** Reservations of other agents are settled within seconds. */
const heldPauseMs = 1000;
/** When a provider is away after all tries, the thought is taken up again no sooner than after so long. */
const awayMs = 30_000;

/** Thrown when dollars or tokens are used up, which they stay: a replay ends at the same question. */
export class BudgetExhaustedError extends BudgetError {}

/** The question that was not answered, as the recording knows it. */
type Unanswered = Omit<Entry, 'result'>;

/** Thrown when a provider is away: worth another try later, or with another model. */
export class ProviderUnavailableError extends RetryableError {
  readonly question: Unanswered;

  constructor(code: string, message: string, retryAfterMs: number, question: Unanswered, options?: ErrorOptions) {
    super(code, message, retryAfterMs, options);
    this.question = question;
  }
}

/** Thrown when a provider turned the request down: only another model may answer it. */
export class RequestRejectedError extends TerminalError {
  readonly question: Unanswered;

  constructor(message: string, question: Unanswered) {
    super('provider-rejected', message);
    this.question = question;
  }
}

/** What a mind needs of the gateway. */
export type LlmClient = Pick<Gateway, 'ask' | 'recall'>;

/** By these words servers turn down a request because of its tools and not because of the rest of it. */
const takesNoTools = /tool|function.?call/i;

const nothing: Usage = { input: 0, cached: 0, written: 0, output: 0 };

/**
 * The one way to a language model.
 *
 * Role: answers from the recording, else reserves, asks, repeats, settles, records. Non-role: what is asked and what
 * becomes of the answer.
 *
 * W1. No request leaves before the ledger has granted the most that it can cost (I9).
 * W2. A question that was answered is never asked again (I5).
 * W3. Every try is a call of its own in the ledger; one that may have been billed is charged in full.
 * W4. Nothing that leaves here holds a key, whichever field a provider put it into, errors included (I7).
 * W5. What a model was shown because it asked for it is recorded like an answer: a replay shows the same (I5).
 */
export class Gateway {
  readonly #parts: GatewayDeps;
  readonly #told = new Set<string>();

  constructor(parts: GatewayDeps) {
    this.#parts = parts;
  }

  /**
   * @throws BudgetError when the budget does not reach, AwayError when the provider is away, TurnedDownError when it
   * turned the request down, PrerequisiteError without a key, the signal's reason once it is aborted.
   */
  async ask(question: Question, signal: AbortSignal): Promise<Answer> {
    const { cassette, redact } = this.#parts;
    const { scope, request } = question;
    // Once through JSON, which leaves out what is undefined.
    const sent = JSON.parse(JSON.stringify(request)) as z.core.util.JSONType;
    const key = contentHash({ scope, request: sent } as Json);
    const entry = { v: 1 as const, key, scope, request: sent };
    const found = cassette.find(key, scope)?.result;
    if (found?.kind === 'budget') throw new BudgetExhaustedError(found.reason);
    if (found?.kind === 'toolless') return this.#withoutTools(found.reason, request.model);
    if (found?.kind === 'read') throw new TerminalError('recording', 'the recording holds a reading for an answer');
    if (found?.kind === 'away') throw new ProviderUnavailableError('provider-away', found.reason, awayMs, entry);
    if (found) {
      await this.#settleAgain(found, question, signal);
      return judged(found, question);
    }
    try {
      const result = await this.#buy(key, question, signal);
      cassette.add({ ...entry, result });
      await this.#settleAnswered(result, question, signal);
      return judged(result, question);
    } catch (thrown) {
      if (thrown instanceof BudgetExhaustedError)
        cassette.add({ ...entry, result: { kind: 'budget', reason: thrown.message } });
      if (thrown instanceof ProviderDownError) {
        throw new ProviderUnavailableError(thrown.code, thrown.message, thrown.retryAfterMs, entry, { cause: thrown });
      }
      if (!(thrown instanceof ChatFault)) throw thrown;
      const message = redact(`${request.model}: ${thrown.message}`);
      if (thrown.kind === 'rejected' && request.tools !== undefined && takesNoTools.test(thrown.message)) {
        const reason = message.slice(0, 500);
        cassette.add({ ...entry, result: { kind: 'toolless', reason } });
        return this.#withoutTools(reason, request.model);
      }
      if (thrown.kind === 'rejected') throw new RequestRejectedError(message, entry);
      throw new ProviderUnavailableError('provider-away', message, Math.max(awayMs, thrown.retryAfterMs ?? 0), entry);
    }
  }

  /** Records that a thought went on without this answer, so that a resume and a replay do so too (I5). */
  recordUnavailable({ question, message }: ProviderUnavailableError | RequestRejectedError): void {
    this.#parts.cassette.add({ ...question, result: { kind: 'away', reason: message } });
  }

  /**
   * What was found, from the recording where it was looked for before, else looked up and recorded.
   *
   * @param sought what decides what is found, beside the moment.
   */
  async recall<T extends Json>(scope: Scope, sought: Json, find: () => Promise<T>): Promise<T> {
    const { cassette, redact } = this.#parts;
    const request = JSON.parse(JSON.stringify({ read: sought })) as z.core.util.JSONType;
    const key = contentHash({ scope, request } as Json);
    const known = cassette.find(key, scope)?.result;
    if (known?.kind === 'read') return known.found as T;
    const found = JSON.parse(redact(JSON.stringify(await find()))) as T;
    cassette.add({ v: 1, key, scope, request, result: { kind: 'read', found: found as z.core.util.JSONType } });
    return found;
  }

  #withoutTools(reason: string, model: string): Answer {
    if (!this.#told.has(model)) {
      this.#told.add(model);
      this.#parts.notice?.(
        `${model} is served without tools: what it reads is looked up before it is asked (${reason})`,
      );
    }
    return { text: '', outcome: 'toolless', problem: null, calls: [], carried: [], dollars: 0 };
  }

  /** One answer, after as many tries as it takes; settled only where a try failed. */
  async #buy(key: string, { scope, request, remainingBudget }: Question, signal: AbortSignal): Promise<Answered> {
    const { search, ledger, prices, clock, timers, ids, retries, redact } = this.#parts;
    const { chat, breaker } = this.#parts.model(request);
    const sent = withRemainingBudget(request, remainingBudget);
    const most = mostUsage(sent);
    const price = prices.of(request.model) ?? { input: 0, output: 0 };
    const { agent, ordinal, purpose } = scope;
    const rng: Rng = rngFor('retry', key);
    return retrying(
      async () => {
        const call = ids();
        const dollars = cost(most, price);
        const reservation = { search, agent, call, ordinal, purpose, model: request.model, request: key, dollars };
        await this.#reserve({ ...reservation, tokens: most.input + most.output }, signal);
        const begun = clock.monotonic();
        const latency = () => Math.max(0, clock.monotonic() - begun);
        try {
          // All of it, once: what is kept, settled, recorded and asked again must be the same (I5, I7).
          const reply = redacted(await chat.complete(sent, signal), redact);
          const { text, finish, calls = [], carried = [] } = reply;
          const served = reply.served === null ? null : printable(reply.served, { width: 200 });
          const said = text + calls.map((each) => each.arguments).join('');
          const usage = reply.usage ?? likelyUsage(sent, said);
          const asks = calls.length === 0 ? {} : { calls: [...calls], carried: [...carried] };
          const paid = { usage, dollars: cost(usage, price), estimated: reply.usage === null, latencyMs: latency() };
          return { kind: 'answer', text, finish, ...(asks as object), served, call, ...paid };
        } catch (thrown) {
          const fault = thrown instanceof ChatFault ? thrown : null;
          // A request that was called off may have been billed as well.
          const billable = fault === null || fault.billable;
          const usage = billable ? { ...most, written: 0 } : nothing;
          const outcome: CallOutcome = fault?.kind ?? 'lost';
          const message = redact(fault?.message ?? 'called off').slice(0, 500);
          const settled = {
            outcome,
            served: null,
            usage,
            dollars: billable ? dollars : 0,
            estimated: billable,
            message,
          };
          const settling = ledger.settle({ search, call, ...settled, latencyMs: latency() }, signal, scope.agent);
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
      const reply = await this.#parts.ledger.reserve(reservation, signal);
      if (reply.state === 'granted') return;
      if (reply.state === 'spent') throw new BudgetExhaustedError(reply.reason);
      if (reply.state === 'closed') throw new BudgetError(reply.reason, 'search-closed');
      await pause(this.#parts.timers, heldPauseMs, signal);
    }
  }

  async #settleAnswered(answer: Answered, question: Question, signal: AbortSignal): Promise<void> {
    const { search, ledger } = this.#parts;
    const { outcome, problem } = judged(answer, question);
    if (outcome === 'toolless') return;
    const { call, served, usage, dollars, estimated, latencyMs } = answer;
    const message = problem?.slice(0, 500) ?? null;
    const settled = { search, call, outcome, served, usage, dollars, estimated, latencyMs, message };
    await ledger.settle(settled, signal, question.scope.agent);
  }

  /** The process may have died between recording and settling. In a replay the ledger knows nothing of the call. */
  async #settleAgain(answer: Answered, question: Question, signal: AbortSignal): Promise<void> {
    try {
      await this.#settleAnswered(answer, question, signal);
    } catch (thrown) {
      if (!(thrown instanceof TerminalError)) throw thrown;
    }
  }
}

function judged({ text, finish, dollars, calls = [], carried = [] }: Answered, { problem }: Question): Answer {
  const asks = { calls, carried: carried as readonly ProviderState[], dollars };
  if (finish !== 'complete' || calls.length > 0) return { text, outcome: finish, problem: null, ...asks };
  const wrong = problem(text);
  return { text, outcome: wrong === null ? 'complete' : 'malformed', problem: wrong, ...asks };
}

function withRemainingBudget(request: ChatRequest, remainingBudget: string): ChatRequest {
  const last = request.messages.at(-1);
  if (remainingBudget === '' || !last || last.role === 'assistant') return request;
  const before = request.messages.slice(0, -1);
  if (last.role === 'user')
    return { ...request, messages: [...before, { ...last, text: `${last.text}\n\n${remainingBudget}` }] };
  const end = last.results.at(-1);
  if (!end) return request;
  const results = [...last.results.slice(0, -1), { ...end, text: `${end.text}\n\n${remainingBudget}` }];
  return { ...request, messages: [...before, { ...last, results }] };
}

/**
 * A gateway that can answer from a recording and do nothing else: for audits, which must change neither ledger nor bill.
 *
 * @throws PrerequisiteError when the recording is missing or damaged.
 */
export function replayedGateway(search: SearchId, recording: string): Gateway {
  const never = (): never => {
    throw new TerminalError('replay-only', 'a recording asks nobody');
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
