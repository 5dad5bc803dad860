import { extent, nice, ticks } from 'd3-array';
import { metricValue } from '../../domain/task.ts';
import type { Reading } from '../format.ts';

/** A linear map from data to pixels, and the round values at which an axis is marked. */
export interface Scale {
  (value: number): number;
  readonly domain: readonly [number, number];
  readonly ticks: readonly number[];
  /** Decimals at which neighbouring ticks differ. */
  readonly decimals: number;
  /** What stands at a tick. */
  readonly label: (tick: number) => string;
}

/** Closer than this, values are the same to the eye, and marks between them would need more digits than there are. */
const indistinct = 1e-9;

/**
 * A scale over all finite values given, rounded outwards to whole ticks. Values that are all the same get some
 * room on each side.
 *
 * @param range pixels of the domain's ends; may run downwards.
 * @param whole the values count something: only integers are marked.
 */
export function scale(
  values: readonly number[],
  range: readonly [number, number],
  tickCount: number,
  whole = false,
): Scale {
  const [low, high] = extent(values.filter(Number.isFinite));
  const bottom = low ?? 0;
  const top = high ?? 1;
  const room = top - bottom < indistinct ? Math.max(Math.abs(bottom) * 0.05, 0.01) : 0;
  const domain = nice(bottom - room, top + room, tickCount);
  const marks = ticks(domain[0], domain[1], tickCount).filter((tick) => !whole || Number.isInteger(tick));
  const step = (marks[1] ?? domain[1]) - (marks[0] ?? domain[0]);
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const map = (value: number) => range[0] + ((value - domain[0]) / (domain[1] - domain[0])) * (range[1] - range[0]);
  const label = (tick: number) => tick.toFixed(decimals);
  return Object.assign(map, { domain: [domain[0], domain[1]] as const, ticks: marks, decimals, label });
}

/** The same scale of fitness, marked with the metric that it stands for. */
export function read(fitness: Scale, { lowerIsBetter }: Reading): Scale {
  const label = (tick: number) => metricValue(tick, lowerIsBetter).toFixed(fitness.decimals);
  const { domain, ticks: marks, decimals } = fitness;
  return Object.assign((value: number) => fitness(value), { domain, ticks: marks, decimals, label });
}

/** A pixel position, short enough for markup. */
export const px = (value: number): string => String(Number(value.toFixed(2)));
