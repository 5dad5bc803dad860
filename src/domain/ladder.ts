import type { Ladder } from './search.ts';
import type { Profile, Rung } from './task.ts';

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
