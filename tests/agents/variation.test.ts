import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidatePool } from '../../src/agents/models/bayes.ts';
import {
  describeChange,
  describeDraft,
  moveBlock,
  mutate,
  randomArchitecture,
  randomUnseen,
  recombine,
  resizeRuns,
  substitute,
  swapLayers,
} from '../../src/agents/models/mutate.ts';
import {
  canonicalText,
  changedLayers,
  composition,
  parseArchitecture,
  parseInSpace,
  primitives,
  type StackSpace,
} from '../../src/domain/architecture.ts';
import { rngFor } from '../../src/domain/rng.ts';
import { space16, viewNode } from './support.ts';

const anySpace: fc.Arbitrary<StackSpace> = fc.record({
  kind: fc.constant('stack' as const),
  layers: fc.integer({ min: 1, max: 24 }),
  primitives: fc.subarray([...primitives], { minLength: 1 }),
});

/** Every architecture of a space, as canonical texts. */
function wholeSpace({ layers, primitives: pool }: StackSpace): string[] {
  let texts = [''];
  for (let layer = 0; layer < layers; layer++)
    texts = texts.flatMap((text) => pool.map((each) => `${text} ${each}`.trim()));
  return texts;
}

describe('variations', () => {
  it('keep the depth and stay in the space', () => {
    fc.assert(
      fc.property(anySpace, fc.nat(), fc.integer({ min: 1, max: 8 }), (space, seed, strength) => {
        const rng = rngFor(seed);
        const first = randomArchitecture(space, rng);
        const second = randomArchitecture(space, rng);
        const results = [
          mutate(first, space, rng, strength),
          substitute(first, space, rng, strength),
          swapLayers(first, rng),
          moveBlock(first, rng),
          resizeRuns(first, rng),
          recombine(first, second, rng).architecture,
        ];
        for (const result of results) expect(parseInSpace(canonicalText(result), space)).toEqual(result);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('do what their names say', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 5 }), (seed, count) => {
        const rng = rngFor(seed);
        const first = randomArchitecture(space16, rng);
        const second = randomArchitecture(space16, rng);
        expect(changedLayers(first, substitute(first, space16, rng, count))).toHaveLength(count);
        expect([0, 2]).toContain(changedLayers(first, swapLayers(first, rng)).length);
        expect(composition(swapLayers(first, rng))).toEqual(composition(first));
        expect(composition(moveBlock(first, rng))).toEqual(composition(first));
        const { architecture } = recombine(first, second, rng);
        for (const [layer, primitive] of architecture.entries())
          expect([first[layer], second[layer]]).toContain(primitive);
      }),
      { numRuns: 300, seed: 2 },
    );
  });

  it('reach all neighbours: point mutations alone find each of the 32 in turn', () => {
    const origin = parseInSpace('16M', space16);
    const found = new Set<string>();
    const rng = rngFor('neighbours');
    for (let step = 0; step < 2000; step++) {
      const result = mutate(origin, space16, rng, 1);
      if (changedLayers(origin, result).length === 1) found.add(canonicalText(result));
    }
    expect(found.size).toBe(32);
  });
});

describe('novelty', () => {
  it('finds the unseen candidate however few are left, and returns one of the space when none is', () => {
    const space: StackSpace = { kind: 'stack', layers: 5, primitives: ['M', 'mA', 'Mb'] };
    const all = wholeSpace(space);
    fc.assert(
      fc.property(fc.nat(), fc.subarray(all, { minLength: 0, maxLength: 4 }), (seed, left) => {
        const seen = new Set(all.filter((text) => !left.includes(text)));
        const found = canonicalText(randomUnseen(space, seen, rngFor(seed)));
        expect(left.length > 0 ? left : all).toContain(found);
      }),
      { numRuns: 200, seed: 3 },
    );
  });

  it('draws every primitive of every layer equally often while nothing is seen', () => {
    const rng = rngFor('uniform');
    const counts = Array.from({ length: 16 }, (): Record<string, number> => ({ M: 0, mA: 0, Mb: 0 }));
    for (let draw = 0; draw < 3000; draw++) {
      for (const [layer, primitive] of randomUnseen(space16, new Set(), rng).entries()) {
        const count = counts[layer] as Record<string, number>;
        count[primitive] = (count[primitive] ?? 0) + 1;
      }
    }
    // Binomial(3000, 1/3): mean 1000, four standard deviations are 103.
    for (const count of counts.flatMap((each) => Object.values(each))) expect(Math.abs(count - 1000)).toBeLessThan(104);
  });
});

describe('the pool of the surrogate', () => {
  const sources = [1, 2].map((ordinal) =>
    viewNode(ordinal, { fitness: 0.5, candidate: canonicalText(randomArchitecture(space16, rngFor(ordinal))) }),
  );
  const seen = new Set(sources.map((node) => node.candidate));

  it('holds 400 different unseen candidates of the space and says where each came from', () => {
    const pool = candidatePool({ sources, pair: sources, near: false }, space16, seen, rngFor('pool'));
    const texts = pool.map(({ architecture }) => canonicalText(architecture));
    expect(new Set(texts).size).toBe(400);
    for (const text of texts) {
      expect(seen.has(text)).toBe(false);
      parseInSpace(text, space16);
    }
    const origins = new Set(pool.map(({ origin }) => origin));
    expect(origins).toContain('chosen at random');
    expect(origins).toContain('a mutation of walker-2');
    expect(origins).toContain('a two-point crossover of walker-1 and walker-2');
  });

  it('stays near the candidate under repair', () => {
    const pool = candidatePool({ sources: sources.slice(0, 1), pair: [], near: true }, space16, seen, rngFor('near'));
    expect(pool.length).toBeGreaterThan(100);
    expect(new Set(pool.map(({ origin }) => origin))).toEqual(new Set(['a mutation of walker-1']));
  });

  it('ends with what there is in a small space', () => {
    const space: StackSpace = { kind: 'stack', layers: 3, primitives: ['M', 'mA'] };
    const all = wholeSpace(space);
    const nothing = { sources: [], pair: [], near: false };
    const left = candidatePool(nothing, space, new Set(all.slice(2)), rngFor('small'));
    expect(left.map(({ architecture }) => canonicalText(architecture)).sort()).toEqual(all.slice(0, 2).sort());
    expect(candidatePool(nothing, space, new Set(all), rngFor('none'))).toEqual([]);
  });
});

describe('descriptions', () => {
  it('name the layers from 0', () => {
    const change = describeChange(parseArchitecture('M M mA Mb'), parseArchitecture('M mA mA M'));
    expect(change).toBe('layer 1: M -> mA; layer 3: Mb -> M');
    expect(describeChange(parseArchitecture('M mA'), parseArchitecture('M mA'))).toBe('no layer changed');
  });

  it('stay short at any depth', () => {
    const deep = parseArchitecture('512M');
    const other = parseArchitecture(Array.from({ length: 256 }, () => 'mA Mb').join(' '));
    expect(describeChange(deep, other)).toMatch(/; and 480 more layers$/);
    expect(describeChange(deep, other).length).toBeLessThan(1000);
    expect(describeDraft(other).length).toBeLessThan(600);
  });
});
