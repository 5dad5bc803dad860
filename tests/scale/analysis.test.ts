import { describe, expect, it } from 'vitest';
import { rngFor } from '../../src/domain/rng.ts';
import { analyseScale } from '../../src/scale/index.ts';
import { observationsOf } from '../support/observations.ts';

const micro = { found: { gain: 0.06, cache: 64 }, llama: { gain: 0, cache: 256 }, hybrid: { gain: -0.05, cache: 0 } };
const question = (architectures: typeof micro | Record<string, { gain: number; cache: number }>, more = {}) => ({
  observations: observationsOf({ architectures, ...more }),
  reference: 'llama',
});

describe('does it hold?', () => {
  const analysis = analyseScale(question(micro));

  it('is answered in the first sentence, with interval and cost', () => {
    expect(analysis.verdict).toBe('holds');
    expect(analysis.answer).toMatch(
      /^It holds: at equal compute the loss of found is 0\.\d{4} nats below that of llama \(95 % interval 0\.\d{4} to 0\.\d{4}\), worth 1\.\d\d times the compute \(1\.\d\d to 1\.\d\d\), over 3 budgets of 1e13 to 1e14 FLOPs, for 18 runs, 1\.8e15 FLOPs and 2\.5 h of training\.$/,
    );
    expect(analysis.further).toHaveLength(1);
    expect(analysis.further[0]).toMatch(
      /^It does not hold: at equal compute the loss of hybrid is 0\.\d{4} nats above that of llama \(95 % interval 0\.\d{4} to/,
    );
    expect(analysis.comparisons.map(({ name }) => name)).toEqual(['found', 'hybrid']);
  });

  it('counts each run once, whatever number of budgets it serves', () => {
    // Six runs per architecture: five sizes, and a second seed of the middle one; 1e14 is the longest branch.
    expect(analysis.cost).toMatchObject({ runs: 18, outcomes: 54 });
    expect(analysis.cost.seconds).toBeCloseTo((18 * 1e14) / 2e11, 6);
    expect(analysis.cost.flops).toBeCloseTo(18 * 1e14 * 0.998, -9);
  });

  it('agrees with the law and with trainings of equal size, and fits both conventions of N', () => {
    const [found] = analysis.comparisons;
    const gap = found?.gap?.value as number;
    expect(Math.abs((found?.lawGap as number) / gap - 1)).toBeLessThan(0.1);
    expect(found?.matched).toMatchObject({ kind: 'measured', verdict: 'better', n: 6 });
    for (const { fit, total } of analysis.architectures) {
      expect(fit.sizeExponent?.value).toBeGreaterThan(total.sizeExponent?.value as number);
      expect(fit.sizeExponent?.interval?.low).toBeLessThan(fit.sizeExponent?.value as number);
    }
    expect(analysis.resampling).toEqual({ of: 'residuals', degrees: 9, resamples: 1000 });
  });

  it('is the same twice', () => {
    expect(analyseScale(question(micro)).comparisons[0]?.gap).toEqual(analysis.comparisons[0]?.gap);
  });

  it('is not established between equals, and says what is missing where no minimum is inside the grid', () => {
    const equal = analyseScale(
      question({ found: { gain: 0, cache: 1 }, llama: { gain: 0, cache: 1 } }, { noise: 0.02 }),
    );
    expect(equal.verdict).toBe('not established');
    expect(equal.answer).toMatch(/^Not established: .* \(95 % interval −0\.\d{4} to 0\.\d{4}\)/);
    const observations = question(micro).observations.filter(({ size }) => size !== '0.1M' && size !== '0.3M');
    const low = observations.filter(({ budgetFlops }) => budgetFlops === 1e13);
    const unanswered = analyseScale({ observations: low, reference: 'llama' });
    expect(unanswered.verdict).toBe('not answered');
    expect(unanswered.answer).toMatch(
      /^Not answered at the best size of each: found and llama have no budget at which both have a minimum; at equal size, budget and seed the loss of found is 0\.\d{4} nats below that of llama \(95 % interval .*\) over 4 runs, for 12 runs/,
    );
    expect(unanswered.cautions[0]).toContain(
      'No minimum is printed for 3 of 3 isoFLOP curves. found at 1e13 FLOPs: the minimum is below the smallest size;',
    );
  });

  it('compares within a family, and names it where there are two', () => {
    const observations = ['llama', 'nemotron'].flatMap((family) => observationsOf({ architectures: micro, family }));
    const both = analyseScale({ observations, reference: 'llama' });
    expect(both.comparisons.map(({ name, reference }) => [name, reference])).toEqual([
      ['found (llama)', 'llama (llama)'],
      ['found (nemotron)', 'llama (nemotron)'],
      ['hybrid (llama)', 'llama (llama)'],
      ['hybrid (nemotron)', 'llama (nemotron)'],
    ]);
  });

  it('needs the reference, and answers nothing about it alone', () => {
    expect(() => analyseScale({ observations: [], reference: 'llama' })).toThrow('no training of the reference llama');
    const alone = analyseScale(question({ llama: { gain: 0, cache: 1 } }));
    expect(alone).toMatchObject({ verdict: 'not answered', comparisons: [], further: [] });
    expect(alone.answer).toContain('only llama has outcomes, after 6 runs');
  });

  it('warns of trainings that miss their budget, and of parabolas through all their points', () => {
    const { observations } = question(micro);
    const off = analyseScale({
      observations: observations.map((each, at) => (at < 3 ? { ...each, trainedFlops: each.budgetFlops * 0.8 } : each)),
      reference: 'llama',
    });
    expect(off.cautions.join(' ')).toContain('3 trainings differ from their budget by more than 5 %');
    const thin = analyseScale({
      observations: observations.filter(({ seed, size }) => seed === 1 && size !== '0.1M' && size !== '2M'),
      reference: 'llama',
    });
    expect(thin.cautions.join(' ')).toMatch(/9 of 9 parabolas run through all their points.*Nothing has an interval/);
    expect(thin.answer).toMatch(/^Not established, since no interval can be computed: /);
  });
});

describe('the audit of a plan', () => {
  const six = Object.fromEntries([...'abcdef'].map((name, at) => [name, { gain: 0.03 * at, cache: at }]));
  const observations = observationsOf({
    architectures: { llama: { gain: 0, cache: 1 }, ...six },
    seeds: 2,
    noise: 0.01,
  });

  it('ranks every size and every cheaper rung against the largest size, best first as lower loss', () => {
    const scores = new Map(
      Object.keys(six).map((name, at) => [
        name,
        [1, 2].map((seed) => ({ seed, score: at + rngFor(name, seed).float() })),
      ]),
    );
    const { audits } = analyseScale({ observations, reference: 'llama', proxies: [{ name: 'nano', scores }] });
    expect(audits.map(({ rung, target, n }) => [rung, target, n])).toEqual([
      ['nano', '2M', 6],
      ['0.1M', '2M', 7],
      ['0.3M', '2M', 7],
      ['0.6M', '2M', 7],
      ['1M', '2M', 7],
    ]);
    expect(audits[0]?.spearman?.value).toBeGreaterThan(0.9);
    for (const { spearman } of audits) expect(spearman?.ceiling).toBeLessThanOrEqual(1);
  });
});
