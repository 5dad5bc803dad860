import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextOf, type RequestedEvaluation } from '../../src/actors/scalePlan.ts';
import { carryToSize } from '../../src/aggregation/extrapolate.ts';
import { parseArchitecture, primitives, runLengthText } from '../../src/domain/architecture.ts';
import { candidateText, parseCandidate, shortCandidate } from '../../src/domain/candidate.ts';
import { type Job, jobSchema } from '../../src/domain/evaluation.ts';
import { referenceNode } from '../../src/domain/ids.ts';
import { parseScaleCandidate, type ScalePoint, scalePointSchema, scaleText } from '../../src/domain/scale.ts';
import type { Described } from '../../src/evaluators/index.ts';
import { modelsOf, type PlannedModel, type PlannedRun, patternsOf, stepsOf } from '../../src/scale/expand.ts';
import { scaleFileJsonSchema, scaleFileSchema, smallestRuns } from '../../src/scale/index.ts';
import { scaleJob, scaleModel } from '../support/scaleJobs.ts';

const plan = {
  architectures: [{ name: 'llama', pattern: 'mA+M', rule: 'stack' }],
  sizes: ['0.1M'],
  budgets: [{ steps: 8 }],
  data: { generated: 100 },
};
const noArchive = () => {
  throw new Error('no search is named');
};

describe('the plan file', () => {
  it('fills what it leaves open', () => {
    expect(scaleFileSchema.parse(plan)).toMatchObject({
      families: ['llama'],
      rules: ['stretch'],
      seeds: { each: 1, middle: 2 },
      training: { sequence: 256, batchTokens: 8192, decay: 0.2 },
      machine: { devices: 1, checkpointSeconds: 600 },
    });
  });

  it.each([
    ['an unknown key', { ...plan, size: ['1M'] }],
    ['an unknown key below', { ...plan, training: { batch: 3 } }],
    ['a pattern that is none', { ...plan, architectures: [{ name: 'a', pattern: 'mA+0X' }] }],
    ['a budget in two units', { ...plan, budgets: [{ steps: 8, flops: 1e9 }] }],
    ['no sizes', { ...plan, sizes: [] }],
    ['a family that is none', { ...plan, families: ['gpt'] }],
    ['data outside the data folder', { ...plan, data: { name: '../secrets' } }],
    ['N3', { ...plan, architectures: [{ search: 'quickstart-1', aggregates: [3] }] }],
  ])('refuses %s', (_, file) => {
    expect(scaleFileSchema.safeParse(file).success).toBe(false);
  });

  it('has the published JSON Schema', () => {
    expect(JSON.parse(readFileSync('schemas/scale.schema.json', 'utf8'))).toEqual(
      JSON.parse(JSON.stringify(scaleFileJsonSchema())),
    );
  });

  it('refuses two architectures of one name', () => {
    const file = scaleFileSchema.parse({ ...plan, architectures: [plan.architectures[0], plan.architectures[0]] });
    expect(() => patternsOf(file, noArchive)).toThrow('two architectures are named "llama"');
  });
});

