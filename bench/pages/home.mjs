// A study, a scale run and workers, the same for every search: the contract of `src/views/apiHome.ts`.
import { round } from './texts.mjs';
import { day, started, version } from './world.mjs';

export const studies = () => ({
  version,
  studies: [
    {
      id: 'memory',
      question: 'Does a shared memory help?',
      arms: ['own', 'ensemble'],
      runs: 16,
      sentences: ['ensemble is better than own by 0.021 [0.006, 0.036] on eight paired seeds.'],
      writtenAt: started + day,
      problem: null,
    },
  ],
});

export const study = () => ({
  version,
  id: 'memory',
  question: 'Does a shared memory help?',
  seeds: 8,
  budgetEvaluations: 60,
  runs: 24,
  evaluations: 1410,
  alpha: 0.05,
  power: 0.8,
  writtenAt: started + day,
  tasks: [{ label: 'compose-mad nano', kind: 'trained', metric: 'accuracy', best: 0.72 }],
  unit: 'worth',
  inference: { unit: 'paired seed', units: 8, sentence: 'Unit of inference: the paired seed, 8 in all.' },
  arms: ['own', 'ensemble', 'random'].map((name, at) => ({
    name,
    runs: 8,
    candidates: 480,
    middle: 0.7 + 0.02 * (at === 2 ? -1 : at),
    interval: { low: 0.688 + 0.02 * (at === 2 ? -1 : at), high: 0.711 + 0.02 * (at === 2 ? -1 : at) },
    mean: 0.701,
    validRate: 0.94,
    normalised: null,
    elo: { rating: 1000 + 40 * (at === 2 ? -1 : at), low: 960, high: 1060 },
    rejected: 12,
    duplicate: 9,
    failed: 3,
  })),
  comparisons: [
    {
      arms: ['ensemble', 'own'],
      pairs: 8,
      effect: 0.021,
      interval: { low: 0.006, high: 0.036 },
      p: 0.016,
      adjusted: 0.031,
      verdict: 'better',
      standardised: 0.9,
      ahead: 0.875,
      detectable: 0.017,
      moreSeeds: 3,
      sentence: 'ensemble is better than own by 0.021 [0.006, 0.036] on eight paired seeds.',
    },
    {
      arms: ['own', 'random'],
      pairs: 8,
      effect: 0.012,
      interval: { low: -0.004, high: 0.027 },
      p: 0.148,
      adjusted: 0.148,
      verdict: 'not distinguishable',
      standardised: 0.5,
      ahead: 0.625,
      detectable: 0.018,
      moreSeeds: 31,
      sentence: 'own and random are not distinguishable: 0.012 [-0.004, 0.027].',
    },
  ],
  spending: [],
  cautions: ['Eight seeds detect differences of 0.017 and more.'],
  curves: [
    {
      task: 'compose-mad nano',
      shows: 'score',
      arms: ['own', 'ensemble', 'random'].map((name, at) => {
        const middle = Array.from({ length: 60 }, (_, step) =>
          round(0.45 + (0.25 + 0.02 * (at === 2 ? -1 : at)) * (1 - Math.exp(-step / 14))),
        );
        return {
          name,
          middle,
          low: middle.map((each) => round(each - 0.012)),
          high: middle.map((each) => round(each + 0.012)),
        };
      }),
    },
  ],
});

