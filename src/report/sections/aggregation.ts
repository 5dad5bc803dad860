import type { Conditioning, Pattern } from '../../aggregation/index.ts';
import { composition, runLengthText } from '../../domain/architecture.ts';
import { summarise } from '../../statistics/seeds.ts';
import { runsMarkup } from '../candidate.ts';
import { strip, votes } from '../charts/strip.ts';
import type { ReportAggregation, ReportData } from '../data.ts';
import { basisName, type Findings, meanOn, scoresOn } from '../findings.ts';
import { count, score } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { section, table } from '../table.ts';

const conditioningName = (conditioning: Conditioning): string =>
  conditioning === 'all' ? 'N-all' : `N${conditioning}`;

function layerCounts(pattern: Pattern): string {
  const { M, mA, Mb } = composition(pattern.architecture);
  return `${M} M, ${mA} mA, ${Mb} Mb`;
}

function overall(pattern: Pattern): Markup {
  return html`<figure><figcaption><b>${conditioningName(pattern.conditioning)}</b> <code>${runLengthText(pattern.architecture)}</code> ${layerCounts(pattern)}</figcaption>${votes(pattern)}</figure>`;
}

function evaluated(aggregation: ReportAggregation, findings: Findings): Markup {
  const node = findings.aggregate;
  const name = conditioningName(aggregation.conditioning);
  if (!node) return html`<p>The ${name} pattern has not been evaluated as an architecture of its own.</p>`;
  const figures = (['screen', 'confirm', 'final'] as const).flatMap((basis) => {
    const summary = summarise(scoresOn(node, basis));
    return summary
      ? [`${score(summary.mean)} over ${summary.n} ${summary.n === 1 ? 'seed' : 'seeds'} (${basisName[basis]})`]
      : [];
  });
  const source = meanOn(node, 'final') === null ? '' : ' Its comparisons with the references stand above.';
  return html`<p>The ${name} pattern was evaluated as node ${node.id}: ${figures.length > 0 ? `${figures.join('; ')}.${source}` : `no score (${node.reason ?? node.status}).`}</p>`;
}

/** What the best architectures of the whole ensemble have in common, layer by layer. */
export function aggregationSection(data: ReportData, findings: Findings): Markup {
  const { aggregation } = data;
  const first = aggregation?.patterns[0];
  if (!aggregation || !first)
    return section('aggregation', 'Aggregation', html`<p>There was nothing to aggregate.</p>`);
  const { electorate } = first;
  const agents = [...aggregation.byAgent];
  return section(
    'aggregation',
    'Aggregation',
    html`<p class="lead">Of ${count(electorate.pool)} distinct architectures with a screening score, ${count(electorate.members.length)} form the best of ${electorate.clusterSizes.length} ${electorate.clusterSizes.length === 1 ? 'cluster' : 'clusters'} (scores ${score(electorate.lowest)} to ${score(electorate.highest)}, mean ${score(electorate.mean)}). They come from ${first.provenance.size} ${first.provenance.size === 1 ? 'agent' : 'agents'}.</p>
<div class="patterns">${aggregation.patterns.map(overall)}</div>
<p class="note">Columns: share of the votes for each primitive, from the first layer on the left; below them the winner. N0 votes on each layer by itself; N1, N2 and N-all let only those vote who share the 1, 2 or all layers chosen before. A dot marks a tie that the voters' mean score decided.</p>
${evaluated(aggregation, findings)}
<h3>By agent, ${conditioningName(aggregation.conditioning)}</h3>
${table(
  [
    { head: 'agent', kind: 'name' },
    { head: 'pattern of its own nodes', kind: 'wide' },
    { head: 'voters', kind: 'number' },
    { head: 'of', kind: 'number' },
    { head: 'their mean', kind: 'number' },
  ],
  agents.map(([agent, pattern]) => [
    agent,
    html`${strip(pattern.architecture)}${runsMarkup(pattern.architecture)}`,
    count(pattern.electorate.members.length),
    count(pattern.electorate.pool),
    score(pattern.electorate.mean),
  ]),
)}`,
  );
}
