import { createHash } from 'node:crypto';
import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue } from '../domain/task.ts';
import type { NodeRecord } from '../memory/index.ts';
import { printable } from '../platform/index.ts';

const header = ['commit', 'val_bpb', 'memory_gb', 'status', 'description'];
const metric = 'BitsPerByte';

/**
 * The table that autoresearch keeps of its experiments: tab-separated, one row per program that was tried, in order. A
 * program stands for a commit by seven digits of its hash; it is kept where it is better than all before it. The first
 * row is the unmodified baseline. Figures are of the screening; hidden test figures have no place here.
 *
 * @throws PrerequisiteError `results-tsv` for a search whose metric is another.
 */
export function resultsTsv(spec: Pick<SearchSpec, 'metric' | 'lowerIsBetter'>, nodes: readonly NodeRecord[]): string {
  if (spec.metric !== metric) {
    throw new PrerequisiteError(
      'results-tsv',
      `results.tsv is for bits per byte; this search is scored in ${spec.metric}`,
      'leave --results-tsv out, or add --json',
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
    return [[commitOf(node.candidate), (value ?? 0).toFixed(6), memory.toFixed(1), status, described(node)]];
  });
  return `${[header, ...rows].map((row) => row.join('\t')).join('\n')}\n`;
}

const commitOf = (candidate: string): string => createHash('sha256').update(candidate).digest('hex').slice(0, 7);

/** One line of plain text: a tab or a line feed would be a new cell or row. */
function described({ origin, rationale }: NodeRecord): string {
  const text = origin === 'reference' ? 'baseline' : rationale.change;
  return printable(text, { width: 200 });
}
