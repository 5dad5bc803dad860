import * as z from 'zod';
import { apiVersion, count, interval, rungNameSchema } from './apiSearch.ts';

/**
 * Responses about a home: labs, studies, scale plans, workers, events; and the commands of people. Conventions are those of
 * `apiSearch.ts`.
 */

const estimate = z.strictObject({ value: z.number(), interval: interval.nullable() });

/** `/api/labs` */
export const labsSchema = z.strictObject({
  version: z.literal(apiVersion),
  labs: z.array(
    z.strictObject({
      /** Where its paths are: `/api/labs/<name>/…`. Those without a lab are of the first. */
      name: z.string(),
      /** Last part of the home's path. */
      folder: z.string(),
      searches: count,
      /** A lab runs in the home, so that commands are possible. */
      live: z.boolean(),
      /** Why the home cannot be read; null if it can. */
      problem: z.string().nullable(),
    }),
  ),
});

/** `/api/studies`; a file that cannot be read has a problem and no figures. */
export const studiesSchema = z.strictObject({
  version: z.literal(apiVersion),
  studies: z.array(
    z.strictObject({
      id: z.string(),
      question: z.string().nullable(),
      arms: z.array(z.string()),
      runs: count,
      sentences: z.array(z.string()),
      writtenAt: z.number(),
      problem: z.string().nullable(),
    }),
  ),
});

/** What a study shows, on a page of its own or in the dashboard. */
export const studyFigures = z.strictObject({
  id: z.string(),
  question: z.string(),
  /** Paired seeds, and the budget of each run. */
  seeds: count,
  budgetEvaluations: count.nullable(),
  runs: count,
  /** Of all runs, those that failed included. */
  evaluations: count,
  alpha: z.number().nullable(),
  power: z.number().nullable(),
  tasks: z.array(
    z.strictObject({
      label: z.string(),
      kind: z.enum(['trained', 'table']),
      metric: z.string(),
      best: z.number().nullable(),
    }),
  ),
  /** Of effects: scores, or scores normalised over several tasks. More is better. */
  unit: z.enum(['worth', 'normalised']),
  /** What intervals and p are over, and how many. */
  inference: z.strictObject({ unit: z.string(), units: count, sentence: z.string() }),
  arms: z.array(
    z.strictObject({
      name: z.string(),
      runs: count,
      candidates: count,
      /** Interquartile mean, and its interval. */
      middle: z.number().nullable(),
      interval: interval.nullable(),
      mean: z.number().nullable(),
      validRate: z.number().nullable(),
      normalised: z.number().nullable(),
      elo: z.strictObject({ rating: z.number().nullable(), low: z.number().nullable(), high: z.number().nullable() }),
      rejected: count,
      duplicate: count,
      failed: count,
    }),
  ),
  comparisons: z.array(
    z.strictObject({
      arms: z.tuple([z.string(), z.string()]),
      pairs: count,
      /** Difference of interquartile means, first minus second. */
      effect: z.number().nullable(),
      interval: interval.nullable(),
      p: z.number().nullable(),
      /** By Holm's correction over the study. */
      adjusted: z.number().nullable(),
      verdict: z.string(),
      /** In standard deviations. */
      standardised: z.number().nullable(),
      /** Share of pairs in which the first arm wins. */
      ahead: z.number().nullable(),
      detectable: z.number().nullable(),
      /** Further units to detect a difference of the observed size. */
      moreSeeds: z.number().nullable(),
      sentence: z.string(),
    }),
  ),
  /** Device time per run where an arm rehearses candidates. */
  spending: z.array(z.string()),
  cautions: z.array(z.string()),
  curves: z.array(
    z.strictObject({
      task: z.string(),
      shows: z.enum(['regret', 'score']),
      /** Per evaluation: interquartile mean and its band. */
      arms: z.array(
        z.strictObject({
          name: z.string(),
          middle: z.array(z.number().nullable()),
          low: z.array(z.number().nullable()),
          high: z.array(z.number().nullable()),
        }),
      ),
    }),
  ),
});

/** `/api/studies/:id` */
export const studySchema = z.strictObject({
  version: z.literal(apiVersion),
  writtenAt: z.number(),
  ...studyFigures.shape,
});

