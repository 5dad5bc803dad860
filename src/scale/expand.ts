import { least } from 'd3-array';
import {
  AggregationError,
  aggregate,
  type CarryRule,
  type Conditioning,
  carryToSize,
  type ScoredNode,
} from '../aggregation/index.ts';
import {
  type Architecture,
  type Primitive,
  parseInSpace,
  readArchitecture,
  runLengthText,
} from '../domain/architecture.ts';
import { PrerequisiteError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema } from '../domain/ids.ts';
import { contentHash, type Json } from '../domain/json.ts';
import {
  type Family,
  mostPoints,
  type Recipe,
  type Resources,
  type ScaleModel,
  type ScalePoint,
  scaleText,
} from '../domain/scale.ts';
import type { DeviceClass } from '../domain/task.ts';
import { type Described, type Price, trainerJob } from '../evaluators/index.ts';
import type { ArchiveReader, NodeRecord } from '../memory/index.ts';
import type { PlanBudget, ScaleFile } from './plan.ts';

/** A pattern of the plan under its name. */
export interface PlanPattern {
  readonly name: string;
  readonly layers: Architecture;
  readonly rules: readonly CarryRule[];
}

const malformed = (message: string, remedy = 'correct the plan') =>
  new PrerequisiteError('scale-file', message, remedy);

function scoredNodes(records: readonly NodeRecord[], parse: (text: string) => Architecture): ScoredNode[] {
  return records.flatMap((record) => {
    const score = record.evaluations.find(({ rung }) => rung === 'screen')?.validation;
    if (record.origin === 'reference' || record.origin === 'aggregate' || score == null) return [];
    return [{ node: record.id, agent: record.agent, architecture: parse(record.candidate), score }];
  });
}

