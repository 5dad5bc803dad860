import { createHash } from 'node:crypto';
import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue } from '../domain/task.ts';
import type { NodeRecord } from '../memory/index.ts';
import { printable } from '../platform/index.ts';

const header = ['commit', 'val_bpb', 'memory_gb', 'status', 'description'];
const tsvMetric = 'BitsPerByte';

/**
 * autoresearch's table of experiments: tab-separated, one row per evaluated program, in order. The `commit` column has
 * seven hex digits of the program's hash; the status is `keep` if it beats all earlier ones. The first row is the
 * baseline. Scores are screening scores; hidden test scores do not belong here.
 *
 * @throws PrerequisiteError `results-tsv` if the search has another metric.
 */
export function resultsTsv(spec: Pick<SearchSpec, 'metric' | 'lowerIsBetter'>, nodes: readonly NodeRecord[]): string {
  if (spec.metric !== tsvMetric) {
    throw new PrerequisiteError(
      'results-tsv',
      `results.tsv needs bits per byte, and this search measures ${spec.metric}`,
      'omit --results-tsv, or use --json',
    );
  }
  let best = Number.POSITIVE_INFINITY;
  const rows = nodes.flatMap((node) => {
    const screen = node.evaluations.find(({ rung }) => rung === 'screen');
    if (node.verdict !== 'accepted' || !screen || screen.status === 'pending') return [];
    const value = screen.validation === null ? null : metricValue(screen.validation, spec.lowerIsBetter);
    const status = value === null ? 'crash' : value < best ? 'keep' : 'discard';
    if (value !== null) best = Math.min(best, value);
    const memory = value === null ? 0 : (screen.peakMemoryBytes ?? 0) / 2 ** 30;
    return [[commitOf(node.candidate), (value ?? 0).toFixed(6), memory.toFixed(1), status, describeNode(node)]];
  });
  return `${[header, ...rows].map((row) => row.join('\t')).join('\n')}\n`;
}

const commitOf = (candidate: string): string => createHash('sha256').update(candidate).digest('hex').slice(0, 7);

/** One line of plain text: a tab or a line feed would start a new cell or row. */
function describeNode({ origin, rationale }: NodeRecord): string {
  const text = origin === 'reference' ? 'baseline' : rationale.change;
  return printable(text, { width: 200 });
}
