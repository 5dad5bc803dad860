import { describe, expect, it } from 'vitest';
import { sentenceOf } from '../../src/studies/analysis.ts';
import { studySchema } from '../../src/studies/index.ts';

const agents = [{ name: 'searcher', model: 'local/mutate', scaffold: 'greedy' }];
const study = studySchema.parse({
  ...{ question: 'Does it help?', tasks: [{ table: 'somewhere' }], seeds: 100, budget: { evaluations: 24 }, agents },
  arms: [{ name: 'plain' }, { name: 'reading', set: { literature: true } }],
});
const found = {
  ...{ unit: 'paired seed' as const, units: 100, candidates: [9, 12] as const },
  ...{ arms: ['reading', 'plain'] as const, pairs: 100, effect: 0.0029, interval: { low: -0.0000074, high: 0.0057 } },
  ...{ p: 0.16, adjusted: 0.16, verdict: 'not distinguishable' as const, standardised: 0.25, ahead: 0.56 },
  ...{ moreSeeds: 1215, detectable: 0.00512 },
};

describe('the sentence of a comparison', () => {
  it('gives all its figures to as many places as the interval is worth, and zero no sign', () => {
    expect(sentenceOf(found, study, 6)).toBe(
      'reading and plain are not distinguishable at this budget: the difference is 0.0029 [0.0000, 0.0057] over 100 paired runs of 24 evaluations (p = 0.16 after correction for 6 comparisons); detecting a difference this large would need about 1,215 more seeds; minimum detectable effect at 80 % power: 0.0051.',
    );
  });

  it('names the training seeds where they are the unit of inference, and asks for more of them', () => {
    const crossed = { ...found, unit: 'training seed' as const, units: 12, moreSeeds: 1 };
    const sentence = sentenceOf(crossed, study, 1);
    expect(sentence).toContain('over 100 paired runs of 24 evaluations on 12 training seeds (p = 0.16)');
    expect(sentence).toContain('about 1 more training seed;');
    expect(sentenceOf({ ...crossed, moreSeeds: 30 }, study, 1)).toContain('about 30 more training seeds;');
  });

  it('turns the interval round with the sign of what is worse', () => {
    const worse = {
      ...found,
      effect: -0.31,
      interval: { low: -0.4, high: -0.22 },
      verdict: 'worse' as const,
      ahead: 0.1,
    };
    expect(sentenceOf({ ...worse, adjusted: 0.00001 }, study, 1)).toBe(
      'reading is worse than plain: 0.310 [0.220, 0.400] lower over 100 paired runs of 24 evaluations, behind in 90 % of the pairs (p < 0.0001).',
    );
  });

  it('says when no number of seeds will do', () => {
    const nothing = { ...found, effect: 0, interval: { low: 0, high: 0 }, moreSeeds: null, detectable: null };
    expect(sentenceOf(nothing, study, 1)).toContain('the difference is 0.000 [0.000, 0.000]');
    expect(sentenceOf(nothing, study, 1)).toContain('no difference was observed');
    expect(sentenceOf({ ...found, moreSeeds: 10_001 }, study, 1)).toContain('more than 10,000 more seeds');
  });
});
