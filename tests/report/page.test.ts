/** Reports as plain data: what is drawn has the sizes and the direction of what was measured. */
import { describe, expect, it } from 'vitest';
import { type Page, type ReportData, reportPage } from '../../src/views/index.ts';
import type { Block, Span } from '../../src/views/page.ts';
import { fixture } from './fixture.ts';

const accuracy = fixture();
/** The same search with a loss: fitness is its negative. */
const loss: ReportData = {
  ...accuracy,
  search: { ...accuracy.search, lowerIsBetter: true },
  nodes: accuracy.nodes.map((node) => {
    const below = <Score extends { readonly score: number }>(scores: readonly Score[]) =>
      scores.map((each) => ({ ...each, score: each.score - 2 }));
    const { screen, confirm, final } = node.validation;
    return {
      ...node,
      validation: { screen: below(screen), confirm: below(confirm), final: below(final) },
      test: below(node.test),
    };
  }),
};

type Kind<Name extends Block['block']> = Extract<Block, { block: Name }>;

/** The blocks of one kind in a section, also those inside others. */
function blocksOf<Name extends Block['block']>(page: Page, id: string, name: Name): Kind<Name>[] {
  if (page.kind !== 'sections') throw new Error('a page without sections');
  const inside = (block: Block): Block[] =>
    block.block === 'columns' ? [block, ...block.columns.flat().flatMap(inside)] : [block];
  const all = page.sections.find((section) => section.id === id)?.blocks.flatMap(inside) ?? [];
  return all.filter((block): block is Kind<Name> => block.block === name);
}

const spansOf = <Key extends string>(table: Kind<'table'> | undefined, key: Key) =>
  (table?.rows ?? [])
    .flatMap((row) => (Array.isArray(row) ? row.flat() : []))
    .filter((span): span is Extract<Span, Record<Key, unknown>> => typeof span === 'object' && key in span);

const screenOf = (data: ReportData, agent: string): number[] =>
  data.nodes
    .filter((node) => node.agent === agent)
    .flatMap(({ validation }) => validation.screen.map((each) => each.score));

describe('the data of a report', () => {
  const [upward, downward] = [reportPage(accuracy), reportPage(loss)];

  it('has the differences of a loss below zero where those of an accuracy are above', () => {
    const [up] = blocksOf(upward, 'references', 'forest');
    const [down] = blocksOf(downward, 'references', 'forest');
    expect(up?.effects.length).toBeGreaterThan(0);
    for (const [at, { estimate, low, high, verdict }] of (up?.effects ?? []).entries()) {
      const mirrored = down?.effects[at];
      expect(mirrored?.estimate).toBeCloseTo(-(estimate as number), 9);
      expect(mirrored?.low).toBeCloseTo(-(high as number), 9);
      expect(mirrored?.high).toBeCloseTo(-(low as number), 9);
      expect(mirrored?.verdict).toBe(verdict);
    }
    expect([up?.label, down?.label]).toEqual(['difference, above 0 is better', 'difference, below 0 is better']);
  });

  it('has lines and marks in the metric, each line to the best of its agent', () => {
    for (const [data, page] of [
      [accuracy, upward],
      [loss, downward],
    ] as const) {
      const metric = (fitness: number) => (data.search.lowerIsBetter ? -fitness : fitness);
      const [progress] = blocksOf(page, 'progress', 'chart');
      for (const { name, marks } of progress?.series ?? []) {
        expect(marks.at(-1)?.y, name).toBe(metric(Math.max(...screenOf(data, name))));
      }
      for (const { series } of blocksOf(page, 'rungs', 'chart')) {
        const marks = series.flatMap((each) => each.marks);
        expect(marks.length).toBeGreaterThan(0);
        for (const { x, y } of marks) expect(Math.min(x, y)).toBeGreaterThan(0);
      }
    }
  });

  it('has whiskers around the mean of their seeds, as long as the standard error, on an axis that has them all', () => {
    const [final] = blocksOf(upward, 'leaderboard', 'table');
    const whiskers = spansOf(final, 'whisker').map(({ whisker }) => whisker);
    expect(whiskers).toHaveLength(8);
    const degrees = whiskers.reduce((sum, { seeds }) => sum + seeds.length - 1, 0);
    const squares = whiskers.flatMap(({ seeds, mean }) => seeds.map((seed) => (seed - mean) ** 2));
    const sd = Math.sqrt(squares.reduce((sum, each) => sum + each, 0) / degrees);
    for (const { mean, reach, seeds, axis } of whiskers) {
      expect(mean).toBeCloseTo(seeds.reduce((sum, seed) => sum + seed, 0) / seeds.length, 12);
      expect(reach).toBeCloseTo(sd / Math.sqrt(seeds.length), 12);
      expect(Math.min(...seeds, mean - (reach as number))).toBeGreaterThanOrEqual(axis[0]);
      expect(Math.max(...seeds, mean + (reach as number))).toBeLessThanOrEqual(axis[1]);
    }
  });

  it('has meters of what was used of each limit, and of the time of each phase', () => {
    const [used, phases] = blocksOf(upward, 'budget', 'table');
    const { limit, spent } = accuracy.budget;
    const shares = spansOf(used, 'meter').map(({ meter }) => meter);
    expect(shares[0]).toBe(spent.evaluations / (limit.evaluations as number));
    const total = spansOf(phases, 'meter').reduce((sum, { meter }) => sum + meter, 0);
    expect(total).toBeCloseTo(1, 12);
  });
});
