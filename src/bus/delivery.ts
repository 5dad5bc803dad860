import { type Msg, nanos } from 'nats';
import { TerminalError } from '../domain/errors.ts';
import type { Link } from './connection.ts';
import { busFailure } from './failures.ts';

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
