import { referenceNode, type SearchId } from '../domain/ids.ts';
import type { ScalePoint } from '../domain/scale.ts';
import type { ArchiveReader, EvaluationRecord } from '../memory/index.ts';

/** The losses that the archive has for a plan, and how tables and sentences print them. */

/**
 * One trained budget of one run: the row that fits, proxy audit, figures and tables are computed from.
 *
 * `loss` is validation cross-entropy in nats per token. `budgetFlops` is the budget that the plan asked for, `trainedFlops` what whole steps
 * came out at; both count multiply and add, forward and backward, layers and head. `nonEmbedding` and `embedding` are parameters.
 * `cacheBytesPerToken` is the growth of the decoding cache with each token (attention layers only).
 */
export interface ScaleObservation {
  /** Name of the architecture in the plan. */
  readonly architecture: string;
  /** Text of the pattern before extrapolation. */
  readonly pattern: string;
  readonly family: string;
  /** Name of the size. */
  readonly size: string;
  readonly nonEmbedding: number;
  readonly embedding: number;
  readonly budgetFlops: number;
  readonly trainedFlops: number;
  readonly tokens: number;
  readonly seed: number;
  readonly loss: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly mfu: number | null;
  readonly peakMemoryBytes: number | null;
  readonly cacheBytesPerToken: number;
  /** Key of the evaluation that measured the loss. */
  readonly evaluation: string;
}

function observation(point: ScalePoint, evaluation: EvaluationRecord): ScaleObservation | null {
  const { key, seed, scale, peakMemoryBytes } = evaluation;
  if (!scale) return null;
  return {
    architecture: point.architecture,
    pattern: point.pattern,
    family: point.family,
    size: point.size,
    nonEmbedding: point.nonEmbedding,
    embedding: point.embedding,
    budgetFlops: point.budgetFlops,
    trainedFlops: scale.flops,
    tokens: scale.tokens,
    seed,
    loss: scale.loss,
    seconds: scale.seconds,
    tokensPerSecond: scale.tokensPerSecond,
    mfu: scale.mfu,
    peakMemoryBytes,
    cacheBytesPerToken: point.cacheBytesPerToken,
    evaluation: key,
  };
}

/** Every loss that the archive has for a plan, in the plan's order; empty for any other search. */
export function scaleObservations(reader: ArchiveReader, search: SearchId): ScaleObservation[] {
  const points = reader.searches.spec(search).scale?.points ?? [];
  const nodes = new Map(reader.records.nodes(search).map((node) => [node.id, node]));
  return points.flatMap((point) => {
    const evaluations = nodes.get(referenceNode(point.reference))?.evaluations ?? [];
    return [...evaluations]
      .sort((a, b) => a.seed - b.seed)
      .flatMap((evaluation) => observation(point, evaluation) ?? []);
  });
}

/** The architecture that others are compared with: the one named llama, or else the last of the plan. */
export function referenceOf(observations: readonly ScaleObservation[]): string {
  const names = observations.map(({ architecture }) => architecture);
  return names.find((name) => name === 'llama') ?? names.at(-1) ?? '';
}

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

/** `45 s`, `33 min`, `2.3 h`, `1.97k h`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 10 ? `${hours.toFixed(1)} h` : `${shortNumber(Math.round(hours))} h`;
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
