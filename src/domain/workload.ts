import { trainings, upperRungSeconds } from './ladder.ts';
import type { SearchSpec } from './search.ts';
import { type Rung, rungs } from './task.ts';

/** What a search will take before it has started: an estimate from seconds per training. */
export interface Workload {
  readonly trainings: Readonly<Record<Rung, number>>;
  /** Device seconds per rung. */
  readonly seconds: Readonly<Record<Rung, number>>;
  /** Wall-clock seconds if the devices are never idle; a partial round of a rung counts as a full one. */
  readonly wallSeconds: number;
  /** Candidates that the wall time and the device seconds leave time to screen. */
  readonly screened: number;
}

/** Device and wall seconds of a search that screens `screened` candidates. */
function cost({ references, ladder }: SearchSpec, screened: number, slots: number, seconds: Record<Rung, number>) {
  const planned = trainings(screened, references.length, ladder);
  const spent = (rung: Rung) => planned[rung] * seconds[rung];
  const wall =
    Math.ceil((screened + references.length) / slots) * seconds.screen +
    upperRungSeconds(screened, references.length, ladder, { seconds, slots });
  return { planned, spent, device: rungs.reduce((sum, rung) => sum + spent(rung), 0), wall };
}

/**
 * The workload of a search in which no candidate is known from before.
 *
 * @param slots parallel trainings, at least 1.
 * @param seconds of one training on each rung.
 */
export function workloadOf(spec: SearchSpec, slots: number, seconds: Record<Rung, number>): Workload {
  const { evaluations, minutes = Number.POSITIVE_INFINITY, deviceSeconds = Number.POSITIVE_INFINITY } = spec.budget;
  const fits = (screened: number) => {
    const { wall, device } = cost(spec, screened, slots, seconds);
    return wall <= minutes * 60 && device <= deviceSeconds;
  };
  // The cost grows with the number of candidates: bisect for the largest that fits.
  let [screened, excess] = fits(evaluations) ? [evaluations, evaluations + 1] : [0, evaluations];
  while (excess - screened > 1) {
    const middle = Math.floor((screened + excess) / 2);
    if (fits(middle)) screened = middle;
    else excess = middle;
  }
  const { planned, spent, wall } = cost(spec, evaluations, slots, seconds);
  return {
    trainings: planned,
    seconds: { screen: spent('screen'), confirm: spent('confirm'), final: spent('final') },
    wallSeconds: wall,
    screened,
  };
}
