import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, contentHash, type Json } from '../../src/domain/json.ts';
import { rngFor } from '../../src/domain/rng.ts';

describe('a seeded generator', () => {
  it('repeats itself for the same labels and for no others', () => {
    const draw = (...labels: (string | number)[]) => {
      const rng = rngFor(...labels);
      return Array.from({ length: 8 }, () => rng.below(1_000_000));
    };
    expect(draw(1, 'walker', 3)).toEqual(draw(1, 'walker', 3));
    expect(draw(1, 'walker', 3)).not.toEqual(draw(1, 'walker', 4));
    expect(draw(1, 'walker', 3)).not.toEqual(draw('1', 'walker', 3));
  });

  it('draws every element about as often as its weight says', () => {
    const rng = rngFor('weights');
    const counts = [0, 0, 0];
    for (let draw = 0; draw < 10_000; draw++) {
      const index = rng.weighted([0, 1, 2], [1, 0, 3]);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(counts[1]).toBe(0);
    // Binomial with p = 1/4: five standard deviations are 217.
    expect(Math.abs((counts[0] ?? 0) - 2500)).toBeLessThan(217);
  });

  it('refuses to choose from nothing', () => {
    const rng = rngFor('nothing');
    expect(() => rng.pick([])).toThrow(RangeError);
    expect(() => rng.weighted(['a'], [0])).toThrow(RangeError);
  });
});

describe('canonical JSON', () => {
  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (record) => {
        const reversed = Object.fromEntries(Object.entries(record).reverse());
        expect(contentHash(reversed as Json)).toBe(contentHash(record as Json));
        expect(JSON.parse(canonicalJson(record as Json))).toEqual(JSON.parse(JSON.stringify(record)));
      }),
    );
  });

  it('refuses what JSON would silently change', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => canonicalJson({ value })).toThrow(TypeError);
  });
});
