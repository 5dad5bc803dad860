import type { Ladder, SearchSpec } from './search.ts';
import type { Profile, Rung } from './task.ts';
import { type Rung, rungs } from './task.ts';

/** After the wall time is used, running trainings may finish for this long. */
export const graceMs = 60_000;

/** Number of `screened` candidates promoted to the confirm rung: the promoted share, rounded up. */
export function promoted(screened: number, ladder: Ladder): number {
  return Math.max(0, Math.min(screened, Math.ceil(screened * ladder.promote - 1e-9)));
}

/** Aggregates that are trained, N0 first. */
export const aggregatesOf = ({ aggregates = 1 }: Pick<Ladder, 'aggregates'>): number => aggregates;

/** Measured and estimated costs of a running search. */
export interface Costs {
  /** Mean seconds per training on each rung: measured, else the profile's estimate. */
  readonly seconds: Readonly<Record<Rung, number>>;
  /** Parallel trainings. */
  readonly slots: number;
  /** Final trainings that have ended: of a reference, or cached results. */
  readonly finalsDone?: number;
}

/**
 * Estimated wall-clock seconds of the rungs above screening, for `screened` candidates and `references` nearestMeasured patterns.
 * Trainings of one rung fill the slots; a partial round counts as a full one, so this is an upper estimate.
 */
export function upperRungSeconds(screened: number, references: number, ladder: Ladder, costs: Costs): number {
  const rounds = (trainings: number) => Math.ceil(trainings / Math.max(1, costs.slots));
  const planned = trainings(screened, references, ladder);
  const finals = Math.max(0, planned.final - (costs.finalsDone ?? 0));
  // Aggregates are screened first, like every node.
  const aggregates = rounds(aggregatesOf(ladder)) * costs.seconds.screen;
  return rounds(planned.confirm) * costs.seconds.confirm + aggregates + rounds(finals) * costs.seconds.final;
}

/**
 * Expected seconds of a training per rung: the measured mean; without one, the profile's estimate scaled by the error of
 * the estimate on the nearest measured rung. Start-up dominates short trainings, so the nearest rung is the best predictor.
 */
export function expectedSeconds(
  estimates: Profile['rungs'],
  measured: Readonly<Partial<Record<Rung, number>>>,
): Record<Rung, number> {
  const of = (rung: Rung, ...nearest: Rung[]) => {
    const nearestMeasured = [rung, ...nearest].find((each) => measured[each] !== undefined);
    const correction =
      nearestMeasured === undefined ? 1 : (measured[nearestMeasured] ?? 0) / estimates[nearestMeasured].seconds;
    return measured[rung] ?? estimates[rung].seconds * correction;
  };
  return {
    screen: of('screen', 'confirm', 'final'),
    confirm: of('confirm', 'final', 'screen'),
    final: of('final', 'confirm', 'screen'),
  };
}

/** Trainings per rung of a search with `screened` candidates. */
export function trainings(screened: number, references: number, ladder: Ladder): Record<Rung, number> {
  return {
    screen: screened + references + aggregatesOf(ladder),
    confirm: promoted(screened, ladder) * ladder.confirmSeeds,
    final: (Math.min(ladder.finalists, screened) + references + aggregatesOf(ladder)) * ladder.finalSeeds,
  };
}

/** What a search will take before it has started: an estimate from seconds per training. */
interface Workload {
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
