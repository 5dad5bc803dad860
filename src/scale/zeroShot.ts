import { group, max, mean } from 'd3-array';
import * as z from 'zod';
import { rngFor } from '../domain/rng.ts';
import { type AccuracyDifference, compareItems, type ItemScores } from '../statistics/index.ts';
import { columns, type ScaleObservation } from './observations.ts';

/**
 * Zero-shot accuracies of the largest models of a plan: which trainings are asked, what their answers show, and the text of it.
 * Pure: scoring is the trainer's (`aira_scale score`), the file the command's.
 */

const oneOrZero = z.union([z.literal(0), z.literal(1)]);

/** Answers of one training to the items of one task. */
export const zeroShotScoreSchema = z.strictObject({
  /** Key of the evaluation that trained the weights. */
  evaluation: z.string().regex(/^[0-9a-f]{64}$/),
  task: z.string().regex(/^[a-z_]{1,32}$/),
  /** SHA-256 of the file of items: scores of other items are not comparable. */
  itemsSha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** The evaluation harness with its version, or its twin. */
  scorer: z.string().max(200),
  acc: z.number().min(0).max(1),
  /** Null for WinoGrande. */
  accNorm: z.number().min(0).max(1).nullable(),
  correct: z.array(oneOrZero).max(1_000_000),
  correctNorm: z.array(oneOrZero).max(1_000_000).nullable(),
});
export type ZeroShotScore = z.infer<typeof zeroShotScoreSchema>;

/** What `zero-shot.json` next to the page of a plan holds. */
export const zeroShotFileSchema = z.strictObject({ version: z.literal(1), scores: z.array(zeroShotScoreSchema) });

/** Trainings whose weights are asked: those of the largest size, at the largest budget that all architectures have there. */
export function largestTrainings(observations: readonly ScaleObservation[]): ScaleObservation[] {
  const largest = max(observations, ({ nonEmbedding }) => nonEmbedding);
  const size = observations.find(({ nonEmbedding }) => nonEmbedding === largest)?.size;
  const there = observations.filter((each) => each.size === size);
  const budgets = [...group(there, labelOf).values()].map((own) => new Set(own.map(({ budgetFlops }) => budgetFlops)));
  const [first] = budgets;
  const common = [...(first ?? [])].filter((budget) => budgets.every((each) => each.has(budget)));
  const budget = max(common);
  return there.filter(({ budgetFlops }) => budgetFlops === budget);
}

const labelOf = ({ architecture, family }: ScaleObservation): string => `${architecture} ${family}`;

export interface ZeroShotRow {
  readonly architecture: string;
  readonly family: string;
  /** Trainings that have answered. */
  readonly seeds: number;
  /** Mean accuracies over the seeds, by task. */
  readonly tasks: readonly { readonly task: string; readonly acc: number; readonly accNorm: number | null }[];
  /** Mean `acc` over the tasks, minus the reference's of the same family; null for the reference itself and without one. */
  readonly against: AccuracyDifference | null;
}

export interface ZeroShotResult {
  readonly size: string;
  readonly reference: string;
  readonly scorers: readonly string[];
  /** Items by task. */
  readonly items: Readonly<Record<string, number>>;
  readonly rows: readonly ZeroShotRow[];
}

const resamples = 2000;
const level = 0.95;

/**
 * What the scores show: accuracies per architecture, and the difference from the reference by a bootstrap paired over items and
 * seeds. Of a task that was asked with several files, the last one counts. Null without scores of the largest trainings.
 */
export function zeroShotResult(
  observations: readonly ScaleObservation[],
  scores: readonly ZeroShotScore[],
  reference: string,
): ZeroShotResult | null {
  const trainings = largestTrainings(observations);
  const keys = new Set(trainings.map(({ evaluation }) => evaluation));
  const own = scores.filter(({ evaluation }) => keys.has(evaluation));
  const files = new Map(own.map((each) => [each.task, each.itemsSha256]));
  const [first] = trainings;
  if (!first || files.size === 0) return null;
  const counted = own.filter(({ task, itemsSha256 }) => files.get(task) === itemsSha256);
  const answersOf = (training: ScaleObservation) =>
    counted.filter(({ evaluation }) => evaluation === training.evaluation);
  const items = (own: readonly ScaleObservation[]): ItemScores[] =>
    own.flatMap((training) => answersOf(training).map(({ task, correct }) => ({ task, seed: training.seed, correct })));
  const rows = [...group(trainings, labelOf).values()].flatMap((own): ZeroShotRow[] => {
    const [one] = own;
    const answers = own.flatMap(answersOf);
    if (!one || answers.length === 0) return [];
    const other = trainings.filter(({ architecture, family }) => architecture === reference && family === one.family);
    return [
      {
        architecture: one.architecture,
        family: one.family,
        seeds: new Set(answers.map(({ evaluation }) => evaluation)).size,
        tasks: [...group(answers, ({ task }) => task)].map(([task, each]) => ({
          task,
          acc: mean(each, ({ acc }) => acc) ?? 0,
          accNorm: mean(each, ({ accNorm }) => accNorm) ?? null,
        })),
        against: one.architecture === reference ? null : difference(items(own), items(other)),
      },
    ];
  });
  return {
    size: first.size,
    reference,
    scorers: [...new Set(counted.map(({ scorer }) => scorer))],
    items: Object.fromEntries(
      [...group(counted, ({ task }) => task)].map(([task, [each]]) => [task, each?.correct.length ?? 0]),
    ),
    rows,
  };
}

function difference(own: readonly ItemScores[], other: readonly ItemScores[]): AccuracyDifference | null {
  const shared = own.some((one) => other.some((each) => each.task === one.task && each.seed === one.seed));
  return shared ? compareItems(own, other, { rng: rngFor('zero-shot'), resamples, level }) : null;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const points = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(100 * value).toFixed(1)}`;

/** The accuracies for a terminal. */
export function zeroShotText({ size, reference, scorers, items, rows }: ZeroShotResult): string {
  const tasks = Object.keys(items);
  const table = rows.map(({ architecture, family, seeds, tasks: own, against }) => [
    architecture,
    family,
    String(seeds),
    ...tasks.map((task) => {
      const found = own.find((each) => each.task === task);
      if (!found) return '';
      return found.accNorm === null ? percent(found.acc) : `${percent(found.acc)} / ${percent(found.accNorm)}`;
    }),
    against === null
      ? ''
      : `${points(against.difference)} [${points(against.interval.low)}, ${points(against.interval.high)}]`,
  ]);
  const head = [
    'architecture',
    'family',
    '>seeds',
    ...tasks.map((task) => `>${task}, ${items[task]} items`),
    `>against ${reference}`,
  ];
  const lines = columns([head, ...table]).join('\n');
  return `zero-shot at ${size}, acc / acc_norm by ${scorers.join(' and ')}; difference of mean acc in points, 95 % over items and seeds\n${lines}\n`;
}
