import type { Agent, RequestInit as SendInit } from 'undici';
import { errorMessage } from '../domain/errors.ts';
import type { Effort } from '../domain/model.ts';
import type { Clock, Timers } from '../platform/index.ts';
import type { ChatModel, ChatReply, ChatRequest, Meter } from './chat.ts';
import { Ladder, type Sent } from './ladder.ts';
import { countedTokens } from './prices.ts';
import { asFault, ChatFault, faultOf } from './retry.ts';

/**
 * One exchange with a server of language models: a request in its wire format, the raw bytes of the answer, their events, the
 * reply.
 *
 * Role: what all adapters share: the format that a server accepts (ladder.ts), limits of time, failures in the server's own words.
 * Non-role: the formats themselves (anthropic.ts, openai.ts, compatible.ts), retries (retry.ts).
 *
 * SLN-1. Silence is measured on raw bytes: the SDKs swallow pings and comments, which are signs of life.
 */

/** What stands where a key stood. */
export const mask = '[redacted]';

/** A key. Only `reveal` returns it; printing, joining and serialising do not (I7). */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return mask;
  }

  toJSON(): string {
    return mask;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return mask;
  }
}

/** Address and key of a provider. */
export interface Endpoint {
  readonly key: Secret;
  readonly baseUrl: string | undefined;
}

