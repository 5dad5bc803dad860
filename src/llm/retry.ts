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
 * Milliseconds to wait after the `failed`-th failed try: full jitter below a doubling ceiling, so that agents that failed
 * together do not return together; never less than the provider requests.
 */
export function backoff(policy: RetryPolicy, failed: number, askedMs: number | null, rng: Rng): number {
  const ceiling = Math.min(policy.longestPauseMs, policy.firstPauseMs * 2 ** (failed - 1));
  return (askedMs ?? 0) + rng.float() * ceiling;
}

/** Forms of one request, the first included: more than there are parts to leave out, fewer than a server's moving limits. */
const mostForms = 12;

/**
 * Repeats a request until it is answered or rejected, or the tries are used up. A request that its server accepts in a
 * smaller form is repeated in that form at once.
 *
 * @throws ChatFault the last one; any other error of `attempt` immediately.
 */
export async function retrying<T>(
  attempt: (number: number) => Promise<T>,
  policy: RetryPolicy,
  { breaker, timers, rng, signal }: { breaker: Breaker; timers: Timers; rng: Rng; signal: AbortSignal },
): Promise<T> {
  const tried = async (number: number): Promise<T> => {
    for (let forms = 1; ; forms++) {
      breaker.enter();
      try {
        const answer = await attempt(number);
        breaker.succeeded();
        return answer;
      } catch (thrown) {
        if (thrown instanceof ChatFault) breaker.failed(thrown);
        else breaker.abandoned();
        // The server is well and the next form is smaller (LAD-1): no pause, and no try used.
        const isAdapted = thrown instanceof ChatFault && thrown.adapted !== null;
        if (!isAdapted || forms === mostForms) throw thrown;
        signal.throwIfAborted();
      }
    }
  };
  const delayMs = (thrown: unknown, failed: number): number | null =>
    thrown instanceof ChatFault && thrown.kind !== 'rejected'
      ? backoff(policy, failed, thrown.retryAfterMs, rng)
      : null;
  return retry(tried, { timers, signal, tries: policy.tries, delayMs });
}

/** This many failures within the window block a provider until the next probe. */
const mostFailures = 5;
const windowMs = 60_000;
const probeEveryMs = 30_000;

/** Thrown while a provider is blocked after repeated failures. Worth a retry later. */
export class ProviderDownError extends RetryableError {
  constructor(provider: string, retryAfterMs: number, last: string) {
    super('provider-down', `${provider} is blocked for a while after repeated failures: ${last}`, retryAfterMs);
  }
}

/**
 * The circuit breaker of one provider at one address, shared by all agents of this process.
 *
 * Role: keeps the agents from hammering a provider that is down. Non-role: pauses and retries.
 *
 * BRK-1. Closed, it passes everything; `mostFailures` failures within `windowMs` open it; any success closes it.
 * BRK-2. Open, it passes one probe per `probeEveryMs` and refuses everything else at once.
 * BRK-3. A rejected request is not a failure of the provider: it answered.
 */
export class Breaker {
  readonly #provider: string;
  readonly #clock: Clock;
  #failures: number[] = [];
  #nextProbeAt: number | null = null;
  /** The kind only: messages of providers may quote keys. */
  #last = '';

  constructor(provider: string, clock: Clock) {
    this.#provider = provider;
    this.#clock = clock;
  }

  get isOpen(): boolean {
    return this.#nextProbeAt !== null;
  }

  /** @throws ProviderDownError while open, except for the probe that is due. */
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

  /** The caller cancelled the request, which says nothing about the provider. */
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
