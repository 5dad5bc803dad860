import type { Conditioning, Extrapolation, Pattern } from '../../aggregation/index.ts';
import { composition, inOrder, type Primitive, runLengthText } from '../../domain/architecture.ts';
import { summarise } from '../../statistics/index.ts';
import {
  basisName,
  billions,
  count,
  meanOn,
  mebibytes,
  millions,
  type ReportAggregation,
  type ReportData,
  type ReportNode,
  score,
  scoresOn,
  signedPercent,
} from '../../views/index.ts';
import { runsMarkup } from '../candidate.ts';
import { strip, votes } from '../charts/strip.ts';
import { groupRow, html, type Markup, section, table } from '../markup.ts';

const conditioningName = (conditioning: Conditioning): string =>
  conditioning === 'all' ? 'N-all' : `N${conditioning}`;

function layerCounts(pattern: Pattern): string {
  return Object.entries(composition(pattern.architecture))
    .map(([primitive, layers]) => `${layers} ${primitive}`)
    .join(', ');
}

function overall(pattern: Pattern): Markup {
  return html`<figure><figcaption><b>${conditioningName(pattern.conditioning)}</b> <code>${runLengthText(pattern.architecture)}</code> ${layerCounts(pattern)}</figcaption>${votes(pattern)}</figure>`;
}

/** The scores of one aggregate. */
function evaluated(conditioning: Conditioning, node: ReportNode): Markup {
  const name = conditioningName(conditioning);
  const figures = (['screen', 'confirm', 'final'] as const).flatMap((basis) => {
    const summary = summarise(scoresOn(node, basis));
    return summary
      ? [`${score(summary.mean)} over ${summary.n} ${summary.n === 1 ? 'seed' : 'seeds'} (${basisName[basis]})`]
      : [];
  });
  const source = meanOn(node, 'final') === null ? '' : ' See above for its comparisons with the references.';
  return html`<p>The ${name} pattern was evaluated as node ${node.id}: ${figures.length > 0 ? `${figures.join('; ')}.${source}` : `no score (${node.reason ?? node.status}).`}</p>`;
}

/** Which patterns were trained, and what they scored. */
function trained({ patterns, conditioning: basic }: ReportAggregation, { nodes }: ReportData): Markup[] {
  const aggregates = nodes.filter(({ origin }) => origin === 'aggregate');
  const lines = patterns.flatMap(({ conditioning }, place) => {
    const node = aggregates.find(({ id }) => id === `aggregate-${place + 1}`);
    return node ? [evaluated(conditioning, node)] : [];
  });
  return lines.length > 0 ? lines : [html`<p>The ${conditioningName(basic)} pattern has not been evaluated.</p>`];
}

/** What the best architectures of all agents have in common, layer by layer. */
export function aggregationSection(data: ReportData): Markup {
  const { aggregation } = data;
  const first = aggregation?.patterns[0];
  if (!aggregation || !first)
    return section('aggregation', 'Aggregation', html`<p>There are no scored architectures to aggregate.</p>`);
  const { electorate } = first;
  const agents = [...aggregation.byAgent];
  return section(
    'aggregation',
    'Aggregation',
    html`<p class="lead">Of ${count(electorate.pool)} distinct architectures with a screening score, ${count(electorate.members.length)} form the best of ${electorate.clusterSizes.length} ${electorate.clusterSizes.length === 1 ? 'cluster' : 'clusters'} (scores ${score(electorate.lowest)} to ${score(electorate.highest)}, mean ${score(electorate.mean)}). They come from ${first.provenance.size} ${first.provenance.size === 1 ? 'agent' : 'agents'}.</p>
<div class="patterns">${aggregation.patterns.map(overall)}</div>
<p class="note">Columns: share of votes per primitive, input layer on the left; below them the winner. N0 votes on each layer independently; in N1, N2 and N-all only those vote that share the previous 1, 2 or all chosen layers. <code>ladder.aggregates</code> says how many of N0, N1 and N2 are trained; a pattern that an earlier one has already is not trained again. A dot marks a tie decided by the voters' mean score.</p>
${trained(aggregation, data)}
<h3>By agent, ${conditioningName(aggregation.conditioning)}</h3>
${table(
  [
    { head: 'agent', kind: 'name' },
    { head: 'pattern of the agent’s nodes', kind: 'wide' },
    { head: 'voters', kind: 'number' },
    { head: 'pool', kind: 'number' },
    { head: 'voters’ mean', kind: 'number' },
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

const ruleName: Readonly<Record<Exclude<Extrapolation['rule'], 'reference'>, string>> = {
  stretch: 'stretched',
  stack: 'stacked',
};

const rowName = ({ rule, rounding, reference }: Extrapolation): string =>
  rule === 'reference' ? (reference ?? '') : `${ruleName[rule]}${rounding === 'nearest' ? ', nearest fit' : ''}`;

function row(each: Extrapolation, primitives: readonly Primitive[]) {
  return [
    rowName(each),
    html`${strip(each.architecture)}${each.rule === 'reference' ? null : runsMarkup(each.architecture)}`,
    count(each.architecture.length),
    ...primitives.map((primitive) => count(each.layers[primitive] ?? 0)),
    millions(each.parameters),
    signedPercent(each.overTarget),
    billions(each.trainingFlopsPerToken),
    mebibytes(each.cacheBytes),
  ];
}

/** The patterns at sizes worth training, and their cost there. */
export function extrapolationSection(data: ReportData): Markup {
  if (data.extrapolations.length === 0) {
    return section('extrapolation', 'At full size', html`<p>No pattern to extrapolate.</p>`);
  }
  return section(
    'extrapolation',
    'At full size',
    html`${data.extrapolations.map(({ label, pattern, rows }) => {
      const sizes = [...new Set(rows.map(({ size }) => size))];
      const primitives = inOrder(rows.flatMap(({ layers }) => Object.keys(layers)));
      return html`<h3>${label} <code>${runLengthText(pattern)}</code></h3>${table(
        [
          { head: 'rule', kind: 'name' },
          { head: 'architecture', kind: 'wide' },
          { head: 'layers', kind: 'number' },
          ...primitives.map((head) => ({ head, kind: 'number' as const })),
          { head: 'params, M', kind: 'number' },
          { head: 'over target', kind: 'number' },
          { head: 'train GFLOP/token', kind: 'number' },
          { head: 'cache, MiB', kind: 'number' },
        ],
        sizes.flatMap((size) => [
          groupRow(7 + primitives.length, size),
          ...rows.filter((each) => each.size === size).map((each) => row(each, primitives)),
        ]),
      )}`;
    })}
<p class="note">Stretching lengthens every run; stacking repeats the pattern and stretches the remainder. The target is the non-embedding parameters of the first row of each size. Both published rules round every run up, so patterns of many short runs overshoot it; the nearest fit rounds by largest remainders. Compare architectures of equal parameters. Training FLOPs and inference cache (bfloat16, one sequence) are for ${count(data.extrapolations[0]?.rows[0]?.context ?? 0)} tokens. Nothing here has been trained at these sizes.</p>`,
  );
}