/** What a scale plan shows: losses in nats per token, sizes in parameters, compute in FLOPs. */
export const scaleFigures = z.strictObject({
  id: z.string(),
  verdict: z.enum(['holds', 'does not hold', 'not established', 'not answered']),
  answer: z.string(),
  further: z.array(z.string()),
  cautions: z.array(z.string()),
  reference: z.string(),
  cost: z.strictObject({ runs: count, outcomes: count, flops: z.number(), durationMs: z.number() }),
  resampling: z.strictObject({ of: z.enum(['seeds', 'residuals']), degrees: z.number(), resamples: count }).nullable(),
  architectures: z.array(
    z.strictObject({
      label: z.string(),
      pattern: z.string(),
      family: z.string(),
      /** One isoFLOP curve per budget, by non-embedding parameters. */
      curves: z.array(
        z.strictObject({
          budgetFlops: z.number(),
          flops: z.number(),
          points: z.array(
            z.strictObject({ parameters: z.number(), tokens: z.number(), seed: z.int(), loss: z.number().nullable() }),
          ),
          /** The parabola on a grid of sizes; empty where none could be fitted. */
          parabola: z.array(z.strictObject({ parameters: z.number(), loss: z.number().nullable() })),
          minimum: z.strictObject({ parameters: z.number(), tokens: z.number(), loss: z.number() }).nullable(),
          refused: z.string().nullable(),
        }),
      ),
      /** Line of the losses of the minima on log10 of compute, at its two ends. */
      frontier: z.array(z.strictObject({ flops: z.number(), loss: z.number() })),
      /** Nats per decade of compute. */
      slope: estimate.nullable(),
      sizeExponent: estimate.nullable(),
      tokenExponent: estimate.nullable(),
      /** Of all parameters, the embedding included. */
      totalSizeExponent: estimate.nullable(),
      /** L(N, D) = E + A / N^alpha + B / D^beta. */
      law: z
        .strictObject({
          E: z.number(),
          A: z.number(),
          B: z.number(),
          alpha: z.number(),
          beta: z.number(),
          residual: z.number(),
          sizeExponent: z.number(),
          /** Trainings that it is fitted to. */
          points: count,
        })
        .nullable(),
      lawRefused: z.string().nullable(),
    }),
  ),
  comparisons: z.array(
    z.strictObject({
      name: z.string(),
      reference: z.string(),
      gaps: z.array(z.strictObject({ budgetFlops: z.number(), gap: z.number() })),
      /** Above zero where the architecture has the lower loss. */
      gap: estimate.nullable(),
      /** How many times the compute the reference needs for the same loss. */
      multiplier: estimate.nullable(),
      /** Slope over that of the reference, minus 1. */
      slopeRatio: estimate.nullable(),
      /** Gap of the two laws. */
      lawGap: z.number().nullable(),
      /** Gap at equal size, budget and seed, over that many runs. */
      matched: z.strictObject({ ...estimate.shape, runs: count }).nullable(),
      verdict: z.enum(['better', 'worse', 'even']).nullable(),
      refused: z.string().nullable(),
    }),
  ),
  audits: z.array(
    z.strictObject({
      rung: z.string(),
      target: z.string(),
      n: count,
      pairs: z.array(z.strictObject({ name: z.string(), rung: z.number(), target: z.number() })),
      spearman: z.strictObject({ ...estimate.shape, ceiling: z.number().nullable() }).nullable(),
      kendall: z.strictObject({ ...estimate.shape, ceiling: z.number().nullable() }).nullable(),
      /** Shares of the variance between architectures that are not noise. */
      reliability: z.strictObject({ rung: z.number().nullable(), target: z.number().nullable() }),
      /** Rung scores are losses of a smaller size, not scores of a rung below. */
      isSize: z.boolean(),
      refused: z.string().nullable(),
    }),
  ),
  /** Accuracies of the largest models on items that a person has brought; null where nothing was asked. */
  zeroShot: z
    .strictObject({
      size: z.string(),
      reference: z.string(),
      /** The evaluation harness with its version, or its twin. */
      scorers: z.array(z.string()),
      tasks: z.array(z.strictObject({ task: z.string(), items: count })),
      rows: z.array(
        z.strictObject({
          architecture: z.string(),
          family: z.string(),
          seeds: count,
          /** In the order of the tasks; null where it was not asked. */
          scores: z.array(z.strictObject({ acc: z.number(), accNorm: z.number().nullable() }).nullable()),
          /** Mean accuracy over the tasks minus that of the reference. */
          against: estimate.nullable(),
        }),
      ),
    })
    .nullable(),
  observations: z.array(
    z.strictObject({
      architecture: z.string(),
      family: z.string(),
      size: z.string(),
      parameters: z.number(),
      embedding: z.number(),
      budgetFlops: z.number(),
      flops: z.number(),
      tokens: z.number(),
      seed: z.int(),
      loss: z.number().nullable(),
      durationMs: z.number(),
      tokensPerSecond: z.number().nullable(),
      /** Share of the device's peak arithmetic. */
      mfu: z.number().nullable(),
      peakMemoryBytes: z.number().nullable(),
      cacheBytesPerToken: z.number(),
      /** Key of the evaluation. */
      evaluation: z.string(),
    }),
  ),
});

