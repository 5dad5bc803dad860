import { type Clock, pause, type Timers } from '../../platform/index.ts';
export interface Rate {
  /** Requests that may start at once after a pause. */
  readonly burst: number;
  /** Milliseconds per additional request. */
  readonly everyMs: number;
}

/**
 * The rate limit of one host. Requests pass one at a time in order of arrival; a wait that the host requests applies to all.
 *
 * TOK-1. In any span of t ms at most burst + t / everyMs requests start.
 * TOK-2. A request that is aborted while it waits takes no token and delays no other.
 */
export class TokenBucket {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #timers: Timers;
  #tokens: number;
  #filledAt: number;
  #notBefore = 0;
  #queue: Promise<void> = Promise.resolve();

  constructor(rate: Rate, clock: Clock, timers: Timers) {
    this.#rate = rate;
    this.#clock = clock;
    this.#timers = timers;
    this.#tokens = rate.burst;
    this.#filledAt = clock.monotonic();
  }

  /** Resolves when the next request may start. @throws the signal's reason if it aborts first. */
  acquire(signal: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#take(signal));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Blocks all requests for this time, whatever tokens are available. */
  hold(ms: number): void {
    this.#notBefore = Math.max(this.#notBefore, this.#clock.monotonic() + ms);
  }

  async #take(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const wait = this.#waitMs();
      if (wait <= 0) break;
      await pause(this.#timers, wait, signal);
    }
    this.#tokens -= 1;
  }

  #waitMs(): number {
    const now = this.#clock.monotonic();
    const { burst, everyMs } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + (now - this.#filledAt) / everyMs);
    this.#filledAt = now;
    const blocked = this.#notBefore - now;
    // Slightly less than one token counts as one: fractions of a millisecond do not add up exactly.
    const short = this.#tokens >= 1 - 1e-9 ? 0 : (1 - this.#tokens) * everyMs;
    return Math.ceil(Math.max(blocked, short));
  }
}