export const scale = () => {
  const budgets = [1e15, 1e16, 1e17];
  const architecture = (/** @type {string} */ label, /** @type {string} */ pattern, /** @type {number} */ better) => ({
    label,
    pattern,
    family: 'hybrid',
    curves: budgets.map((budgetFlops, at) => {
      const best = 6.2 + 0.5 * at;
      const loss = (/** @type {number} */ size) =>
        round(3.1 - 0.35 * at - better + 0.25 * (Math.log10(size) - best) ** 2);
      const sizes = [-0.6, -0.3, 0, 0.3, 0.6].map((step) => Math.round(10 ** (best + step)));
      return {
        budgetFlops,
        flops: budgetFlops,
        points: sizes.map((parameters) => ({
          parameters,
          tokens: Math.round(budgetFlops / (6 * parameters)),
          seed: 1,
          loss: loss(parameters),
        })),
        parabola: Array.from({ length: 21 }, (_, step) => 10 ** (best - 0.7 + 0.07 * step)).map((parameters) => ({
          parameters,
          loss: loss(parameters),
        })),
        minimum: { parameters: 10 ** best, tokens: budgetFlops / (6 * 10 ** best), loss: loss(10 ** best) },
        refused: null,
      };
    }),
    frontier: [
      { flops: 1e15, loss: 3.1 - better },
      { flops: 1e17, loss: 2.4 - better },
    ],
    slope: { value: -0.35, interval: { low: -0.38, high: -0.32 } },
    sizeExponent: { value: 0.5, interval: { low: 0.44, high: 0.56 } },
    tokenExponent: { value: 0.5, interval: null },
    totalSizeExponent: { value: 0.47, interval: null },
    law: { E: 1.7, A: 406, B: 410, alpha: 0.34, beta: 0.28, residual: 0.01, sizeExponent: 0.45, points: 15 },
    lawRefused: null,
  });
  return {
    version,
    id: 'hold',
    verdict: 'holds',
    answer: 'The pattern keeps its advantage up to 1e17 FLOPs: 0.050 nats per token [0.031, 0.069].',
    further: ['The reference needs 1.4 times the compute for the same loss.'],
    cautions: ['Three budgets over two decades: an extrapolation beyond them is not supported.'],
    reference: 'Transformer',
    cost: { runs: 30, outcomes: 30, flops: 1.1e18, durationMs: 7_400_000 },
    resampling: { of: 'seeds', degrees: 4, resamples: 2000 },
    architectures: [
      architecture('Transformer', '8mA+8M', 0),
      architecture('found', 'mA+2Mb+M+2Mb+M+mA+2Mb+M+2Mb+M+2Mb', 0.05),
    ],
    comparisons: [
      {
        name: 'found',
        reference: 'Transformer',
        gaps: budgets.map((budgetFlops) => ({ budgetFlops, gap: 0.05 })),
        gap: { value: 0.05, interval: { low: 0.031, high: 0.069 } },
        multiplier: { value: 1.4, interval: { low: 1.2, high: 1.6 } },
        slopeRatio: { value: 0.01, interval: { low: -0.05, high: 0.08 } },
        lawGap: 0.048,
        matched: { value: 0.049, interval: { low: 0.03, high: 0.068 }, runs: 9 },
        verdict: 'better',
        refused: null,
      },
    ],
    audits: [
      {
        rung: 'screen',
        target: 'loss at 1e17',
        n: 12,
        pairs: [{ name: 'found', rung: 0.72, target: 2.35 }],
        spearman: { value: 0.71, interval: { low: 0.3, high: 0.9 }, ceiling: 0.93 },
        kendall: { value: 0.55, interval: { low: 0.2, high: 0.8 }, ceiling: 0.84 },
        reliability: { rung: 0.91, target: 0.96 },
        isSize: false,
        refused: null,
      },
    ],
    zeroShot: {
      size: '10M',
      reference: 'llama',
      scorers: ['twin'],
      tasks: [
        { task: 'piqa', items: 1838 },
        { task: 'winogrande', items: 1267 },
      ],
      rows: [
        {
          architecture: 'found',
          family: 'hybrid',
          seeds: 2,
          scores: [
            { acc: 0.561, accNorm: 0.548 },
            { acc: 0.507, accNorm: null },
          ],
          against: { value: 0.012, interval: { low: -0.004, high: 0.029 } },
        },
        {
          architecture: 'llama',
          family: 'llama',
          seeds: 2,
          scores: [{ acc: 0.546, accNorm: 0.541 }, null],
          against: null,
        },
      ],
    },
    observations: [
      {
        architecture: 'found',
        family: 'hybrid',
        size: 's',
        parameters: 1_600_000,
        embedding: 400_000,
        budgetFlops: 1e15,
        flops: 1.01e15,
        tokens: 1.04e8,
        seed: 1,
        loss: 3.05,
        durationMs: 240_000,
        tokensPerSecond: 433_000,
        mfu: 0.31,
        peakMemoryBytes: 2.1e9,
        cacheBytesPerToken: 1024,
        evaluation: '3f9a2c41d07b',
      },
    ],
  };
};

export const workers = (/** @type {string} */ search, /** @type {string} */ node) => ({
  version,
  workers: Array.from({ length: 4 }, (_, at) => ({
    worker: `worker-${at + 1}`,
    device: at < 3 ? 'cpu, 2 cores' : null,
    state: at < 3 ? 'training' : 'silent',
    heartbeatAt: at < 3 ? Date.now() - 700 * at : null,
    training:
      at < 3 ? { search, node, rung: 'screen', seed: 1, startedAt: Date.now() - 4200, progress: 0.2 + 0.3 * at } : null,
    trainings: 120 - at,
    failed: at,
    busyMs: 3_600_000,
  })),
});