/** `/api/scales/:id` */
export const scaleSchema = z.strictObject({ version: z.literal(apiVersion), ...scaleFigures.shape });

/** `/api/workers` */
export const workersSchema = z.strictObject({
  version: z.literal(apiVersion),
  workers: z.array(
    z.strictObject({
      worker: z.string(),
      device: z.string().nullable(),
      /** `silent`: known from the archive, but no heartbeat was heard since the dashboard listens. */
      state: z.enum(['starting', 'idle', 'training', 'draining', 'stopped', 'silent']),
      heartbeatAt: z.number().nullable(),
      /** What it trains, by the archive's record of claims without an outcome. */
      training: z
        .strictObject({
          search: z.string(),
          node: z.string(),
          rung: rungNameSchema,
          seed: z.int(),
          startedAt: z.number(),
          /** 0 to 1; null if it reports none. */
          progress: z.number().nullable(),
        })
        .nullable(),
      trainings: count,
      failed: count,
      busyMs: z.number(),
    }),
  ),
});

/** Data of the event `changed` of `/api/events`; its id is `sequence`. */
export const changedSchema = z.strictObject({
  search: z.string(),
  /** `node`, `score`, `phase`, `ending`, `ruling`; others may be added. */
  kinds: z.array(z.string()),
  /** Nodes that changed; at most 500, then `all` is true and every node may have. */
  nodes: z.array(z.string()),
  all: z.boolean(),
  sequence: count,
});

/** Every answer with a status of 400 and above. */
export const problemSchema = z.strictObject({
  version: z.literal(apiVersion),
  /** Stable. */
  code: z.string(),
  message: z.string(),
  remedy: z.string().nullable(),
});

const idempotencyKey = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'use 8 to 64 letters, digits, - and _');
const why = z.string().max(500).optional();
const limit = z.number().positive().max(1e12);

/** Body of `POST /api/searches/:id/commands`. Repeating one with its key changes nothing and answers the same. */
export const commandSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('propose'),
    idempotencyKey,
    operator: z.enum(['draft', 'improve', 'crossover', 'debug']),
    parents: z.array(z.string().max(100)).max(2),
    /** A pattern, or the files of a program by name as JSON text. */
    candidate: z.string().min(1).max(400_000),
    why: z.string().min(1).max(2000),
  }),
  z.strictObject({ kind: z.literal('veto'), idempotencyKey, node: z.string().max(100), why }),
  /** Without an agent: the search. */
  z.strictObject({ kind: z.literal('pause'), idempotencyKey, agent: z.string().max(100).optional(), why }),
  z.strictObject({ kind: z.literal('resume'), idempotencyKey, agent: z.string().max(100).optional(), why }),
  /** New limits, each at least the present one. */
  z.strictObject({
    kind: z.literal('raise-budget'),
    idempotencyKey,
    why,
    minutes: limit.optional(),
    deviceSeconds: limit.optional(),
    costUsd: limit.optional(),
    tokens: limit.optional(),
  }),
]);

/** Answer of a command that was recorded. */
export const commandReplySchema = z.strictObject({
  version: z.literal(apiVersion),
  id: z.string(),
  sentence: z.string(),
  /** Of a proposal. */
  node: z.string().nullable(),
});
