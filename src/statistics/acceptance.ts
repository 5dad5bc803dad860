import { mean } from 'd3-array';
import { type Comparison, comparePaired, pairedNoise, type SeedScore } from './seeds.ts';

/**
 * When a program counts as better than the previous best.
 *
 * A search reports the best of many candidates, some of which score well by chance. Therefore an improvement counts only
 * beyond two standard errors of the difference on paired seeds; such a challenger is trained again on fresh seeds; and the
 * score on the hidden split, which steered nothing, must agree. Anything less is reported as not distinguishable. What does
 * not exceed every floor of its own rows is not accepted, whatever it is compared with.
 */

/**
 * Coverage of two standard errors of a normal distribution. The noise is estimated from few seeds, so the reach of an
 * interval is the Student quantile of this level, which is 2 for many seeds and more for few.
 */
export const twoSigma = 0.9545;

/** Fresh seeds of a challenger, beyond those on which it won. */
export const freshSeeds = 1;

/** What rows yield without what their task asks for, by the seed that drew them; more is better. */
export interface Floor {
  readonly name: string;
  readonly scores: readonly SeedScore[];
}

/** A floor's mean over some seeds. */
export interface FloorLevel {
  readonly name: string;
  readonly level: number;
}

/** The mean of each floor over the seeds of `scores`; without those that are not known for all of them. */
export function floorLevels(scores: readonly SeedScore[], floors: readonly Floor[]): FloorLevel[] {
  return floors.flatMap(({ name, scores: known }) => {
    const bySeed = new Map(known.map(({ seed, score }) => [seed, score]));
    const level = mean(scores, ({ seed }) => bySeed.get(seed) ?? Number.NaN);
    return level === undefined || scores.some(({ seed }) => !bySeed.has(seed)) ? [] : [{ name, level }];
  });
}

/** The highest floor of the same rows, where the mean of `scores` does not exceed it; otherwise null. */
export function floorAbove(scores: readonly SeedScore[], floors: readonly Floor[]): FloorLevel | null {
  const [highest] = floorLevels(scores, floors).toSorted((a, b) => b.level - a.level);
  const own = mean(scores, ({ score }) => score);
  return highest !== undefined && own !== undefined && own <= highest.level ? highest : null;
}

/** The floors of both splits of the rung that judges. */
export interface Floors {
  readonly validation: readonly Floor[];
  readonly heldOut: readonly Floor[];
}
const noFloors: Floors = { validation: [], heldOut: [] };

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
  /** `even` is reported as not distinguishable; `floored` is better than the incumbent, and not above a floor. */
  readonly outcome: 'accepted' | 'behind' | 'even' | 'floored';
  /** The floor that it does not exceed, and where; null if it exceeds all. */
  readonly floor: (FloorLevel & { readonly split: keyof Floors }) | null;
  /** What was missing where it was not accepted. */
  readonly missing: string | null;
  /** The comparison that the outcome rests on: print its figures with it. */
  readonly deciding: Comparison;
}

function challenge(
  challenger: Trial,
  incumbent: Trial,
  { trials, seeds, floors }: { trials: readonly Trial[]; seeds: number; floors: Floors },
): Challenge {
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
  const repeated = mean(fresh) ?? null;
  const behind = [validation, heldOut].find((each) => each.kind === 'measured' && each.verdict === 'worse');
  const within = (comparison: Comparison, split: string) =>
    comparison.kind === 'measured'
      ? `the difference on ${split} is within its margin`
      : `on ${split} ${comparison.why}`;
  const missing = !isBetter(validation)
    ? within(validation, 'validation')
    : repeated === null
      ? 'it was not trained again on a fresh seed'
      : repeated <= 0
        ? 'the difference did not appear again on a fresh seed'
        : !isBetter(heldOut)
          ? within(heldOut, 'the held-out split')
          : null;
  const [floor] = (['validation', 'heldOut'] as const).flatMap((split) => {
    const above = floorAbove(challenger[split], floors[split]);
    return above ? [{ ...above, split }] : [];
  });
  const outcome = missing === null ? (floor ? 'floored' : 'accepted') : behind ? 'behind' : 'even';
  const lacksHeldOut = isBetter(validation) && repeated !== null && repeated > 0 && missing !== null;
  const deciding = behind ?? (lacksHeldOut ? heldOut : validation);
  const names = { challenger: challenger.id, incumbent: incumbent.id };
  return { ...names, validation, heldOut, fresh: repeated, outcome, floor: floor ?? null, missing, deciding };
}

/**
 * Who may be called best: each challenger in turn, in the order in which the rung below had them, against the best so far.
 *
 * @param baseline the incumbent at the start.
 * @param seeds how many of the seeds decided who was a record-breaker; later ones are fresh.
 * @param floors of the rung that judges, by split.
 */
export function acceptance(challengers: readonly Trial[], baseline: Trial, seeds: number, floors: Floors = noFloors) {
  const trials = [...challengers, baseline];
  const challenges: Challenge[] = [];
  let best = baseline;
  for (const challenger of challengers) {
    const result = challenge(challenger, best, { trials, seeds, floors });
    challenges.push(result);
    if (result.outcome === 'accepted') best = challenger;
  }
  return { best: best.id, challenges };
}
