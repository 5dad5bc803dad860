import { type Clock, pause, type Timers } from '../../platform/index.ts';
export interface Rate {
  /** Requests that may follow each other at once after a rest. */
  readonly burst: number;
  /** Milliseconds in which one more request becomes allowed. */
  readonly everyMs: number;
}

/**
 * The rate of one host. Requests are let through in the order in which they asked, one at a time, and a host that asks
 * for patience is left alone until then.
 *
 * R1 In any span of t ms at most burst + t / everyMs requests begin.
 * R2 A request whose signal aborts while it waits spends nothing and holds nobody up.
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

  /** Resolves when the next request may begin. @throws the signal's reason when it aborts first. */
  acquire(signal: AbortSignal): Promise<void> {
    const turn = this.#queue.then(() => this.#take(signal));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  /** Lets nothing through for so long, whatever tokens there are. */
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
    const held = this.#notBefore - now;
    // A hair below one whole token counts as one: fractions of a millisecond do not add up exactly.
    const short = this.#tokens >= 1 - 1e-9 ? 0 : (1 - this.#tokens) * everyMs;
    return Math.ceil(Math.max(held, short));
  }
}