describe('the models of a plan', () => {
  const layers = { M: 100, mA: 50, Mb: 80 };
  const { shape } = scaleModel;
  const sizes = ['0.1M', '1M'].map((name, at) => {
    return { name, blocks: at + 1, lr: 0.01, shape, layerParameters: { llama: layers, nemotron: layers } };
  });
  const models = (change: object) => {
    const file = scaleFileSchema.parse({ ...plan, sizes: ['0.1M', '1M'], ...change });
    return modelsOf(file, patternsOf(file, noArchive), { sizes } as unknown as Described, 257);
  };

  it('of the smallest size are those with the fewest parameters, whose blocks are not always fewest', () => {
    const runs = models({ families: ['llama', 'nemotron'] }).map((planned) => {
      const nonEmbedding = planned.size.name === '1M' ? 1e5 : 1e6;
      return { planned, price: { nonEmbedding } } as PlannedRun;
    });
    expect(smallestRuns(runs).map(({ planned }) => planned.run)).toEqual(['llama llama 1M', 'llama nemotron 1M']);
  });

  it('have one name in all families, so that each family has its reference', () => {
    const found = models({ families: ['llama', 'nemotron'] });
    expect(found.map(({ run, architecture, family }) => [run, architecture, family])).toEqual([
      ['llama llama 0.1M', 'llama', 'llama'],
      ['llama llama 1M', 'llama', 'llama'],
      ['llama nemotron 0.1M', 'llama', 'nemotron'],
      ['llama nemotron 1M', 'llama', 'nemotron'],
    ]);
  });

  it.each([
    ['a size twice', { sizes: ['1M', '1M'] }, 'the plan has "llama 1M" twice'],
    ['a family twice', { families: ['llama', 'llama'] }, 'the plan has "llama llama 0.1M" twice'],
    [
      'a name that a rule makes of another',
      {
        architectures: [
          { name: 'a', pattern: 'M' },
          { name: 'a-stack', pattern: 'mA', rule: 'stack' },
        ],
        rules: ['stretch', 'stack'],
      },
      'the plan has "a-stack 0.1M" twice',
    ],
    [
      'more than the archive takes',
      {
        architectures: Array.from({ length: 32 }, (_, at) => ({ name: `a${at}`, pattern: 'M' })),
        rules: ['stretch', 'stack', 'nearest-fit'],
        budgets: Array.from({ length: 32 }, (_, at) => ({ steps: 10 + at })),
      },
      'the plan has 6144 budgets of runs; the limit is 2000',
    ],
  ])('refuses %s', (_, change, sentence) => {
    expect(() => models(change)).toThrow(sentence);
  });
});

describe('rules', () => {
  // Widths of Llama 3.2 1B: the depths that Composer prints (arXiv 2510.00379).
  const size = { mA: 10_485_760, M: 50_331_648, Mb: 25_800_000 };
  const llama = parseArchitecture('mA M '.repeat(16));
  it('stretch and stack to the published depths', () => {
    expect(carryToSize(parseArchitecture('2mA+5M+2mA+3M+mA+3M'), llama, size, 'stretch')).toHaveLength(29);
    expect(carryToSize(parseArchitecture('2mA+4M'), llama, size, 'stack')).toHaveLength(27);
  });

  it('nearest fit has no neighbour in depth that is nearer, and keeps the order of the pattern', () => {
    const layers = fc.array(fc.constantFrom(...primitives), { minLength: 1, maxLength: 24 });
    fc.assert(
      fc.property(layers, fc.integer({ min: 1, max: 40 }), (pattern, blocks) => {
        const target = blocks * (size.mA + size.M);
        const reference = parseArchitecture('mA M '.repeat(blocks));
        const found = carryToSize(pattern, reference, size, 'nearest-fit');
        const sampled = (depth: number) =>
          Array.from({ length: depth }, (_, at) => pattern[Math.floor(((at + 0.5) / depth) * pattern.length)]);
        const away = (depth: number) => {
          const sum = sampled(depth).reduce((total, layer) => total + (layer ? size[layer] : 0), 0);
          return Math.abs(Math.log(sum / target));
        };
        expect(found).toEqual(sampled(found.length));
        for (const depth of [found.length - 1, found.length + 1]) {
          if (depth > 0) expect(away(found.length)).toBeLessThanOrEqual(away(depth));
        }
      }),
    );
  });
});

describe('budgets', () => {
  const price = { flopsPerToken: { layers: 900, head: 100 } } as never;
  const planned = { run: 'llama 0.1M' } as PlannedModel;
  const file = (budgets: object[]) => scaleFileSchema.parse({ ...plan, budgets, training: { batchTokens: 256 } });
  it('are steps, in ascending order, whatever their unit', () => {
    const found = stepsOf(file([{ tokens: 25_600 }, { flops: 2.56e6 }, { steps: 50 }]), planned, price);
    expect(found.map(({ steps }) => steps)).toEqual([10, 50, 100]);
  });
  it('must differ in steps, and be enough for a schedule', () => {
    expect(() => stepsOf(file([{ steps: 10 }, { flops: 2.57e6 }]), planned, price)).toThrow('two budgets are 10 steps');
    expect(() => stepsOf(file([{ steps: 4 }]), planned, price)).toThrow('are 4 steps of llama 0.1M');
  });
});

