import { RetryableError } from '../domain/errors.ts';
import type { Rng } from '../domain/rng.ts';
import { type Clock, retry, type Timers } from '../platform/index.ts';
import { ChatFault } from './faults.ts';

export interface RetryPolicy {
  /** Tries of one request, the first included. */
  readonly tries: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

export const defaultRetries: RetryPolicy = { tries: 5, firstPauseMs: 1000, longestPauseMs: 60_000 };

/**
 * How long to wait after the `failed`-th failed try: full jitter below a doubling ceiling, so that agents which failed
 * together do not come back together; never less than what the provider asked for.
 */
export function backoff(policy: RetryPolicy, failed: number, askedMs: number | null, rng: Rng): number {
  const ceiling = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (failed - 1));
  return (askedMs ?? 0) + rng.float() * ceiling;
}

/**
 * Repeats a request until it is answered, turned down, or has failed too often.
 *
 * @throws ChatFault the last one; whatever else `attempt` throws, at once.
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<T>,
  policy: RetryPolicy,
  { breaker, timers, rng, signal }: { breaker: Breaker; timers: Timers; rng: Rng; signal: AbortSignal },
): Promise<T> {
  const tried = async (number: number): Promise<T> => {
    breaker.enter();
    try {
      const answer = await attempt(number);
      breaker.succeeded();
      return answer;
    } catch (thrown) {
      if (thrown instanceof ChatFault) breaker.failed(thrown);
      else breaker.abandoned();
      throw thrown;
    }
  };
  const delayMs = (thrown: unknown, failed: number): number | null =>
    thrown instanceof ChatFault && thrown.kind !== 'rejected'
      ? backoff(policy, failed, thrown.retryAfterMs, rng)
      : null;
  return retry(tried, { timers, signal, tries: policy.tries, delayMs });
}

/** So many failures within the window, and a provider is left alone until the next probe. */
const mostFailures = 5;
const windowMs = 60_000;
const probeEveryMs = 30_000;

/** Thrown when a provider failed so often that it is left alone for a while. Worth another try after that. */
export class ProviderDownError extends RetryableError {
  constructor(provider: string, retryAfterMs: number, last: string) {
    super('provider-down', `${provider} is left alone for a while after repeated failures: ${last}`, retryAfterMs);
  }
}

/**
 * The circuit breaker of one provider at one address, shared by all agents of this process.
 *
 * Role: keeps a provider that is down from being asked again and again by everybody. Non-role: pausing, repeating.
 *
 * K1. Closed it lets everything pass; `mostFailures` failures within `windowMs` open it; any success closes it.
 * K2. Open it lets one probe pass each `probeEveryMs`, and refuses everything else at once.
 * K3. A request that was turned down is no failure of the provider: it answered.
 */
export class Breaker {
  readonly #provider: string;
  readonly #clock: Clock;
  #failures: number[] = [];
  #nextProbeAt: number | null = null;
  /** The kind and no more: messages of providers may quote keys. */
  #last = '';

  constructor(provider: string, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#nextProbeAt !== null;
  }

  /** @throws ProviderDownError while it is open, except for the probe whose turn it is. */
  enter(): void {
    if (this.#nextProbeAt === null) return;
    const wait = this.#nextProbeAt - this.#clock.monotonic();
    if (wait > 0) throw new ProviderDownError(this.#provider, Math.ceil(wait), this.#last);
    this.#nextProbeAt = this.#clock.monotonic() + probeEveryMs;
  }

  succeeded(): void {
    this.#failures = [];
    this.#nextProbeAt = null;
  }

  /** The request was called off by its caller: says nothing about the provider. */
  abandoned(): void {
    if (this.#nextProbeAt !== null) this.#nextProbeAt = this.#clock.monotonic();
  }

  failed(fault: ChatFault): void {
    if (fault.kind === 'rejected') {
      this.succeeded();
      return;
    }
    const now = this.#clock.monotonic();
    this.#last = fault.kind;
    this.#failures = [...this.#failures.filter((at) => at > now - windowMs), now];
    if (this.#failures.length >= mostFailures) this.#nextProbeAt ??= now + probeEveryMs;
  }
}
