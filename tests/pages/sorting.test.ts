/** What the columns of finished pages are sorted by. */
import { describe, expect, it } from 'vitest';
import { compareKeys, sortKey } from '../../pages/src/state/sorting.ts';

const sorted = (cells: readonly string[], sign = 1): string[] =>
  cells.toSorted((a, b) => compareKeys(sortKey(a), sortKey(b), sign));

describe('a column is sorted', () => {
  it.each([
    ['scores with their errors', ['\u22120.0100', '0.0020 ± 0.9', '0.9035 ± 0.0069']],
    ['signed differences', ['\u22120.0059 … +0.0130', '+0.0004', '+0.2200']],
    ['durations of different units', ['800 ms', '5.2 s', '96 s', '4.3 min', '10 min 2 s', '1 h 40 min', '2 d 4 h']],
    ['counts and sizes', ['64 B', '1,010', '1.02 kB', '12.3 M', '2.80 G']],
    ['FLOPs', ['3e12', '1e13', '1.2e15']],
    ['p-values', ['< 0.0001', '0.012', '1.0']],
    ['money', ['$0.0004', '$0.12', '$3.00']],
    ['shares', ['0 of 4', '2 of 3', '10 of 40 (25 %)']],
    ['what every object has is no unit', ['1 toString', '2 constructor', '3 MB']],
    ['names', ['Bayes', 'climber', 'random']],
  ])('by amounts or words: %s', (_, cells) => {
    expect(sorted(cells.toReversed())).toEqual(cells);
    expect(sorted(cells, -1)).toEqual(cells.toReversed());
  });

  it('with numbers before words, and what is missing last in either direction', () => {
    expect(sorted(['–', 'none', '0.5', '', '0.1'])).toEqual(['0.1', '0.5', 'none', '–', '']);
    expect(sorted(['–', '0.1', '0.5'], -1)).toEqual(['0.5', '0.1', '–']);
  });
});
