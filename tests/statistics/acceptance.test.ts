import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { acceptance, floorAbove, freshSeeds, recordBreakers, type Trial } from '../../src/statistics/acceptance.ts';

const seeds = 4;

/** Figures around a level, on so many seeds; what a seed does to all programs alike is in it. */
function trial(id: string, level: number, count = seeds, noise = 0.01, heldOut = level): Trial {
  const figures = (centre: number, split: string) =>
    Array.from({ length: count }, (_, index) => ({
      seed: 2001 + index,
      score:
        centre +
        0.05 * rngFor('seed', split, index).float() +
        noise * (2 * rngFor(id, split, index, level).float() - 1),
    }));
  return { id, validation: figures(level, 'validation'), heldOut: figures(heldOut, 'test') };
}

const again = seeds + freshSeeds;

describe('an improvement', () => {
  it('breaks the record beyond two standard errors of the paired difference, and not within', () => {
    const baseline = trial('baseline', -2);
    expect(recordBreakers([trial('large', -1.9)], baseline, seeds)).toHaveLength(1);
    expect(recordBreakers([trial('tiny', -1.9999)], baseline, seeds)).toHaveLength(0);
    expect(recordBreakers([trial('worse', -2.1)], baseline, seeds)).toHaveLength(0);
  });

  it('is accepted when it shows on fresh seeds and on the held-out split as well', () => {
    const { best, challenges } = acceptance([trial('a', -1.9, again)], trial('baseline', -2, again), seeds);
    expect(best).toBe('a');
    expect(challenges).toMatchObject([{ challenger: 'a', incumbent: 'baseline', outcome: 'accepted', missing: null }]);
  });

  it.each([
    ['within the margin', trial('a', -1.9995, again), /on validation/],
    ['without a fresh seed', trial('a', -1.9, seeds), /not trained again/],
    ['on the validation split alone', trial('a', -1.9, again, 0.01, -2), /held-out/],
    [
      'on the first seeds alone',
      {
        ...trial('a', -1.9, again),
        validation: trial('a', -1.9, again).validation.map((each, index) =>
          index < seeds ? each : { ...each, score: -2.05 },
        ),
      },
      /validation|did not appear again/,
    ],
  ])('%s is not distinguishable', (_, challenger, missing) => {
    const baseline = trial('baseline', -2, again);
    const { best, challenges } = acceptance([challenger], baseline, seeds);
    expect(best).toBe('baseline');
    expect(challenges[0]).toMatchObject({ outcome: 'even' });
    expect(challenges[0]?.missing).toMatch(missing);
  });

  it('is not distinguishable where every seed has the same held-out figure: the noise is unknown then', () => {
    const still = (id: string, level: number): Trial => {
      const made = trial(id, level, again);
      return { ...made, heldOut: made.heldOut.map((each) => ({ ...each, score: level })) };
    };
    const { best, challenges } = acceptance([still('a', -1.9)], still('baseline', -2), seeds);
    expect(best).toBe('baseline');
    expect(challenges[0]?.missing).toBe(
      'on the held-out split all seeds agree exactly, which leaves the noise unknown',
    );
  });

  it('below a floor of its rows is none, on either split, and does not move the mark', () => {
    const floor = (level: number) =>
      [
        { name: 'majority', scores: trial('m', -9, again).validation },
        { name: 'shortcut', scores: trial('s', level, again, 0).validation },
      ] as const;
    const challengers = [trial('a', -1.9, again), trial('b', -1.5, again)];
    const judged = (validation: number, heldOut: number) =>
      acceptance(challengers, trial('baseline', -2, again), seeds, {
        ...{ validation: floor(validation), heldOut: floor(heldOut) },
      });
    expect(judged(-1.7, -3)).toMatchObject({
      best: 'b',
      challenges: [
        { outcome: 'floored', floor: { name: 'shortcut', split: 'validation' }, missing: null },
        { incumbent: 'baseline', outcome: 'accepted', floor: null },
      ],
    });
    expect(judged(-3, -1.4)).toMatchObject({
      best: 'baseline',
      challenges: [
        { outcome: 'floored', floor: { split: 'heldOut' } },
        { outcome: 'floored', floor: { split: 'heldOut' } },
      ],
    });
    expect(judged(-3, -3).best).toBe('b');
  });

  it('at exactly a floor is below it, and a floor of other seeds says nothing', () => {
    const scores = [{ seed: 1, score: 0.5 }];
    expect(floorAbove(scores, [{ name: 'bag', scores }])).toEqual({ name: 'bag', level: 0.5 });
    expect(floorAbove(scores, [{ name: 'bag', scores: [{ seed: 1, score: 0.49 }] }])).toBeNull();
    expect(floorAbove(scores, [{ name: 'bag', scores: [{ seed: 2, score: 0.9 }] }])).toBeNull();
  });

  it('that is behind is told so', () => {
    const { challenges } = acceptance([trial('a', -2.5, again)], trial('baseline', -2, again), seeds);
    expect(challenges[0]).toMatchObject({ outcome: 'behind' });
  });

  it('moves the mark for whoever comes next', () => {
    const challengers = [trial('first', -1.9, again), trial('same', -1.9001, again), trial('best', -1.7, again)];
    const { best, challenges } = acceptance(challengers, trial('baseline', -2, again), seeds);
    expect(challenges.map(({ incumbent, outcome }) => [incumbent, outcome])).toEqual([
      ['baseline', 'accepted'],
      ['first', 'even'],
      ['first', 'accepted'],
    ]);
    expect(best).toBe('best');
  });

  it('of nothing is accepted in fewer than one of twenty searches', () => {
    const trials = 400;
    const accepted = Array.from({ length: trials }, (_, search) => {
      const own = (id: string) => trial(`${id}-${search}`, -2, again);
      return acceptance([own('a'), own('b')], own('baseline'), seeds).best !== `baseline-${search}`;
    }).filter(Boolean).length;
    expect(accepted / trials).toBeLessThan(0.05);
  });

  it('is judged alike whatever the unit and the level of the metric', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.double({ min: -100, max: 100, noNaN: true }),
        (unit, shift) => {
          const scaled = ({ id, validation, heldOut }: Trial): Trial => {
            const of = (scores: Trial['validation']) =>
              scores.map(({ seed, score }) => ({ seed, score: unit * score + shift }));
            return { id, validation: of(validation), heldOut: of(heldOut) };
          };
          const challengers = [trial('a', -1.95, again), trial('b', -1.999, again)];
          const baseline = trial('baseline', -2, again);
          const plain = acceptance(challengers, baseline, seeds);
          const other = acceptance(challengers.map(scaled), scaled(baseline), seeds);
          expect(other.challenges.map(({ outcome }) => outcome)).toEqual(
            plain.challenges.map(({ outcome }) => outcome),
          );
        },
      ),
    );
  });
});
