import { descending } from 'd3-array';
import { metricValue } from '../../domain/task.ts';
import { type Noise, summarise } from '../../statistics/index.ts';
import {
  type Basis,
  basisName,
  type Findings,
  floorsText,
  isProposal,
  type MetricDirection,
  meanOn,
  metric,
  nodeName,
  type ReportData,
  type ReportNode,
  score,
  scoresOn,
} from '../../views/index.ts';
import { candidateCell, candidateHead } from '../candidate.ts';
import { type Scale, scale } from '../charts/scale.ts';
import { whisker, whiskerWidth } from '../charts/strip.ts';
import { type Content, groupRow, html, type Markup, section, table } from '../markup.ts';

/** Rows shown per rung; the archive has all. */
const maxRows = 20;

/** Standard error of the mean of n trainings, from the pooled noise. */
const standardError = (noise: Noise | null, n: number): number | null => (noise ? noise.sd / Math.sqrt(n) : null);

/** Mean, error and seeds of a node on a basis: three table cells. */
export function scoreCells(
  node: ReportNode,
  basis: Basis,
  noise: Noise | null,
  axis: Scale,
  direction: MetricDirection,
): Content[] {
  const scores = scoresOn(node, basis);
  const summary = summarise(scores);
  if (!summary) return ['–', '', ''];
  const error = standardError(noise, summary.n);
  const attempts = node.attempts[basis === 'test' ? 'final' : basis];
  return [
    html`${metric(summary.mean, direction)}${error === null ? null : html` <small>± ${score(error)}</small>`}`,
    attempts > summary.n ? html`${summary.n} <small>${attempts} attempts</small>` : summary.n,
    whisker(
      axis,
      summary.mean,
      error,
      scores.map((each) => each.score),
    ),
  ];
}

/** One scale for all scores of the nodes on a basis, including error bars. */
export function sharedAxis(nodes: readonly ReportNode[], basis: Basis, noise: Noise | null): Scale {
  const values = nodes.flatMap((node) => {
    const scores = scoresOn(node, basis).map((each) => each.score);
    const centre = meanOn(node, basis);
    const error = standardError(noise, scores.length);
    return centre === null ? [] : [...scores, ...(error === null ? [] : [centre - error, centre + error])];
  });
  return scale(values, [4, whiskerWidth - 4], 20);
}

export const axisHead = (basis: string, axis: Scale, { lowerIsBetter }: MetricDirection): Content =>
  html`${basis}<span class="ends">${axis.domain.map((end) => html`<span>${metricValue(end, lowerIsBetter).toFixed(2)}</span>`)}</span>`;

/** Name of a node over its origin. */
export function nameCell(node: ReportNode): Markup {
  const source = isProposal(node) ? `${node.agent}, ${node.origin}` : node.origin;
  return html`${nodeName(node)}<br><small>${source}</small>`;
}

function rungTable(data: ReportData, basis: 'final' | 'confirm' | 'screen', findings: Findings): Markup {
  const { nodes, search } = data;
  const noise = findings.noise[basis];
  const ranked = nodes
    .filter((node) => scoresOn(node, basis).length > 0)
    .toSorted((a, b) => descending(meanOn(a, basis) as number, meanOn(b, basis) as number));
  const shown = ranked.slice(0, maxRows);
  const axis = sharedAxis(shown, basis, noise);
  const floors = floorsText(data, basis);
  return table(
    [
      { head: '#', kind: 'number' },
      { head: 'node', kind: 'name' },
      { head: candidateHead(search.space), kind: 'wide' },
      { head: 'mean', kind: 'number' },
      { head: 'seeds', kind: 'number' },
      { head: axisHead('score', axis, search) },
    ],
    [
      groupRow(6, basisName[basis]),
      ...(floors === null ? [] : [groupRow(6, `floors: ${floors}`)]),
      ...shown.map((node, index) => [
        index + 1,
        nameCell(node),
        candidateCell(node, search.primitives),
        ...scoreCells(node, basis, noise, axis, search),
      ]),
      ...(ranked.length > shown.length ? [groupRow(6, `and ${ranked.length - shown.length} more`)] : []),
    ],
  );
}

/** Scores on the rungs whose ranking is meaningful. */
export function leaderboardSection(data: ReportData, findings: Findings): Markup {
  const reached = (basis: Basis) => data.nodes.some((node) => scoresOn(node, basis).length > 0);
  const upper = (['final', 'confirm'] as const).filter(reached);
  if (upper.length === 0) {
    return section(
      'leaderboard',
      'Leaderboard',
      reached('screen')
        ? html`<p>No node reached an upper rung. These are screening scores from one cheap training each: candidates to inspect, not a ranking.</p>${rungTable(data, 'screen', findings)}`
        : html`<p>No node has a score.</p>`,
    );
  }
  return section(
    'leaderboard',
    'Leaderboard',
    html`${upper.map((basis) => rungTable(data, basis, findings))}
<p class="note">Dot: mean. Bar: ± 1 standard error, from the noise between seeds pooled over all candidates of the rung. Ticks: single seeds. Where bars overlap, the order is not established; see the comparisons below.</p>`,
  );
}
