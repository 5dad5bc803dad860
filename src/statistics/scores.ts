import { mean } from 'd3-array';

/** What a task's scores are held against. */
export interface Scale {
  /** The best that is possible: 1 for an accuracy, 0 for an error. */
  readonly optimum: number;
  /** The worst valid score over all agents and seeds. */
  readonly worst: number;
  /** The best published or known. */
  readonly best: number;
}

/** Nearer to the optimum than this counts as this near: an optimal score would otherwise be infinitely good. */
const nearest = 1e-3;

/** phi(s) = -log10 |s - optimum|. */
const merit = (score: number, optimum: number): number => -Math.log10(Math.max(nearest, Math.abs(score - optimum)));

/**
 * Normalised score of AIRS-Bench: (phi(s) - phi(worst)) / (phi(best) - phi(worst)), 0 for a run without a valid score, at
 * least 0, above 1 for what beats the best known. A score closer to the optimum than 0.001 counts as 0.001 from it, on
 * either side and for either direction of a metric.
 *
 * @throws RangeError where worst and best are equally good, which leaves no scale.
 */
export function normalisedScore(score: number | null, { optimum, worst, best }: Scale): number {
  const low = merit(worst, optimum);
  const high = merit(best, optimum);
  if (!(high > low)) throw new RangeError(`the best score ${best} is no better than the worst, ${worst}`);
  return score === null ? 0 : Math.max(0, (merit(score, optimum) - low) / (high - low));
}

/** Valid-submission rate: the share of runs with a score per task, averaged over tasks. */
export function validRate(tasks: readonly (readonly (number | null)[])[]): number {
  const rates = tasks
    .filter((runs) => runs.length > 0)
    .map((runs) => runs.filter((run) => run !== null).length / runs.length);
  return mean(rates) ?? 0;
}
