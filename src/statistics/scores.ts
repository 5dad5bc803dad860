import { mean } from 'd3-array';
import type { Rng } from '../domain/rng.ts';
import { type Interval, quantileOf, type Resampling, sortedMiddle } from './pairs.ts';

/**
 * What scores are worth, in themselves and next to those of others: the normalised scores, curves and Elo ratings of AIRS-Bench,
 * and the accuracies of two models on the same questions.
 */

/** Reference values of a task's scores. */
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

/** A curve over evaluations: interquartile mean over runs, with a pointwise band. */
export interface Curve {
  readonly middle: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * Curve of many runs: at each step the interquartile mean, and its percentile interval when runs are redrawn with
 * replacement within each task. A resample is the same set of runs at every step.
 *
 * @param strata runs by task; each run has `steps` values.
 */
export function bandedCurve(
  strata: readonly (readonly (readonly number[])[])[],
  { rng, resamples, level }: { rng: Rng; resamples: number; level: number },
): Curve {
  const runs = strata.flat();
  const steps = Math.min(...runs.map((run) => run.length));
  const draws = Array.from({ length: resamples }, () => {
    let offset = 0;
    return strata.flatMap((stratum) => {
      const drawn = stratum.map(() => offset + rng.below(stratum.length));
      offset += stratum.length;
      return drawn;
    });
  });
  const values = new Float64Array(runs.length);
  const at = (step: number, which: readonly number[] | null): number => {
    for (let index = 0; index < values.length; index++) {
      values[index] = (runs[which === null ? index : (which[index] as number)] as readonly number[])[step] as number;
    }
    return sortedMiddle(values.sort());
  };
  const curve = { middle: [] as number[], low: [] as number[], high: [] as number[] };
  for (let step = 0; step < steps; step++) {
    const found = Float64Array.from(draws, (draw) => at(step, draw)).sort();
    curve.middle.push(at(step, null));
    curve.low.push(quantileOf(found, (1 - level) / 2));
    curve.high.push(quantileOf(found, (1 + level) / 2));
  }
  return curve;
}

/** One player's runs by task; null for a run without a valid score. */
interface Player {
  readonly name: string;
  readonly runs: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Rating {
  readonly name: string;
  /** Null where it has no finite value: somebody, or some group, never lost or never won. */
  readonly rating: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

/** Scores so close are a tie: numpy's isclose with atol 1e-6 and its usual rtol 1e-5. */
const isTie = (first: number, second: number): boolean => Math.abs(first - second) <= 1e-6 + 1e-5 * Math.abs(second);

/** 1 for a win of the first run, 0 for a loss, a half for a tie. Without a score one loses, and both tie. */
export function outcome(first: number | null, second: number | null): number {
  if (first === null || second === null) return first === second ? 0.5 : first === null ? 0 : 1;
  return isTie(first, second) ? 0.5 : first > second ? 1 : 0;
}

/** Points of row player over column player; higher scores win. */
type Battles = readonly (readonly number[])[];

/**
 * Bradley-Terry strengths of largest likelihood, as Elo ratings: 1000 + 400 log10 strength, mean 1000. Hunter 2004's
 * minorisation: each strength becomes wins / sum over opponents of games / (own + opponent's strength). The same optimum
 * as logistic regression without intercept or penalty on battles entered in both orders.
 *
 * Null where it does not exist: a largest likelihood needs every player to have taken points from every other one, at
 * least along a chain.
 */
export function ratings(battles: Battles): number[] | null {
  const count = battles.length;
  const points = (from: number, to: number) => battles[from]?.[to] ?? 0;
  const reached = (beats: (from: number, to: number) => boolean) => {
    const found = new Set([0]);
    for (const from of found) for (let to = 0; to < count; to++) if (beats(from, to)) found.add(to);
    return found.size === count;
  };
  if (!reached((from, to) => points(from, to) > 0) || !reached((from, to) => points(to, from) > 0)) return null;
  let strengths = new Array<number>(count).fill(1);
  for (let round = 0; round < 10_000; round++) {
    const next = strengths.map((own, player) => {
      let wins = 0;
      let weight = 0;
      for (const [opponent, other] of strengths.entries()) {
        if (opponent === player) continue;
        const games = points(player, opponent) + points(opponent, player);
        wins += points(player, opponent);
        weight += games / (own + other);
      }
      return weight > 0 ? wins / weight : own;
    });
    const centre = Math.exp(next.reduce((sum, strength) => sum + Math.log(strength), 0) / count);
    const moved = next.map((strength) => strength / centre);
    const change = Math.max(
      ...moved.map((strength, player) => Math.abs(Math.log(strength / (strengths[player] as number)))),
    );
    strengths = moved;
    if (change < 1e-10) break;
  }
  return strengths.map((strength) => 1000 + 400 * Math.log10(strength));
}

/**
 * Elo ratings of AIRS-Bench: every run of a player against every run of every other player on each task. Intervals are
 * percentiles over `rounds` resamples of the battles, 2.5 % to 97.5 %.
 */
export function elo(players: readonly Player[], { rng, rounds }: { rng: Rng; rounds: number }): Rating[] {
  const counts = players.map((one) =>
    players.map((other) => {
      const results = { win: 0, tie: 0, loss: 0 };
      if (one === other) return results;
      for (const [task, runs] of Object.entries(one.runs)) {
        for (const first of runs) {
          for (const second of other.runs[task] ?? []) {
            const points = outcome(first, second);
            results[points === 1 ? 'win' : points === 0 ? 'loss' : 'tie'] += 1;
          }
        }
      }
      return results;
    }),
  );
  const scores = (row: readonly { win: number; tie: number }[]) => row.map(({ win, tie }) => win + tie / 2);
  const point = ratings(counts.map(scores));
  const resampled = Array.from({ length: rounds }, () => {
    const drawn = counts.map((row) => row.map(() => 0));
    for (const [one, row] of counts.entries()) {
      for (let other = one + 1; other < row.length; other++) {
        const { win, tie, loss } = row[other] as (typeof row)[number];
        const games = win + tie + loss;
        let won = 0;
        for (let game = 0; game < games; game++) {
          const ball = rng.below(games);
          won += ball < win ? 1 : ball < win + tie ? 0.5 : 0;
        }
        (drawn[one] as number[])[other] = won;
        (drawn[other] as number[])[one] = games - won;
      }
    }
    return ratings(drawn);
  }).filter((found) => found !== null);
  return players.map(({ name }, index) => {
    const values = Float64Array.from(resampled, (found) => found[index] as number).sort();
    const known = point !== null && values.length === rounds && rounds > 0;
    return {
      name,
      rating: point?.[index] ?? null,
      low: known ? quantileOf(values, 0.025) : null,
      high: known ? quantileOf(values, 0.975) : null,
    };
  });
}

/**
 * Two models on the same questions: a bootstrap over items and training seeds, paired over both.
 *
 * One model's accuracy on a thousand items has a standard error near 1.4 points; the difference of two models on the same
 * items has less, since both find the same items hard. Trainings differ too, so seeds are redrawn as well.
 */
export interface ItemScores {
  readonly task: string;
  readonly seed: number;
  /** 0 or 1 per item, in the order of the task's items. */
  readonly correct: readonly number[];
}

export interface AccuracyDifference {
  /** Mean over tasks of the accuracies, first minus second. */
  readonly difference: number;
  readonly first: number;
  readonly second: number;
  readonly interval: Interval;
  readonly tasks: readonly { readonly task: string; readonly items: number; readonly difference: number }[];
  readonly seeds: number;
}

/** Per task, per seed, per item: correct of the first minus that of the second. */
interface Table {
  readonly task: string;
  readonly first: readonly (readonly number[])[];
  readonly second: readonly (readonly number[])[];
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, each) => sum + each, 0) / values.length;

/**
 * Difference in mean accuracy over the tasks and seeds that both have, with its percentile interval. Items are redrawn within
 * each task, the same ones for both models and all seeds; seeds are redrawn over all tasks, the same ones for both models.
 * With one seed the interval speaks of these two trainings only.
 *
 * @throws RangeError where the two share no task and seed, or their numbers of items differ.
 */
export function compareItems(
  first: readonly ItemScores[],
  second: readonly ItemScores[],
  { rng, resamples, level }: Resampling,
): AccuracyDifference {
  const at = (all: readonly ItemScores[], task: string, seed: number) =>
    all.find((each) => each.task === task && each.seed === seed)?.correct;
  const tasks = [...new Set(first.map(({ task }) => task))].filter((task) => second.some((each) => each.task === task));
  const seeds = [...new Set(first.map(({ seed }) => seed))]
    .filter((seed) => tasks.every((task) => at(first, task, seed) && at(second, task, seed)))
    .sort((a, b) => a - b);
  if (tasks.length === 0 || seeds.length === 0) throw new RangeError('the two share no task and seed');
  const tables = tasks.map((task): Table => {
    const of = (all: readonly ItemScores[]) => seeds.map((seed) => at(all, task, seed) as readonly number[]);
    const table = { task, first: of(first), second: of(second) };
    const counts = new Set([...table.first, ...table.second].map(({ length }) => length));
    if (counts.size > 1 || counts.has(0)) throw new RangeError(`${task}: both need scores of the same items`);
    return table;
  });
  const gaps = tables.map(({ first: one, second: other }) =>
    one.map((row, seed) =>
      Float64Array.from(row, (value, item) => value - ((other[seed] as number[])[item] as number)),
    ),
  );
  const drawn = Float64Array.from({ length: resamples }, () => {
    const chosen = seeds.map(() => rng.below(seeds.length));
    let total = 0;
    for (const rows of gaps) {
      const items = (rows[0] as Float64Array).length;
      let sum = 0;
      for (let draw = 0; draw < items; draw++) {
        const item = rng.below(items);
        for (const seed of chosen) sum += (rows[seed] as Float64Array)[item] as number;
      }
      total += sum / (items * chosen.length);
    }
    return total / gaps.length;
  }).sort();
  const accuracy = (read: (table: Table) => readonly (readonly number[])[]) =>
    meanOf(tables.map((table) => meanOf(read(table).map(meanOf))));
  return {
    difference: accuracy((table) => table.first) - accuracy((table) => table.second),
    first: accuracy((table) => table.first),
    second: accuracy((table) => table.second),
    interval: { low: quantileOf(drawn, (1 - level) / 2), high: quantileOf(drawn, (1 + level) / 2) },
    tasks: tables.map(({ task, first: one, second: other }) => ({
      task,
      items: (one[0] as readonly number[]).length,
      difference: meanOf(one.map(meanOf)) - meanOf(other.map(meanOf)),
    })),
    seeds: seeds.length,
  };
}
