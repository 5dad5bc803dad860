import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { errorMessage } from '../domain/errors.ts';
import type { Logger, Timers } from '../platform/index.ts';
import type { ServedHome } from './labs.ts';

/** How often the file is asked whether it has changed: a pragma, not a query. */
const pollMs = 250;
const heartbeatMs = 15_000;
/** A browser reconnects after this long. */
const retryMs = 1_000;

/** A browser that listens, and the sequence that it has. */
interface Listener {
  readonly stream: SSEStreamingApi;
  sequence: number;
  sending: boolean;
}

/**
 * Server-sent events of one home.
 *
 * Role: announces what the archive has announced, from the sequence that each browser has. Non-role: what changed in it, which
 * the browser asks for.
 *
 * SSE-1  The id of an event is the archive's sequence of the last announcement in it, and events of a listener are sent in this
 *        order, each announcement once. So `Last-Event-ID` continues without loss or repetition, also after the server was
 *        started again: it remembers nothing.
 * SSE-2  Nothing is polled without a listener.
 * SSE-3  A slow browser delays itself only: one send at a time each, and what waits is read from the archive afterwards.
 */
export class EventStreams {
  readonly #home: ServedHome;
  readonly #timers: Timers;
  readonly #log: Logger;
  readonly #listeners = new Set<Listener>();
  #stopPolling: (() => void) | null = null;
  #version = -1;
  readonly #closing = new AbortController();

  constructor(home: ServedHome, timers: Timers, log: Logger) {
    this.#home = home;
    this.#timers = timers;
    this.#log = log;
  }

  /** The stream of one browser, from the sequence that it names; without one from now on. */
  open(context: Context, after: number | null): Response {
    const views = this.#home.views();
    const sequence = after ?? views.sequence();
    context.header('X-Accel-Buffering', 'no');
    return streamSSE(context, async (stream) => {
      const listener: Listener = { stream, sequence, sending: false };
      const ended = new Promise<void>((resolve) => {
        stream.onAbort(resolve);
        this.#closing.signal.addEventListener('abort', () => resolve(), { once: true });
        if (this.#closing.signal.aborted) resolve();
      });
      await stream.write(`retry: ${retryMs}\n: sequence ${sequence}\n\n`);
      this.#listeners.add(listener);
      const stopBeating = this.#timers.every(heartbeatMs, () => void stream.write(': alive\n\n'));
      this.#start();
      await this.#send(listener);
      await ended;
      stopBeating();
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    });
  }

  /** Ends all streams; their browsers reconnect to the next server. */
  close(): void {
    this.#closing.abort();
    this.#stop();
  }

  #start(): void {
    this.#stopPolling ??= this.#timers.every(pollMs, () => this.#poll());
  }

  #stop(): void {
    this.#stopPolling?.();
    this.#stopPolling = null;
  }

  #poll(): void {
    try {
      const version = this.#home.views().version();
      if (version === this.#version) return;
      this.#version = version;
      for (const listener of this.#listeners) void this.#send(listener);
    } catch (thrown) {
      this.#log.warn({ error: errorMessage(thrown) }, 'the archive cannot be read');
    }
  }

  async #send(listener: Listener): Promise<void> {
    if (listener.sending) return;
    listener.sending = true;
    try {
      for (let more = true; more && !listener.stream.aborted && !listener.stream.closed; ) {
        const found = this.#home.views().changesSince(listener.sequence);
        for (const change of found.changes) {
          await listener.stream.writeSSE({
            event: 'changed',
            id: String(change.sequence),
            data: JSON.stringify(change),
          });
          listener.sequence = change.sequence;
        }
        more = found.more || found.changes.length > 0;
      }
    } catch (thrown) {
      this.#log.warn({ error: errorMessage(thrown) }, 'an event was not sent');
    } finally {
      listener.sending = false;
    }
  }
}
