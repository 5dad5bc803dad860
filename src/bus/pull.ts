/**
 * Taking messages off a stream: one request to a pull consumer for its next messages, what is replied to the server about each,
 * and the loop that repeats a step until it is stopped or the bus closes.
 *
 * Role: requests up to `batch` messages and passes each on as it arrives, until the batch is full, the request expires, the
 * caller aborts, or the connection is lost. Used instead of the client's `next` and `consume`, which cannot be aborted
 * without losing messages in flight, stay silent if the consumer is missing, and prefetch. A loop repeats its step, one at a
 * time, while connected; a failed step is logged and retried after a pause. Non-role: decoding, what a step does.
 *
 *   PUL-1  At most `batch` messages are passed on, all before the promise resolves.
 *   PUL-2  A message that arrives after the end is returned at once, so that it does not wait for its acknowledgement timer. A
 *          consumer without acknowledgements waits for none: its late messages are dropped.
 *   PUL-3  A server that is silent for several heartbeats ends the pull: nats-server 2.9 does not reply at all if the
 *          consumer or its stream does not exist.
 *   LOO-1  `stop` resolves after the running step has ended, and no step starts after the call.
 *   LOO-2  The bus does not close before the running step has ended.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Msg, nanos } from 'nats';
import { errorMessage, RetryableError, TerminalError } from '../domain/errors.ts';
import { busFailure, type Link } from './connection.ts';

/**
 * `full`: the batch is complete. `expired`: the request expired. `missing`: the consumer does not exist. `silent`: it may not
 * exist. `interrupted`: disconnected. `refused`: the server refuses this request for now.
 */
export type PullEnd = 'full' | 'expired' | 'missing' | 'silent' | 'interrupted' | 'refused' | 'aborted';

export interface PullRequest {
  readonly stream: string;
  readonly consumer: string;
  readonly batch: number;
  readonly expiresMs: number;
  readonly signals: readonly AbortSignal[];
  /** The consumer waits for acknowledgements; only then may this connection send any. */
  readonly acknowledged: boolean;
}

const maxHeartbeatMs = 1_000;

/** One request for the next messages. */
export function pull(link: Link, request: PullRequest, receive: (message: Msg) => void): Promise<PullEnd> {
  const { nc } = link;
  const { stream, consumer, batch, signals, acknowledged } = request;
  if (signals.some((signal) => signal.aborted) || nc.isClosed()) return Promise.resolve('aborted');
  if (!link.connected) return Promise.resolve('interrupted');

  const expiresMs = Math.max(20, Math.ceil(request.expiresMs));
  const heartbeatMs = Math.min(maxHeartbeatMs, Math.floor(expiresMs / 2));
  const inbox = link.inbox();

  return new Promise((resolve) => {
    let received = 0;
    let ended = false;

    const subscription = nc.subscribe(inbox, {
      callback(_error, message) {
        silence.refresh();
        if (message.subject !== inbox) {
          if (ended) {
            if (acknowledged) message.respond('-NAK');
          } else {
            received += 1;
            receive(message);
            if (received === batch) end('full');
          }
          return;
        }
        const { code = 0, description = '' } = message.headers ?? {};
        if (code === 100) return;
        if (code === 408 || code === 404) end('expired');
        else if (code === 503 || (code === 409 && /deleted/i.test(description))) end('missing');
        else {
          link.log.warn({ stream, consumer, code, description }, 'the NATS server refused a pull');
          end('refused');
        }
      },
    });
    const silence = setTimeout(() => end('silent'), Math.max(1_000, heartbeatMs * 2.5));
    const cut = () => end('interrupted');
    const abort = () => end('aborted');
    const forget = link.onDisconnect(cut);
    for (const signal of signals) signal.addEventListener('abort', abort);

    function end(how: PullEnd): void {
      if (ended) return;
      ended = true;
      clearTimeout(silence);
      forget();
      for (const signal of signals) signal.removeEventListener('abort', abort);
      // Draining keeps the callback until the server confirms that nothing follows; after these ends nothing can.
      const settled = how === 'full' || how === 'expired' || how === 'missing' || nc.isClosed();
      if (settled) subscription.unsubscribe();
      else subscription.drain().catch(() => undefined);
      resolve(how);
    }

    nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      JSON.stringify({ batch, expires: nanos(expiresMs), idle_heartbeat: nanos(heartbeatMs) }),
      { reply: inbox },
    );
  });
}