/** The form of `fetch` that both SDKs accept. */
export type Fetch = (url: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Options of both SDKs: retries, limits of time and logs are ours. */
export const sdkOptions = { maxRetries: 0, timeout: 2 ** 31 - 1, logLevel: 'off' } as const;

/** Limits of one exchange in milliseconds. */
export interface Timeouts {
  /** Longest silence of the connection: no byte at all, neither an event nor a ping. Scaled by effort. */
  readonly silenceMs: number;
  readonly totalMs: number;
}

/**
 * Healthy silences that users of both providers reported: 32 to 79 s at medium effort, above 120 s at the highest, 329 s before
 * the arguments of a call. Chat Completions sends nothing at all while a model thinks. The ledger takes a call that is older
 * than 15 minutes for lost.
 */
export const defaultTimeouts: Timeouts = { silenceMs: 300_000, totalMs: 840_000 };

/** Harder thoughts are silent for longer: up to ten minutes. */
const scales: Readonly<Record<Effort | 'default', number>> = {
  low: 1,
  default: 1,
  medium: 1,
  high: 1.5,
  xhigh: 2,
  max: 2,
};

/** Longest silence at an effort. */
const silenceAt = ({ silenceMs }: Timeouts, effort: Effort | undefined): number =>
  silenceMs * scales[effort ?? 'default'];

export interface Watch {
  readonly timers: Timers;
  readonly clock: Clock;
  readonly timeouts: Timeouts;
}

/** Collects the events of one answer. */
export interface Collector<E> {
  take(event: E): void;
  /**
   * @param done the server sent its end mark.
   * @throws ChatFault for an answer that ended prematurely.
   */
  reply(done: boolean): ChatReply;
}

/** One wire format: how a request is written, sent and answered. */
interface WireFormat<B, E> {
  /** The body of a request in the form that the server accepts, and what it contains. */
  bodyOf(request: ChatRequest, ladder: Ladder): { readonly body: B } & Pick<Sent, 'form' | 'parts'>;
  /** Starts the request through the given `fetch`; must stop when the signal is aborted. */
  send(body: B, signal: AbortSignal, fetch: Fetch): Promise<AsyncIterable<E>>;
  collector(request: ChatRequest, meter: Meter, now: () => number): Collector<E>;
  /** A whole answer as server-sent events. */
  asEvents(document: unknown): string;
}

/** The models of one server in its wire format; what the server refuses of a model's requests is remembered (`ladder.ts`). */
export function wireModel<B, E>({ bodyOf, send, collector, asEvents }: WireFormat<B, E>, watch: Watch): ChatModel {
  const ladders = new Map<string, Ladder>();
  return {
    async complete(request, signal, meter) {
      const ladder = ladders.get(request.model) ?? new Ladder();
      ladders.set(request.model, ladder);
      const promptTokens = countedTokens(request);
      const maxTokens = ladder.limit(request.maxTokens, promptTokens);
      const { body, ...rest } = bodyOf({ ...request, maxTokens }, ladder);
      const { take, reply } = collector(request, meter, watch.clock.now);
      try {
        const open = (inner: AbortSignal, fetch: Fetch) => send(body, inner, fetch);
        const { done } = await readStream({ open, take, asEvents, effort: request.effort }, watch, signal);
        return reply(done);
      } catch (thrown) {
        throw adapted(thrown, ladder, { ...rest, maxTokens, promptTokens });
      }
    },
  };
}

/** The error, or the same fault marked for an immediate repetition in a smaller form. */
function adapted(thrown: unknown, ladder: Ladder, sent: Sent): unknown {
  if (!(thrown instanceof ChatFault)) return thrown;
  const { message, status, detail, cause } = thrown;
  const without = ladder.learn(thrown, sent);
  return without === null ? thrown : new ChatFault('rejected', message, { status, detail, cause, adapted: without });
}

/** One request: how to send it, and what its format makes of an answer that is no stream. */
interface Exchange<E> {
  /** Starts the request through the given `fetch`; must stop when the signal is aborted. */
  open(signal: AbortSignal, fetch: Fetch): Promise<AsyncIterable<E>>;
  take(event: E): void;
  /** A whole answer as server-sent events. */
  asEvents(document: unknown): string;
  readonly effort: Effort | undefined;
}

/**
 * Reads a stream of events to its end; times out if the connection is silent (SLN-1).
 *
 * @returns whether the server sent its end mark.
 * @throws ChatFault for any failure, and the outer signal's reason on abort.
 */
async function readStream<E>(
  { open, take, asEvents, effort }: Exchange<E>,
  { timers, clock, timeouts }: Watch,
  outer: AbortSignal,
): Promise<{ readonly done: boolean }> {
  outer.throwIfAborted();
  const { totalMs } = timeouts;
  const silenceMs = silenceAt(timeouts, effort);
  const inner = new AbortController();
  let begun = false;
  let done = false;
  let failure: ChatFault | null = null;
  const timeOut = (what: string) => () => {
    failure ??= new ChatFault('timeout', `the provider ${what}`);
    inner.abort(failure);
  };
  const onAbort = () => inner.abort(outer.reason);
  outer.addEventListener('abort', onAbort, { once: true });
  const cancelTotal = timers.after(totalMs, timeOut(`took longer than ${totalMs / 1000} s`));
  const silence = timeOut(`sent nothing for ${silenceMs / 1000} s`);
  let cancelSilence = timers.after(silenceMs, silence);
  const onBytes = (): void => {
    cancelSilence();
    cancelSilence = timers.after(silenceMs, silence);
  };
  const onFailure = (fault: ChatFault): void => {
    failure ??= fault;
  };
  const onDone = (): void => {
    done = true;
  };
  try {
    for await (const event of await open(inner.signal, watchedFetch({ onBytes, onFailure, onDone }, clock, asEvents))) {
      begun = true;
      take(event);
    }
    // The SDKs end an aborted stream without an error.
    if (failure) throw failure;
    outer.throwIfAborted();
    return { done };
  } catch (thrown) {
    if (outer.aborted) throw outer.reason;
    throw failure ?? asFault(thrown, begun, clock.now());
  } finally {
    cancelSilence();
    cancelTotal();
    outer.removeEventListener('abort', onAbort);
  }
}

/** What a transport reports about one exchange. */
interface Line {
  /** Bytes arrived, whatever they say: headers, events, pings and comments alike. */
  onBytes(): void;
  /** The failure of the request, in the server's own words; the SDKs drop half of them. */
  onFailure(fault: ChatFault): void;
  /** The server sent `[DONE]`, the end mark of the OpenAI formats. */
  onDone(): void;
}

/** `readStream` measures silence; undici's own limits of 300 s would end healthy thoughts of ten minutes. */
const agentOptions = { headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 10_000 } as const;
let agent: Agent | undefined;

/** Longest error body that is read; the rest cannot matter. */
const longestErrorBytes = 64 * 1024;
/** Longest answer that arrives as one JSON document. */
const longestDocumentBytes = 16 * 1024 * 1024;

const decode = (chunks: readonly Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(chunks));

async function textOf(body: AsyncIterable<Uint8Array>, most: number, onBytes: () => void): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    onBytes();
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > most) break;
  }
  return decode(chunks).slice(0, most);
}

