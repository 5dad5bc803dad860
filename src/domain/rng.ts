import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded source of randomness. Random decisions receive one and never create their own (I5). */
export interface Rng {
  /** A float in [0, 1). */
  float(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
  /** One element. @throws RangeError if `items` is empty. */
  pick<T>(items: readonly T[]): T;
  /** An element with probability proportional to its weight. @throws RangeError if no weight is positive. */
  weighted<T>(items: readonly T[], weights: readonly number[]): T;
}

/**
 * The generator for a path of labels, such as (search seed, agent name, attempt). Streams do not depend on the order of
 * requests: attempt 7 draws the same numbers after a restart.
 */
export function rngFor(...labels: readonly (string | number)[]): Rng {
  const digest = createHash('sha256').update(JSON.stringify(labels)).digest();
  const generator = xoroshiro128plusFromState([0, 4, 8, 12].map((offset) => digest.readInt32LE(offset)));
  const float = () => uniformFloat64(generator);
  const below = (bound: number) => uniformInt(generator, 0, bound - 1);
  return {
    float,
    below,
    pick(items) {
      if (items.length === 0) throw new RangeError('cannot pick from an empty list');
      return items[below(items.length)] as (typeof items)[number];
    },
    weighted(items, weights) {
      const total = weights.reduce((sum, weight) => sum + Math.max(0, weight), 0);
      if (!(total > 0)) throw new RangeError('no weight is positive');
      let rest = float() * total;
      let selected: (typeof items)[number] | undefined;
      for (const [index, item] of items.entries()) {
        const weight = Math.max(0, weights[index] ?? 0);
        if (weight === 0) continue;
        selected = item;
        rest -= weight;
        if (rest < 0) break;
      }
      return selected as (typeof items)[number];
    },
  };
}