/**
 * Replies to the server about a delivered message. The last three await confirmation and may be repeated without it; once
 * confirmed, another one is an error.
 *
 * @throws RetryableError without confirmation; TerminalError `delivery-settled`.
 */
export interface Settlement {
  /** Restarts the acknowledgement timer. May be lost, so it is sent several times per timer. */
  working(): void;
  ack(): Promise<void>;
  /** Returns the message for redelivery after a delay. */
  nak(delayMs: number): Promise<void>;
  /** Removes an unusable message. */
  term(reason: string): Promise<void>;
}

const confirmationMs = 5_000;

export function settlementOf(link: Link, message: Msg, timeoutMs = confirmationMs): Settlement {
  const subject = message.reply ?? '';
  let settled = false;

  async function settle(payload: string, what: string): Promise<void> {
    if (settled) throw new TerminalError('delivery-settled', `${what} of a message that is already settled`);
    try {
      await link.nc.request(subject, payload, { timeout: timeoutMs });
      settled = true;
    } catch (thrown) {
      throw busFailure(thrown, what);
    }
  }

  return {
    working() {
      if (!settled && !link.nc.isClosed()) link.nc.publish(subject, '+WPI');
    },
    ack: () => settle('+ACK', 'acknowledging a message'),
    nak: (delayMs) => settle(`-NAK {"delay":${nanos(Math.max(0, Math.round(delayMs)))}}`, 'returning a message'),
    term(reason) {
      link.log.warn({ subject: message.subject, reason }, 'removing an unusable message');
      // nats-server 2.9 confirms a `+TERM` with a reason, but ignores it.
      return settle('+TERM', 'removing a message');
    },
  };
}

/** Delivery count, including this one, and position in the stream. */
export interface Delivered {
  readonly attempt: number;
  readonly streamSeq: number;
  readonly deliverySeq: number;
}

/**
 * Parses `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<delivery seq>.<time>.<pending>`; newer servers add two tokens
 * after ACK and one at the end.
 *
 * @throws TerminalError `not-delivered` for a message that is not from a stream.
 */
export function deliveredInfo(message: Msg): Delivered {
  const tokens = (message.reply ?? '').split('.');
  const first = tokens.length >= 11 ? 6 : 4;
  const [attempt = 0, streamSeq = 0, deliverySeq = 0] = tokens.slice(first, first + 3).map(Number);
  if (tokens[1] !== 'ACK' || !(attempt >= 1 && streamSeq >= 1 && deliverySeq >= 1)) {
    throw new TerminalError('not-delivered', `a message on ${message.subject} is not from a stream`);
  }
  return { attempt, streamSeq, deliverySeq };
}

/** A running subscription. */
export interface BusSubscription {
  /** Resolves once nothing is running. */
  stop(): Promise<void>;
}

/** Repeats a step until `stop`, or until the bus closes. */
export function runLoop(
  link: Link,
  what: string,
  step: (signals: readonly AbortSignal[]) => Promise<void>,
): BusSubscription {
  const stopping = new AbortController();
  const signals = [stopping.signal, link.closing];
  const over = () => signals.some((signal) => signal.aborted) || link.nc.isClosed();

  async function run(): Promise<void> {
    while (!over()) {
      await link.whenConnected(signals);
      if (over()) return;
      try {
        await step(signals);
      } catch (thrown) {
        if (over()) return;
        link.log.warn({ error: errorMessage(thrown) }, `${what} failed; retrying`);
        await pause(thrown instanceof RetryableError ? thrown.retryAfterMs : 1_000, signals);
      }
    }
  }

  const running = run();
  link.keep(running);
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

/** Waits, unless one of the signals is aborted. */
export async function pause(milliseconds: number, signals: readonly AbortSignal[]): Promise<void> {
  if (signals.some((signal) => signal.aborted)) return;
  const wake = new AbortController();
  const abort = () => wake.abort();
  for (const signal of signals) signal.addEventListener('abort', abort);
  await delay(milliseconds, undefined, { signal: wake.signal }).catch(() => undefined);
  for (const signal of signals) signal.removeEventListener('abort', abort);
}
