import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseArchitecture } from '../../src/domain/architecture.ts';
import { scale, spread } from '../../src/report/charts/scale.ts';
import { strip } from '../../src/report/charts/strip.ts';

describe('spread', () => {
  it('leaves labels where they are when nothing overlaps', () => {
    expect(spread([10, 60, 35], 14, 0, 100)).toEqual([10, 60, 35]);
  });

  it('keeps gaps, order and limits whenever the labels fit at all', () => {
    const wishes = fc.array(fc.double({ min: -50, max: 350, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(wishes, (list) => {
        const placed = spread(list, 14, 0, 300);
        const inOrder = list
          .map((wish, index) => ({ wish, index }))
          .sort((a, b) => a.wish - b.wish || a.index - b.index);
        const positions = inOrder.map(({ index }) => placed[index] as number);
        for (const [rank, position] of positions.entries()) {
          expect(position).toBeGreaterThanOrEqual(-1e-9);
          expect(position).toBeLessThanOrEqual(300 + 1e-9);
          if (rank > 0) expect(position - (positions[rank - 1] as number)).toBeGreaterThanOrEqual(14 - 1e-9);
        }
      }),
    );
  });
});

describe('scale', () => {
  it('covers all values, marks round ones, and maps the ends to the ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 10 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (close, squeeze) => {
          const values = close.map((value) => 0.5 + (value - 0.5) * squeeze ** 8);
          const x = scale(values, [50, 250], 5);
          expect(x.decimals).toBeLessThan(12);
          expect(x(x.domain[0])).toBeCloseTo(50, 6);
          expect(x(x.domain[1])).toBeCloseTo(250, 6);
          for (const value of values) {
            expect(x(value)).toBeGreaterThanOrEqual(50 - 1e-6);
            expect(x(value)).toBeLessThanOrEqual(250 + 1e-6);
          }
        },
      ),
    );
  });

  it('marks only whole numbers on a scale of counts', () => {
    expect(scale([0, 2], [0, 100], 8, true).ticks).toEqual([0, 1, 2]);
    expect(scale([0, 2], [0, 100], 8, true).decimals).toBe(0);
    expect(scale([0.5, 0.6], [0, 100], 5).ticks.map((tick) => tick.toFixed(2))).toContain('0.52');
  });
});

describe('strip', () => {
  it('letters every layer of a small stack and every run that has room in a deep one', () => {
    expect(strip(parseArchitecture('2mA+1M+1Mb')).text.match(/>(mA|M|Mb)<\/text>/g)).toHaveLength(4);
    const deep = strip(parseArchitecture('30mA+1M+29Mb')).text;
    expect(deep.match(/<rect/g)).toHaveLength(3);
    expect(deep).toContain('>30mA</text>');
    expect(deep).toContain('>29Mb</text>');
  });
});
