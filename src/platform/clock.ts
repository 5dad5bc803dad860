/** Time as a dependency, so that decisions and tests do not depend on the machine's own (I5). */
export interface Clock {
  /** Milliseconds since the epoch: for records, never for durations. */
  now(): number;
  /** Milliseconds that only grow: for deadlines and durations, untouched by clock changes. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
