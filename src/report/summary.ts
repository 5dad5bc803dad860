import { createHash } from 'node:crypto';
import { PrerequisiteError } from '../domain/errors.ts';
import type { SearchSpec } from '../domain/search.ts';
import { metricValue } from '../domain/task.ts';
import type { NodeRecord } from '../memory/index.ts';
import { type Colours, printable } from '../platform/index.ts';
import {
  agentEndSentences,
  bases,
  basisName,
  bestScreened,
  candidateText,
  count,
  deviceTimeName,
  duration,
  findingsOf,
  floorClause,
  floorsOn,
  isProposal,
  meanOn,
  metric,
  nodeName,
  proposalsOf,
  proposalText,
  type ReportData,
  type ReportNode,
  shortened,
  unfinished,
  verdict,
} from '../views/index.ts';

/** The result of a search as text: a summary for people, a verdict for scripts, and autoresearch's table of experiments. */

/** Always a single line. */
const line = (text: string): string => printable(text);

const isScreenOnly = (node: ReportNode): boolean => meanOn(node, 'confirm') === null && meanOn(node, 'final') === null;

/** Early endings listed individually. */
const maxEndings = 4;

/** Early endings: the search and its rungs first, then agents. */
function earlyEnds(data: ReportData): string[] {
  const weight = { search: 0, rung: 1, agent: 2, worker: 3, job: 4 } as const;
  const sorted = data.endings.toSorted((a, b) => weight[a.of] - weight[b.of]);
  const ends = [...sorted.map(({ sentence }) => sentence), ...agentEndSentences(data)];
  const more = ends.length - maxEndings;
  const rest = more > 0 ? [`${count(more)} more early ${more === 1 ? 'ending' : 'endings'}: see the report.`] : [];
  return [...ends.slice(0, maxEndings).map((sentence) => shortened(sentence, 200)), ...rest];
}

/** The result of a search for scripts. */
export interface Result {
  readonly verdict: readonly string[];
  /** Per basis with floors, each floor by name, in the metric. */
  readonly floors: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export function resultOf(data: ReportData): Result {
  const floors = bases.flatMap((basis) => {
    const levels = floorsOn(data, basis).map(({ name, level }) => [
      name,
      metricValue(level, data.search.lowerIsBetter),
    ]);
    return levels.length === 0 ? [] : [[basis, Object.fromEntries(levels)] as const];
  });
  return { verdict: verdict(data, findingsOf(data)), floors: Object.fromEntries(floors) };
}

/** The result of a search in at most twenty lines. */
export function summary(data: ReportData, colours: Colours): string {
  const findings = findingsOf(data);
  const proposals = data.nodes.filter(isProposal);
  const { spent } = data.budget;
  const [device, ofIt] = deviceTimeName(spent);
  const open = unfinished(data);

  const best = bestScreened(proposals);
  const lead = findings.lead && !isScreenOnly(findings.lead) ? findings.lead : null;
  const highlights = [
    { role: 'finalist', node: lead },
    { role: 'aggregate', node: findings.aggregate },
    { role: 'best screened', node: best === lead ? null : best },
  ].flatMap(({ role, node }) => {
    if (!node) return [];
    const basis = (['final', 'confirm', 'screen'] as const).find((each) => meanOn(node, each) !== null);
    const figure = basis
      ? `${metric(meanOn(node, basis), data.search)} (${basisName[basis]})${floorClause(data, node, basis)}`
      : 'no score';
    return [
      `  ${role.padEnd(15)}${line(`${nodeName(node)}  ${node.candidate.startsWith('{') ? shortened(node.change, 80) : candidateText(node.candidate, data.search.primitives)}  ${figure}`)}`,
    ];
  });
  return [
    colours.bold(line(`${data.search.id}: ${data.search.task}, ${data.search.profile}`)),
    ...verdict(data, findings).map((sentence) => line(sentence)),
    ...(open === null ? [] : [colours.yellow(line(open))]),
    ...earlyEnds(data).map((sentence) => colours.yellow(line(sentence))),
    ...highlights,
    line(proposalText(proposalsOf(data))),
    line(
      `${duration(spent.minutes * 60)} wall time, ${duration(spent.deviceSeconds)} ${device}${ofIt && ` (${ofIt})`}`,
    ),
  ].join('\n');
}

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
