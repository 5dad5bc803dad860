import { readArchitecture } from '../domain/architecture.ts';
import type { ScaleObservation } from './observations.ts';
import type { ResolvedPlan } from './resolve.ts';

/** The texts of `aira scale`: a plan's price before it runs, and its losses afterwards. */

/** Rows as columns, numbers to the right: a column whose first row begins with `>` is one of numbers. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const [head = []] = rows;
  const right = head.map((cell) => cell.startsWith('>'));
  const plain = rows.map((row) => row.map((cell, column) => (right[column] ? cell.replace(/^>/, '') : cell)));
  const widths = head.map((_, column) => Math.max(...plain.map((row) => row[column]?.length ?? 0)));
  return plain.map((row) =>
    row
      .map((cell, column) => (right[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

const units = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const;

/** 350000000 as `350M`; three digits at most. */
export function shortNumber(value: number): string {
  const rounded = Number(value.toPrecision(3));
  const [size, unit] = units.find(([each]) => Math.abs(rounded) >= each) ?? [1, ''];
  return `${Number((rounded / size).toPrecision(3))}${unit}`.replace('-', '−');
}

/** FLOPs as `3e17`; two digits at most. */
export const powerText = (value: number): string =>
  value
    .toExponential(value === 0 ? 0 : 1)
    .replace('e+', 'e')
    .replace('.0e', 'e');

const bytes = (value: number): string =>
  value >= 2 ** 40
    ? `${(value / 2 ** 40).toFixed(2)} TiB`
    : value >= 2 ** 30
      ? `${(value / 2 ** 30).toFixed(1)} GiB`
      : `${Math.ceil(value / 2 ** 20)} MiB`;

/** `45 s`, `33 min`, `2.3 h`, `1.97k h`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 10 ? `${hours.toFixed(1)} h` : `${shortNumber(Math.round(hours))} h`;
}

/** An H200 at 40 % of its 989 TFLOP/s of dense bfloat16. */
const h200FlopsPerSecond = 0.4 * 989e12;
/** Checkpoints of a run that are on the disk at a time: two of the trunk, one of a branch, one being written. */
const checkpointsAtOnce = 4;

export interface PlanTotals {
  /** Training FLOPs of all seeds; budgets of a run share their trunk. */
  readonly flops: number;
  readonly deviceSeconds: number;
  /** Bytes of weights, and of the checkpoints of all runs at once. */
  readonly diskBytes: number;
  readonly trainings: number;
}

export function planTotals({ points, runs }: ResolvedPlan): PlanTotals {
  const sum = (figure: (planned: ResolvedPlan['points'][number]) => number) =>
    points.reduce((total, planned) => total + planned.point.seeds * figure(planned), 0);
  const checkpoints = runs.reduce(
    (total, { planned, price }) => total + planned.seeds * checkpointsAtOnce * price.checkpointBytes,
    0,
  );
  return {
    flops: sum(({ addedFlops }) => addedFlops),
    deviceSeconds: sum(({ point }) => point.resources.seconds * point.resources.devices),
    diskBytes: checkpoints + sum(({ point }) => 4 * (point.nonEmbedding + point.embedding)),
    trainings: sum(() => 1),
  };
}

/** What a plan trains and costs, for people. */
export function forecastText(plan: ResolvedPlan): string {
  const { runs, points, machine, file } = plan;
  const models = runs.map(({ planned, price, parallel, recipe, memoryBytes, budgets }) => [
    planned.architecture,
    planned.family,
    planned.size.name,
    String(readArchitecture(planned.model.pattern).length),
    price.nonEmbedding.toLocaleString('en-US'),
    price.embedding.toLocaleString('en-US'),
    bytes(memoryBytes),
    parallel === 'none' ? String(recipe.micro_batch) : `${recipe.micro_batch} ${parallel}`,
    String(price.cacheBytesPerToken),
    recipe.optimiser.lr.toPrecision(2),
    budgets.map(({ steps }) => steps).join(' '),
    String(planned.seeds),
  ]);
  const head = [
    'architecture',
    'family',
    'size',
    '>layers',
    '>non-embedding',
    '>embedding',
    '>memory/device',
    '>micro-batch',
    '>cache B/token',
    '>lr',
    '>steps of the budgets',
    '>seeds',
  ];
  const { flops, deviceSeconds, diskBytes, trainings } = planTotals(plan);
  const kind = machine.deviceClass === 'cpu' ? 'CPU core' : 'GPU';
  const groups = new Map<string, { runs: number; flops: number }>();
  for (const { point, addedFlops } of points) {
    const group = groups.get(point.size) ?? { runs: 0, flops: 0 };
    groups.set(point.size, { runs: group.runs + point.seeds, flops: group.flops + point.seeds * addedFlops });
  }
  const bySize = [...groups].map(([size, group]) => [
    size,
    String(group.runs),
    group.flops.toExponential(2),
    duration(group.flops / h200FlopsPerSecond),
  ]);
  return [
    ...columns([head, ...models]),
    '',
    'A size is named after the non-embedding parameters of its Llama stack; embedding and head share their weights.',
    `One batch is ${file.training.batchTokens} tokens in sequences of ${file.training.sequence}; ${plan.vocabulary} tokens in the vocabulary.`,
    'FLOPs: 6 per weight of layers and head and token, plus attention and recurrence (gpu-workers/aira_scale/counts.py).',
    '',
    ...columns([['size', '>trainings', '>FLOPs', '>on one H200'], ...bySize]),
    '',
    `${trainings} trainings in ${runs.length} runs, ${flops.toExponential(2)} FLOPs with shared trunks`,
    `device time: ${duration(deviceSeconds)} of a ${kind} at ${machine.flopsPerSecond.toExponential(1)} FLOP/s`,
    `on H200s at 40 % of 989 TFLOP/s: ${duration(flops / h200FlopsPerSecond)} of one`,
    `disk: ${bytes(diskBytes)} of weights and checkpoints`,
    '',
  ].join('\n');
}

/** The losses of a plan: a row per architecture, family and size, a column per budget, the mean over seeds. */
export function lossTable(observations: readonly ScaleObservation[]): string {
  interface Row {
    readonly cells: string[];
    readonly losses: Map<string, number[]>;
  }
  const flops = observations.map(({ budgetFlops }) => budgetFlops).sort((a, b) => a - b);
  const budgets = [...new Set(flops.map((each) => each.toExponential(2)))];
  const rows = new Map<string, Row>();
  for (const each of observations) {
    const name = `${each.architecture} ${each.family} ${each.size}`;
    const cells = [each.architecture, each.family, each.size, shortNumber(each.nonEmbedding)];
    const row = rows.get(name) ?? { cells, losses: new Map<string, number[]>() };
    rows.set(name, row);
    const budget = each.budgetFlops.toExponential(2);
    row.losses.set(budget, [...(row.losses.get(budget) ?? []), each.loss]);
  }
  const body = [...rows.values()].map(({ cells, losses }) => [
    ...cells,
    ...budgets.map((budget) => {
      const own = losses.get(budget);
      if (!own) return '-';
      const mean = own.reduce((sum, loss) => sum + loss, 0) / own.length;
      return own.length === 1 ? mean.toFixed(4) : `${mean.toFixed(4)} (${own.length})`;
    }),
  ]);
  const head = ['architecture', 'family', 'size', '>parameters', ...budgets.map((budget) => `>${budget}`)];
  return `${columns([head, ...body]).join('\n')}\n`;
}
