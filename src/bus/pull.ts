/**
 * One request to a pull consumer for its next messages.
 *
 * Role: asks for up to `batch` messages and hands each over as it comes, until the batch is full, the time is up, the
 * caller aborts, or the line is cut. It stands in for the client's own `next` and `consume`, which cannot be aborted
 * without losing what is on its way, keep silent when the consumer is gone, and prefetch.
 * Not here: decoding, acknowledging, trying again.
 *
 * Invariants
 *  1. At most `batch` messages are handed over, all before the promise resolves.
 *  2. A message that comes after the end is handed back at once, so that it does not wait for its acknowledgement timer.
 *  3. A server that says nothing for a few heartbeats ends the pull: nats-server 2.9 does not answer at all when the
 *     consumer or its stream does not exist.
 */
import { type Msg, nanos } from 'nats';
import { TerminalError } from '../domain/errors.ts';
import type { Link } from './connection.ts';
import { busFailure } from './failures.ts';

/**
 * `full`: the batch has been handed over. `expired`: the server says that the time is up. `missing`: the consumer is
 * gone. `silent`: it may be. `interrupted`: the line was cut. `refused`: the server will not serve this request now.
 */
export type PullEnd = 'full' | 'expired' | 'missing' | 'silent' | 'interrupted' | 'refused' | 'aborted';

export interface PullRequest {
  readonly stream: string;
  readonly consumer: string;
  readonly batch: number;
  readonly expiresMs: number;
  readonly signals: readonly AbortSignal[];
}

const longestHeartbeatMs = 1_000;

export function pull(link: Link, request: PullRequest, receive: (message: Msg) => void): Promise<PullEnd> {
  const { nc } = link;
  const { stream, consumer, batch, signals } = request;
  if (signals.some((signal) => signal.aborted) || nc.isClosed()) return Promise.resolve('aborted');
  if (!link.connected) return Promise.resolve('interrupted');

  const expiresMs = Math.max(20, Math.ceil(request.expiresMs));
  const heartbeatMs = Math.min(longestHeartbeatMs, Math.floor(expiresMs / 2));
  const inbox = link.inbox();

  return new Promise((resolve) => {
    let received = 0;
    let ended = false;

    const subscription = nc.subscribe(inbox, {
      callback(_error, message) {
        silence.refresh();
        if (message.subject !== inbox) {
          if (ended) message.respond('-NAK');
          else {
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
      // Draining keeps the callback until the server has confirmed that nothing more can come; nothing can after these.
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
 * What may be said to the server about a message that it delivered. The last three await the server's confirmation and
 * may be repeated when that stays away; once confirmed, another one is a mistake.
 *
 * @throws RetryableError when the server did not confirm; TerminalError `delivery-settled`.
 */
export interface Settlement {
  /** Restarts the acknowledgement timer. May be lost on the way, so it is sent several times per timer. */
  working(): void;
  ack(): Promise<void>;
  /** Gives the message back, to be delivered again after a while. */
  nak(delayMs: number): Promise<void>;
  /** Removes a message that nobody can use. */
  term(reason: string): Promise<void>;
}

/** How often a message was delivered, this time included, and its place in the stream. */
export interface Delivered {
  readonly attempt: number;
  readonly streamSeq: number;
  readonly deliverySeq: number;
}

/**
 * Reads `$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>.<delivery seq>.<time>.<pending>`; newer servers put two
 * tokens more after ACK and one at the end.
 *
 * @throws TerminalError `not-delivered` for a message that comes from no stream.
 */
export function deliveredInfo(message: Msg): Delivered {
  const tokens = (message.reply ?? '').split('.');
  const first = tokens.length >= 11 ? 6 : 4;
  const [attempt = 0, streamSeq = 0, deliverySeq = 0] = tokens.slice(first, first + 3).map(Number);
  if (tokens[1] !== 'ACK' || !(attempt >= 1 && streamSeq >= 1 && deliverySeq >= 1)) {
    throw new TerminalError('not-delivered', `a message on ${message.subject} comes from no stream`);
  }
  return { attempt, streamSeq, deliverySeq };
}

const confirmationMs = 5_000;

export function settlementOf(link: Link, message: Msg, timeoutMs = confirmationMs): Settlement {
  const subject = message.reply ?? '';
  let settled = false;

  async function settle(payload: string, what: string): Promise<void> {
    if (settled) throw new TerminalError('delivery-settled', `${what} of a message that was settled before`);
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
    ack: () => settle('+ACK', 'acknowledging'),
    nak: (delayMs) => settle(`-NAK {"delay":${nanos(Math.max(0, Math.round(delayMs)))}}`, 'giving back'),
    term(reason) {
      link.log.warn({ subject: message.subject, reason }, 'removing a message that nobody can use');
      // nats-server 2.9 confirms a `+TERM` that carries a reason, and ignores it.
      return settle('+TERM', 'removing');
    },
  };
}
