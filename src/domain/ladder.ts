import type { Ladder } from './search.ts';
import type { Profile, Rung } from './task.ts';

/** After a search's wall time is over, trainings that had begun may still end for so long. */
export const graceMs = 60_000;

/** How many of `screened` candidates climb to the confirm rung: the promoted share, rounded up. */
export function promoted(screened: number, ladder: Ladder): number {
  return Math.max(0, Math.min(screened, Math.ceil(screened * ladder.promote - 1e-9)));
}

/** What is known of a search's costs while it is under way. */
export interface Costs {
  /** Mean seconds of one training per rung: measured where one has ended, else the profile's estimate. */
  readonly seconds: Readonly<Record<Rung, number>>;
  /** Trainings that run at once. */
  readonly slots: number;
  /** Final trainings that have ended already: a reference's, or results of earlier searches. */
  readonly finalsDone?: number;
}

/**
 * Wall-clock seconds that the rungs above screening will take, for a search in which `screened` candidates were screened
 * beside `references` known patterns. Trainings of one rung fill the slots; the remainder of an unfilled round counts in
 * full, which makes this an upper estimate.
 */
export function upperRungSeconds(screened: number, references: number, ladder: Ladder, costs: Costs): number {
  const rounds = (trainings: number) => Math.ceil(trainings / Math.max(1, costs.slots));
  const planned = trainings(screened, references, ladder);
  const finals = Math.max(0, planned.final - (costs.finalsDone ?? 0));
  // The aggregate is screened like every other node before it is trained in full.
  return rounds(planned.confirm) * costs.seconds.confirm + costs.seconds.screen + rounds(finals) * costs.seconds.final;
}

/**
 * Seconds that a training on each rung is expected to take: the mean of those that have ended; for a rung on which none
 * has, the profile's estimate, corrected by how far the estimate of the nearest measured rung was off on this machine and
 * engine. A short training says little of a long one: start-up weighs more in it.
 */
export function expectedSeconds(
  estimates: Profile['rungs'],
  measured: Readonly<Partial<Record<Rung, number>>>,
): Record<Rung, number> {
  const of = (rung: Rung, ...nearest: Rung[]) => {
    const known = [rung, ...nearest].find((each) => measured[each] !== undefined);
    const correction = known === undefined ? 1 : (measured[known] ?? 0) / estimates[known].seconds;
    return measured[rung] ?? estimates[rung].seconds * correction;
  };
  return {
    screen: of('screen', 'confirm', 'final'),
    confirm: of('confirm', 'final', 'screen'),
    final: of('final', 'confirm', 'screen'),
  };
}

/** Trainings on each rung of a search in which agents have `screened` candidates screened. */
export function trainings(screened: number, references: number, ladder: Ladder): Record<Rung, number> {
  return {
    screen: screened + references + 1,
    confirm: promoted(screened, ladder) * ladder.confirmSeeds,
    final: (Math.min(ladder.finalists, screened) + references + 1) * ladder.finalSeeds,
  };
}
