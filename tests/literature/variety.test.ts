import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { literatureSources } from '../../src/domain/literature.ts';
import { diversify } from '../../src/literature/library.ts';

const work = (source: (typeof literatureSources)[number], relevance: number, text: string) => ({
  source,
  relevance,
  text,
});

describe('varied', () => {
  it('prefers a new subject to a repetition that is a little more relevant', () => {
    const first = work('arxiv', 1, 'gated linear attention with delta rule');
    const repeated = work('arxiv', 0.9, 'gated linear attention with delta rule revisited');
    const other = work('arxiv', 0.8, 'normalisation of residual branches');
    expect(diversify([first, repeated, other], 2)).toEqual([first, other]);
  });

  it('lets no source fill all places while others have something', () => {
    const flood = Array.from({ length: 20 }, (_, nth) => work('arxiv', 1 - nth / 100, `subject ${nth} of the flood`));
    const others = [work('corpus', 0.1, 'a note on ratios'), work('openalex', 0.1, 'a work on positions')];
    const chosen = diversify([...flood, ...others], 5);
    expect(chosen.filter(({ source }) => source === 'arxiv')).toHaveLength(3);
    expect(chosen).toEqual(expect.arrayContaining(others));
  });

  it('fills the places from one source when there is no other', () => {
    expect(
      diversify(
        Array.from({ length: 9 }, (_, nth) => work('arxiv', 1, `subject ${nth}`)),
        5,
      ),
    ).toHaveLength(5);
  });

  it('gives as many as there are, each once, the most relevant first', () => {
    const anyWork = fc.record({
      source: fc.constantFrom(...literatureSources),
      relevance: fc.double({ min: 0, max: 1, noNaN: true }),
      text: fc.lorem({ maxCount: 8 }),
    });
    fc.assert(
      fc.property(fc.array(anyWork, { maxLength: 30 }), fc.integer({ min: 1, max: 12 }), (works, limit) => {
        const chosen = diversify(works, limit);
        expect(chosen).toHaveLength(Math.min(limit, works.length));
        expect(new Set(chosen).size).toBe(chosen.length);
        if (works.length > 0) expect(chosen[0]?.relevance).toBe(Math.max(...works.map(({ relevance }) => relevance)));
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