describe('the key of a run (I2, I10)', () => {
  const digest = 'e'.repeat(64);
  const key = (...args: Parameters<typeof scaleJob> extends [string, ...infer Rest] ? Rest : never) =>
    scaleJob(digest, ...args).key;
  it.each<[string, Job['key']]>([
    ['the data', scaleJob('f'.repeat(64)).key],
    ['the imported files', key({ content: { directory: 'd'.repeat(64), data: { text: 'b'.repeat(64) } } })],
    ['the trainer', key({ evaluator: 'scale-000000000000' })],
    ['the device class', key({ deviceClass: 'cuda' })],
    ['the seed', key({ seed: 2 })],
    ['the budget', key({}, { recipe: { steps: 9 } })],
    ['the schedule', key({}, { recipe: { decay: 0.3 } })],
    ['the micro-batch', key({}, { recipe: { micro_batch: 2 } })],
    ['the pattern', key({}, { model: { pattern: 'mA+M' } })],
    ['the family', key({}, { model: { family: 'nemotron' } })],
  ])('changes with %s', (_, other) => {
    expect(other).not.toBe(key());
  });

  it('does not change with what its worker needs', () => {
    const { resources, ...rest } = scaleJob(digest);
    const larger = jobSchema.parse({ ...rest, resources: { ...resources, devices: 8, memoryBytes: 1e12 } });
    expect(larger.key).toBe(key());
  });
});

describe('a candidate', () => {
  const { candidate } = scaleJob('e'.repeat(64));
  it('is read back from its text', () => {
    const text = candidateText(candidate);
    expect(parseCandidate(text, { kind: 'scale' })).toEqual(candidate);
    expect(scaleText(parseScaleCandidate(text))).toBe(text);
    expect(shortCandidate(text)).toMatch(/^llama 4 layers of 32, 8 steps #[0-9a-f]{8}$/);
  });
  it.each(['', '{', '{"model":{}}', 'mA M', '{"model":{"family":"llama"},"recipe":{}}', '[[[[[[]]]]]]'])(
    'refuses %j',
    (text) => {
      expect(() => parseCandidate(text, { kind: 'scale' })).toThrow(/a run at scale/);
    },
  );
  it('has its pattern in one form', () => {
    const text = candidateText(candidate).replace('mA+M+Mb+M', 'mA M Mb M');
    expect(() => parseCandidate(text, { kind: 'scale' })).toThrow('is not in the form mA+M+Mb+M');
    expect(runLengthText(parseArchitecture('mA M Mb M'))).toBe('mA+M+Mb+M');
  });
});

describe('the order of a plan (PLN-1, PLN-3)', () => {
  const point = (number: number, run: string, seeds = 1): ScalePoint =>
    scalePointSchema.parse({
      reference: `p${number}`,
      run,
      architecture: 'a',
      pattern: 'M',
      rule: 'stack',
      family: 'llama',
      size: '1M',
      nonEmbedding: 1,
      embedding: 1,
      budget: 'x',
      budgetFlops: 1,
      trainedFlops: 1,
      tokens: 1,
      cacheBytesPerToken: 0,
      seeds,
      resources: { devices: 1, parallel: 'none', memoryBytes: 1, seconds: 1, checkpointSeconds: 1, peakFlops: 0 },
    });
  const points = [point(1, 'one', 2), point(2, 'one', 2), point(3, 'two'), point(4, 'two')];
  const seen = (at: number, status: RequestedEvaluation['status'], seed = 1) =>
    ({ node: referenceNode((points[at - 1] as ScalePoint).reference), seed, status }) as RequestedEvaluation;
  const next = (...evaluations: RequestedEvaluation[]) => {
    const { points: found, done } = nextOf(points, evaluations);
    return [...found.map(({ reference }) => reference as string), ...(done ? ['done'] : [])];
  };
  it('requests the first budget of each run', () => expect(next()).toEqual(['p1', 'p3']));
  it('waits for all seeds of a budget', () => {
    expect(next(seen(1, 'ok'), seen(1, 'pending', 2), seen(3, 'pending'))).toEqual([]);
    expect(next(seen(1, 'ok'), seen(1, 'ok', 2), seen(3, 'ok'))).toEqual(['p2', 'p4']);
  });
  it('gives a run up after a budget without a loss, and finishes', () => {
    expect(next(seen(1, 'ok'), seen(1, 'failed', 2), seen(3, 'ok'), seen(4, 'pending'))).toEqual([]);
    expect(next(seen(1, 'ok'), seen(1, 'failed', 2), seen(3, 'ok'), seen(4, 'ok'))).toEqual(['done']);
  });
});
