import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** A seeded source of choices. Everything that decides by chance receives one; nothing makes its own (I5). */
export interface Rng {
  /** A float in [0, 1). */
  float(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
  /** One element. @throws RangeError when `items` is empty. */
  pick<T>(items: readonly T[]): T;
  /** An element with probability proportional to its weight. @throws RangeError when no weight is positive. */
  weighted<T>(items: readonly T[], weights: readonly number[]): T;
}

/**
 * The generator that belongs to a path of labels, such as (search seed, agent name, decision number). Labels make streams
 * independent of the order in which they are asked for: decision 7 draws the same numbers after a restart as before it.
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
      if (items.length === 0) throw new RangeError('cannot pick from nothing');
      return items[below(items.length)] as (typeof items)[number];
    },
    weighted(items, weights) {
      const total = weights.reduce((sum, weight) => sum + Math.max(0, weight), 0);
      if (!(total > 0)) throw new RangeError('no weight is positive');
      let rest = float() * total;
      let chosen: (typeof items)[number] | undefined;
      for (const [index, item] of items.entries()) {
        const weight = Math.max(0, weights[index] ?? 0);
        if (weight === 0) continue;
        chosen = item;
        rest -= weight;
        if (rest < 0) break;
      }
      return chosen as (typeof items)[number];
    },
  };
}
