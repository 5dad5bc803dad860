import { type Comparison, comparePaired, pairedNoise, type SeedScore } from './seeds.ts';

/**
 * When a program counts as better than the previous best.
 *
 * A search reports the best of many candidates, some of which score well by chance. Therefore an improvement counts only
 * beyond two standard errors of the difference on paired seeds; such a challenger is trained again on fresh seeds; and the
 * score on the hidden split, which steered nothing, must agree. Anything less is reported as not distinguishable.
 */

/**
 * Coverage of two standard errors of a normal distribution. The noise is estimated from few seeds, so the reach of an
 * interval is the Student quantile of this level, which is 2 for many seeds and more for few.
 */
export const twoSigma = 0.9545;

/** Fresh seeds of a challenger, beyond those on which it won. */
export const freshSeeds = 1;

/** Figures of one program on the rung that judges, by seed; more is better. */
export interface Trial {
  readonly id: string;
  readonly validation: readonly SeedScore[];
  /** On the hidden split; none while the search is open (I4). */
  readonly heldOut: readonly SeedScore[];
}

/** One program against another on the seeds that they share, with the noise of all that were trained on them. */
export function against(
  challenger: readonly SeedScore[],
  incumbent: readonly SeedScore[],
  all: readonly (readonly SeedScore[])[],
): Comparison {
  return comparePaired(challenger, incumbent, pairedNoise(all), twoSigma);
}

const isBetter = (comparison: Comparison) => comparison.kind === 'measured' && comparison.verdict === 'better';

/** The first `count` seeds in order: those on which a record is broken, without the fresh ones. */
function first(scores: readonly SeedScore[], count: number): SeedScore[] {
  return scores.toSorted((a, b) => a.seed - b.seed).slice(0, count);
}

/** Beats the incumbent on the seeds of the rung, and must repeat it on fresh ones. */
export function recordBreakers(challengers: readonly Trial[], incumbent: Trial, seeds: number): Trial[] {
  const cut = (trial: Trial) => first(trial.validation, seeds);
  const all = [...challengers, incumbent].map(cut);
  return challengers.filter((trial) => isBetter(against(cut(trial), cut(incumbent), all)));
}

/** How far a challenger came against the incumbent of its turn. */
export interface Challenge {
  readonly challenger: string;
  readonly incumbent: string;
  readonly validation: Comparison;
  readonly heldOut: Comparison;
  /** The difference on the fresh seeds alone; null where it was not trained on any. */
  readonly fresh: number | null;
  /** `even` is reported as not distinguishable. */
  readonly outcome: 'accepted' | 'behind' | 'even';
  /** What was missing where it was not accepted. */
  readonly missing: string | null;
  /** The comparison that the outcome rests on: print its figures with it. */
  readonly deciding: Comparison;
}

function challenge(challenger: Trial, incumbent: Trial, trials: readonly Trial[], seeds: number): Challenge {
  const validation = against(
    challenger.validation,
    incumbent.validation,
    trials.map((trial) => trial.validation),
  );
  const heldOut = against(
    challenger.heldOut,
    incumbent.heldOut,
    trials.map((trial) => trial.heldOut),
  );
  const known = new Map(incumbent.validation.map(({ seed, score }) => [seed, score]));
  const fresh = challenger.validation
    .toSorted((a, b) => a.seed - b.seed)
    .slice(seeds)
    .flatMap(({ seed, score }) => (known.has(seed) ? [score - (known.get(seed) as number)] : []));
  const mean = fresh.length > 0 ? fresh.reduce((sum, each) => sum + each, 0) / fresh.length : null;
  const behind = [validation, heldOut].find((each) => each.kind === 'measured' && each.verdict === 'worse');
  const within = (comparison: Comparison, split: string) =>
    comparison.kind === 'measured'
      ? `the difference on ${split} is within its margin`
      : `on ${split} ${comparison.why}`;
  const missing = !isBetter(validation)
    ? within(validation, 'validation')
    : mean === null
      ? 'it was not trained again on a fresh seed'
      : mean <= 0
        ? 'the difference did not appear again on a fresh seed'
        : !isBetter(heldOut)
          ? within(heldOut, 'the held-out split')
          : null;
  const outcome = missing === null ? 'accepted' : behind ? 'behind' : 'even';
  const lacksHeldOut = isBetter(validation) && mean !== null && mean > 0 && missing !== null;
  const deciding = behind ?? (lacksHeldOut ? heldOut : validation);
  const names = { challenger: challenger.id, incumbent: incumbent.id };
  return { ...names, validation, heldOut, fresh: mean, outcome, missing, deciding };
}

/**
 * Who may be called best: each challenger in turn, in the order in which the rung below had them, against the best so far.
 *
 * @param baseline the incumbent at the start.
 * @param seeds how many of the seeds decided who was a record-breaker; later ones are fresh.
 */
export function acceptance(challengers: readonly Trial[], baseline: Trial, seeds: number) {
  const trials = [...challengers, baseline];
  const challenges: Challenge[] = [];
  let best = baseline;
  for (const challenger of challengers) {
    const result = challenge(challenger, best, trials, seeds);
    challenges.push(result);
    if (result.outcome === 'accepted') best = challenger;
  }
  return { best: best.id, challenges };
}