/** Some servers answer 200 with a page of a proxy, or with one JSON document although a stream was requested. */
type Opening = 'stream' | 'document' | 'page';
function openingOf(text: string): Opening | null {
  const first = text.trimStart()[0];
  if (first === undefined) return null;
  return first === '{' || first === '[' ? 'document' : first === '<' ? 'page' : 'stream';
}

const doneMark = /(^|\n)data:\s*\[DONE\]/;

/**
 * A `fetch` that watches the raw bytes of one exchange, classifies failed statuses by their whole body, and turns an answer
 * that came as one JSON document into the stream that the SDK expects.
 *
 * @param asEvents a document of the format as server-sent events.
 */
function watchedFetch(line: Line, clock: Clock, asEvents: (document: unknown) => string): Fetch {
  const failed = (fault: ChatFault): ChatFault => {
    line.onFailure(fault);
    return fault;
  };

  async function* watched(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const head: Uint8Array[] = [];
    const decoder = new TextDecoder();
    let bytes = 0;
    let opening: Opening | null = null;
    let tail = '';
    const passed = (chunk: Uint8Array): Uint8Array => {
      const window = tail + Buffer.from(chunk).toString('latin1');
      if (doneMark.test(window)) line.onDone();
      tail = window.slice(-16);
      return chunk;
    };
    for await (const chunk of body) {
      line.onBytes();
      if (opening === 'stream') {
        yield passed(chunk);
        continue;
      }
      head.push(chunk);
      bytes += chunk.length;
      // Chunk by chunk: a server that sends blanks without end must not make each chunk cost more than the one before.
      opening ??= openingOf(decoder.decode(chunk, { stream: true }));
      if (opening === 'stream') yield passed(Buffer.concat(head));
      else if (bytes > longestDocumentBytes) {
        throw failed(new ChatFault('unavailable', 'the provider answered with too long a document'));
      }
    }
    if (opening === 'page') {
      const page = decode(head).slice(0, 300);
      throw failed(new ChatFault('unavailable', `the provider answered with a page instead of an answer: ${page}`));
    }
    if (opening === 'document') yield passed(new TextEncoder().encode(eventsOf(decode(head))));
  }

  const eventsOf = (text: string): string => {
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (cause) {
      const message = `the provider answered with broken JSON: ${errorMessage(cause)}`;
      throw failed(new ChatFault('dropped', message, { cause }));
    }
    const { error } = (document ?? {}) as { error?: unknown };
    if (!error) return asEvents(document);
    const { code, status } = error as { code?: unknown; status?: unknown };
    const stated = [code, status].map(Number).find((each) => each >= 400 && each < 600);
    throw failed(faultOf(stated ?? 500, JSON.stringify(document), undefined, clock.now()));
  };

  return async (url, init) => {
    const undici = await import('undici');
    agent ??= new undici.Agent(agentOptions);
    const response = await undici.fetch(url as string, { ...(init as unknown as SendInit), dispatcher: agent });
    line.onBytes();
    const headers = new Headers([...response.headers]);
    const body: AsyncIterable<Uint8Array> = response.body ?? (async function* () {})();
    if (!response.ok) {
      const text = await textOf(body, longestErrorBytes, line.onBytes);
      throw failed(faultOf(response.status, text, headers, clock.now()));
    }
    headers.set('content-type', 'text/event-stream');
    headers.delete('content-length');
    headers.delete('content-encoding');
    return new Response(ReadableStream.from(watched(body)), { status: 200, headers });
  };
}
