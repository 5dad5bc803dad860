/** Numeric axes: values to the unit interval and back, with round ticks. Pure functions. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  /** 0 for `low`, 1 for `high`. */
  readonly unit: (value: number) => number;
  readonly value: (unit: number) => number;
}

/**
 * An axis over the finite values (positive ones if logarithmic) with a margin of 4 % at both ends; a single value lies in the
 * middle. `clip` leaves out that share of the lowest values, so that a diverged training does not flatten the rest.
 */
export function axisOver(values: ArrayLike<number>, { log = false, clip = 0 } = {}): Axis {
  const usable: number[] = [];
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    if (Number.isFinite(value) && (!log || value > 0)) usable.push(log ? Math.log10(value) : value);
  }
  let low = 0;
  let high = 1;
  if (usable.length > 0) {
    const sorted = Float64Array.from(usable).sort();
    const cut = clip > 0 && sorted.length > 50 ? Math.floor(clip * sorted.length) : 0;
    low = sorted[cut] as number;
    high = sorted[sorted.length - 1] as number;
  }
  const margin = high > low ? 0.04 * (high - low) : Math.max(Math.abs(low) * 0.05, log ? 0.1 : 1e-9);
  low -= margin;
  high += margin;
  const span = high - low;
  return {
    low: log ? 10 ** low : low,
    high: log ? 10 ** high : high,
    log,
    unit: (value) => ((log ? Math.log10(value) : value) - low) / span,
    value: (unit) => (log ? 10 ** (low + unit * span) : low + unit * span),
  };
}

/** Round values within [low, high], about `count` of them. */
export function ticksWithin(low: number, high: number, count: number, log: boolean): number[] {
  if (!(high > low)) return [low];
  if (log && low > 0 && high / low >= 4) {
    const ticks: number[] = [];
    const decades = Math.log10(high / low);
    const steps = decades < 2 ? [1, 2, 5] : decades < 4 ? [1, 3] : [1];
    const every = Math.max(1, Math.ceil(decades / count));
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += every) {
      for (const step of steps) {
        const tick = step * 10 ** power;
        if (tick >= low && tick <= high) ticks.push(tick);
      }
    }
    return ticks;
  }
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? 10 * power;
  const ticks: number[] = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) ticks.push(at * step);
  return ticks;
}
