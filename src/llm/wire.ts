import type { ChatModel, ChatReply, ChatRequest, Meter } from './chat.ts';
import { Ladder, type Sent } from './ladder.ts';
import { countedTokens } from './prices.ts';
import { ChatFault } from './retry.ts';
import { readStream, type Watch } from './stream.ts';
import type { Fetch } from './transport.ts';

/** Options of both SDKs: retries, limits of time and logs are ours. */
export const sdkOptions = { maxRetries: 0, timeout: 2 ** 31 - 1, logLevel: 'off' } as const;

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
export interface WireFormat<B, E> {
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