/** Mean score of a node on the final rung; null without one. */
function finalScore({ evaluations }: NodeRecord): number | null {
  const scores = evaluations.flatMap(({ rung, validation }) =>
    rung === 'final' && validation !== null ? [validation] : [],
  );
  return scores.length === 0 ? null : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

type Searched = Extract<ScaleFile['architectures'][number], { search: unknown }>;

/** @throws PrerequisiteError for a search that is not finished, has no layers, or nothing to aggregate. */
function searchedPatterns(entry: Searched, rules: readonly CarryRule[], reader: ArchiveReader): PlanPattern[] {
  const { search } = entry;
  const spec = reader.searches.spec(search);
  const { space } = spec;
  if (space.kind !== 'stack') {
    throw malformed(`"${search}" searched no patterns of layers`, 'name a Compose search');
  }
  if (reader.searches.phase(search) !== 'finished') {
    throw malformed(`"${search}" has not finished`, `resume it with: aira launch --resume ${search}`);
  }
  const parse = (text: string) => parseInSpace(text, space);
  const records = reader.records.nodes(search);
  const own = entry.rule ? [entry.rule] : rules;
  const aggregates = entry.aggregates.map((conditioning: Conditioning): PlanPattern => {
    try {
      const { architecture } = aggregate(scoredNodes(records, parse), conditioning);
      return { name: `${search}-n${conditioning}`, layers: architecture, rules: own };
    } catch (thrown) {
      if (!(thrown instanceof AggregationError)) throw thrown;
      throw malformed(`"${search}": ${thrown.message}`);
    }
  });
  const finalists = records
    .filter(({ origin }) => origin !== 'reference' && origin !== 'aggregate')
    .flatMap((record) => {
      const score = finalScore(record);
      return score === null ? [] : [{ record, score }];
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, entry.finalists)
    .map(({ record }) => ({ name: record.id, layers: parse(record.candidate), rules: own }));
  const references = entry.references
    ? spec.references.map(({ name, candidate }) => ({ name, layers: parse(candidate), rules: own }))
    : [];
  return [...aggregates, ...finalists, ...references];
}

/**
 * The patterns of a plan, in its order.
 *
 * @param open reads the home's archive; called only if the plan names a search.
 * @throws PrerequisiteError for equal names, and as `searchedPatterns`.
 */
export function patternsOf(file: ScaleFile, open: () => ArchiveReader): PlanPattern[] {
  let reader: ArchiveReader | null = null;
  const patterns = file.architectures.flatMap((entry): PlanPattern[] => {
    if ('search' in entry) {
      reader ??= open();
      return searchedPatterns(entry, file.rules, reader);
    }
    const { name, pattern, rule } = entry;
    return [{ name, layers: readArchitecture(pattern), rules: rule ? [rule] : file.rules }];
  });
  const names = patterns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw malformed(`two architectures are named "${twice}"`, 'rename one');
  return patterns;
}

/** A model of the plan: one pattern, rule, family and size. */
export interface PlannedModel {
  /** Unique in the plan. */
  readonly run: string;
  readonly architecture: string;
  readonly pattern: string;
  readonly rule: CarryRule;
  readonly family: Family;
  readonly size: Described['sizes'][number];
  readonly seeds: number;
  readonly model: ScaleModel;
}

/**
 * Every model of a plan.
 *
 * @throws PrerequisiteError for a size that the trainer does not have, two equal models, or more than a plan may have.
 */
export function modelsOf(
  file: ScaleFile,
  patterns: readonly PlanPattern[],
  described: Described,
  vocabulary: number,
): PlannedModel[] {
  const sizes = file.sizes.map((name) => {
    const size = described.sizes.find((each) => each.name === name);
    if (!size)
      throw malformed(`there is no size "${name}"`, `use ${described.sizes.map((each) => each.name).join(', ')}`);
    return size;
  });
  const middle = sizes[Math.floor(sizes.length / 2)];
  const models = patterns.flatMap(({ name, layers, rules }) =>
    file.families.flatMap((family) =>
      rules.flatMap((rule) =>
        sizes.map((size): PlannedModel => {
          const architecture = rules.length > 1 ? `${name}-${rule}` : name;
          const llama = Array.from({ length: size.blocks }, (): Primitive[] => ['mA', 'M']).flat();
          const own = size.layerParameters[family];
          if (!own) throw malformed(`the trainer has no family ${family}`);
          const pattern = runLengthText(carryToSize(layers, llama, own, rule));
          return {
            run: [architecture, ...(file.families.length > 1 ? [family] : []), size.name].join(' '),
            architecture,
            pattern: runLengthText(layers),
            rule,
            family,
            size,
            seeds: size === middle ? Math.max(file.seeds.each, file.seeds.middle) : file.seeds.each,
            model: { family, pattern, shape: size.shape, vocabulary },
          };
        }),
      ),
    ),
  );
  const runs = models.map(({ run }) => run);
  const twice = runs.find((run, index) => runs.indexOf(run) !== index);
  if (twice !== undefined) throw malformed(`the plan has "${twice}" twice`, 'name each size, family and rule once');
  const points = models.length * file.budgets.length;
  if (points > mostPoints) {
    throw malformed(
      `the plan has ${points} budgets of runs; the limit is ${mostPoints}`,
      'split it into several plans',
    );
  }
  return models;
}

/** Figures of the device that a plan is made for. */
export interface PlanMachine {
  readonly deviceClass: DeviceClass;
  /** Bytes on each device. */
  readonly memoryBytes: number;
  readonly flopsPerSecond: number;
  readonly peakFlops: number;
}

/** Share of a device's memory that a plan uses: allocators fragment. */
const memoryShare = 0.85;
/** Sequences of a micro-batch on a CPU, where larger ones gain nothing. */
const cpuMicroBatch = 8;

const budgetText = (budget: PlanBudget): string => {
  if ('flops' in budget) return `${budget.flops.toExponential()} FLOPs`;
  return 'tokens' in budget ? `${budget.tokens} tokens` : `${budget.steps} steps`;
};

/** The trainer's job of a model with these budgets, to be priced: the data's place and the seed are no part of a price. */
export function priceJob(
  { model }: Pick<PlannedModel, 'model'>,
  recipe: Omit<Recipe, 'steps'>,
  steps: readonly number[],
): Json {
  const data = { folder: '.', digest: '0'.repeat(64) };
  const device = recipe.precision === 'bfloat16' ? 'cuda' : 'cpu';
  return trainerJob({ model, recipe, steps, data, seed: 1, device });
}

/** A recipe without its budget: warm-up of one step, one sequence at a time. What it prices per token holds for any budget. */
export function baseRecipe(file: ScaleFile, { size }: PlannedModel, deviceClass: DeviceClass): Omit<Recipe, 'steps'> {
  const { sequence, batchTokens, decay, learningRate, weightDecay, precision, validationSequences } = file.training;
  if (batchTokens % sequence !== 0) throw malformed('training.batchTokens must be a multiple of training.sequence');
  if (deviceClass === 'cpu' && precision === 'bfloat16') throw malformed('bfloat16 needs a GPU');
  return {
    sequence,
    batch_tokens: batchTokens,
    warmup: 1,
    decay,
    optimiser: {
      lr: size.lr * learningRate,
      weight_decay: weightDecay,
      beta1: 0.9,
      beta2: 0.95,
      momentum: 0.95,
      clip: 1,
    },
    precision: precision ?? (deviceClass === 'cpu' ? 'float32' : 'bfloat16'),
    validation_sequences: validationSequences,
    micro_batch: 1,
  };
}

/** Steps of each budget, ascending. @throws PrerequisiteError if two budgets are the same number of steps, or one is too small. */
export function stepsOf(file: ScaleFile, planned: PlannedModel, price: Price): { budget: PlanBudget; steps: number }[] {
  const { batchTokens } = file.training;
  const perStep = batchTokens * (price.flopsPerToken.layers + price.flopsPerToken.head);
  const steps = file.budgets
    .map((budget) => {
      if ('steps' in budget) return { budget, steps: budget.steps };
      const exact = 'flops' in budget ? budget.flops / perStep : budget.tokens / batchTokens;
      return { budget, steps: Math.round(exact) };
    })
    .sort((a, b) => a.steps - b.steps);
  for (const [index, { budget, steps: own }] of steps.entries()) {
    if (own < leastSteps) {
      const message = `${budgetText(budget)} are ${own} steps of ${planned.run}; a schedule needs ${leastSteps}`;
      throw malformed(message, 'raise the budget or lower training.batchTokens');
    }
    if (own === steps[index - 1]?.steps) {
      throw malformed(
        `two budgets are ${own} steps of ${planned.run}`,
        'move them apart or lower training.batchTokens',
      );
    }
  }
  return steps;
}

/** Warm-up, stable part and decay need a step each, and a decay of one step shows nothing. */
const leastSteps = 5;

function microBatch(file: ScaleFile, rows: number, devices: number, price: Price, machine: PlanMachine): number {
  const own = rows / devices;
  if (!Number.isInteger(own)) {
    throw malformed(
      `a batch of ${rows} sequences does not split over ${devices} devices`,
      'change training.batchTokens',
    );
  }
  const wanted = file.training.microBatch;
  if (wanted !== undefined) {
    if (own % wanted !== 0)
      throw malformed(`training.microBatch ${wanted} does not divide ${own} sequences of a device`);
    return wanted;
  }
  // A copy of the model on each device where one sequence fits next to it, else a part.
  const fittingNextTo = (state: number) =>
    Math.floor((memoryShare * machine.memoryBytes - state) / price.activationBytes);
  const copied = fittingNextTo(price.stateBytes);
  const onGpu = copied >= 1 ? copied : fittingNextTo(price.stateBytes / devices);
  const fitting = machine.deviceClass === 'cpu' ? cpuMicroBatch : onGpu;
  for (let size = own; size > 1; size--) if (own % size === 0 && size <= fitting) return size;
  return 1;
}

/** A model with its recipe and budgets: one trunk with its branches. */
export interface PlannedRun {
  readonly planned: PlannedModel;
  readonly price: Price;
  readonly recipe: Omit<Recipe, 'steps'>;
  readonly budgets: readonly { readonly budget: PlanBudget; readonly steps: number }[];
  readonly parallel: Resources['parallel'];
  readonly memoryBytes: number;
}

/** Resolves recipe and budgets of a model from what one sequence and one step of it cost. @throws PrerequisiteError */
export function runOf(file: ScaleFile, planned: PlannedModel, price: Price, machine: PlanMachine): PlannedRun {
  const budgets = stepsOf(file, planned, price);
  const base = baseRecipe(file, planned, machine.deviceClass);
  const { devices } = file.machine;
  const smallest = budgets[0]?.steps ?? leastSteps;
  const warmup = Math.max(1, Math.round(file.training.warmup * smallest));
  const micro_batch = microBatch(file, base.batch_tokens / base.sequence, devices, price, machine);
  const activations = micro_batch * price.activationBytes;
  const whole = price.stateBytes + activations;
  const copies = whole <= memoryShare * machine.memoryBytes;
  const parallel = devices === 1 ? 'none' : copies ? 'ddp' : 'fsdp';
  return {
    planned,
    price,
    recipe: { ...base, warmup, micro_batch },
    budgets,
    parallel,
    memoryBytes: parallel === 'fsdp' ? price.stateBytes / devices + activations : whole,
  };
}

/** The runs of the smallest size of a plan, by parameters: 100M is wide and has fewer blocks than 50M. */
export function smallestRuns(runs: readonly PlannedRun[]): PlannedRun[] {
  const smallest = least(runs, ({ price }) => price.nonEmbedding)?.planned.size;
  return runs.filter(({ planned }) => planned.size === smallest);
}

/** A point with the candidate that trains it. */
export interface PlannedPoint {
  readonly point: ScalePoint;
  readonly candidate: string;
  /** FLOPs that it adds to those of the smaller budgets of its run: its part of the trunk, and its branch. */
  readonly addedFlops: number;
}

/** The points of runs, numbered in the plan's order. `totals` are the steps of each run with its first 1, 2, ... budgets. */
export function pointsOf(
  file: ScaleFile,
  runs: readonly PlannedRun[],
  totals: readonly (readonly number[])[],
  machine: PlanMachine,
): PlannedPoint[] {
  let number = 0;
  return runs.flatMap(({ planned, price, recipe, budgets, parallel, memoryBytes }, index) =>
    budgets.map(({ budget, steps }, place): PlannedPoint => {
      number += 1;
      const perStep = recipe.batch_tokens * (price.flopsPerToken.layers + price.flopsPerToken.head);
      const addedFlops = perStep * ((totals[index]?.[place] ?? 0) - (totals[index]?.[place - 1] ?? 0));
      const { devices, checkpointSeconds } = file.machine;
      const reference: AgentName = agentNameSchema.parse(`p${number}`);
      const point: ScalePoint = {
        reference,
        run: planned.run,
        architecture: planned.architecture,
        pattern: planned.pattern,
        rule: planned.rule,
        family: planned.family,
        size: planned.size.name,
        nonEmbedding: price.nonEmbedding,
        embedding: price.embedding,
        budget: budgetText(budget),
        budgetFlops: 'flops' in budget ? budget.flops : steps * perStep,
        trainedFlops: steps * perStep,
        tokens: steps * recipe.batch_tokens,
        cacheBytesPerToken: price.cacheBytesPerToken,
        seeds: planned.seeds,
        resources: {
          devices,
          parallel,
          memoryBytes: Math.ceil(memoryBytes),
          seconds: addedFlops / (devices * machine.flopsPerSecond) + startSeconds,
          checkpointSeconds,
          peakFlops: machine.peakFlops,
        },
      };
      const candidate = scaleText({ model: planned.model, recipe: { ...recipe, steps } });
      return { point, candidate, addedFlops };
    }),
  );
}

/** A trainer's start: interpreter, libraries, hashes of the data. */
export const startSeconds = 5;

/** A short tag of a specification, for names. */
export const tagOf = (spec: Json): string => contentHash(spec).slice(0, 6);
