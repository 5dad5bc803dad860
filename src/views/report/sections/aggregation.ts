import type { Conditioning, Extrapolation, Pattern } from '../../../aggregation/index.ts';
import { composition, inOrder, type Primitive, primitiveText, runLengthText } from '../../../domain/architecture.ts';
import { summarise } from '../../../statistics/index.ts';
import type { Block, Section, Text } from '../../page.ts';
import { billions, count, mebibytes, millions, score, signedPercent } from '../../texts.ts';
import type { ReportAggregation, ReportData, ReportNode } from '../data.ts';
import { basisName, meanOn, scoresOn } from '../findings.ts';

const conditioningName = (conditioning: Conditioning): string =>
  conditioning === 'all' ? 'N-all' : `N${conditioning}`;

function layerCounts(pattern: Pattern): string {
  return Object.entries(composition(pattern.architecture))
    .map(([primitive, layers]) => `${layers} ${primitive}`)
    .join(', ');
}

/** The vote of one conditioning. */
function overall(pattern: Pattern, { search }: ReportData): Block[] {
  const { conditioning, architecture, layers } = pattern;
  return [
    {
      block: 'text',
      as: 'note',
      text: [
        { text: conditioningName(conditioning), as: 'strong' },
        ' ',
        { text: runLengthText(architecture), as: 'code' },
        ` ${layerCounts(pattern)}`,
      ],
    },
    {
      block: 'votes',
      label: `votes per layer, ${conditioningName(conditioning)}`,
      layers: layers.map(({ winner, votes, voters, tied }) => ({
        winner,
        voters,
        tied,
        votes: Object.entries(votes).map(([name, each]) => ({
          ...{ name, votes: each, title: primitiveText(name, search.primitives).title },
        })),
      })),
    },
  ];
}

/** The scores of one aggregate. */
function evaluated(conditioning: Conditioning, node: ReportNode): Block {
  const name = conditioningName(conditioning);
  const figures = (['screen', 'confirm', 'final'] as const).flatMap((basis) => {
    const summary = summarise(scoresOn(node, basis));
    return summary
      ? [`${score(summary.mean)} over ${summary.n} ${summary.n === 1 ? 'seed' : 'seeds'} (${basisName[basis]})`]
      : [];
  });
  const source = meanOn(node, 'final') === null ? '' : ' It is compared with the references like the finalist.';
  return {
    block: 'text',
    text: [
      `The ${name} pattern was evaluated as node `,
      { node: node.id },
      `: ${figures.length > 0 ? `${figures.join('; ')}.${source}` : `no score (${node.reason ?? node.status}).`}`,
    ],
  };
}

/** Which patterns were trained, and what they scored. */
function trained({ patterns, conditioning: basic }: ReportAggregation, { nodes }: ReportData): Block[] {
  const aggregates = nodes.filter(({ origin }) => origin === 'aggregate');
  const lines = patterns.flatMap(({ conditioning }, place) => {
    const node = aggregates.find(({ id }) => id === `aggregate-${place + 1}`);
    return node ? [evaluated(conditioning, node)] : [];
  });
  if (lines.length > 0) return lines;
  return [{ block: 'text', text: `The ${conditioningName(basic)} pattern has not been evaluated.` }];
}

/** What the best architectures of all agents have in common, layer by layer. */
export function aggregationSection(data: ReportData): Section {
  const { aggregation } = data;
  const first = aggregation?.patterns[0];
  const of = (blocks: readonly Block[]): Section => ({ id: 'aggregation', title: 'Aggregation', blocks });
  if (!aggregation || !first) {
    const why =
      data.search.space.kind === 'stack'
        ? 'There are no scored architectures to aggregate.'
        : 'Programs have no layers to vote on: only architectures are aggregated.';
    return of([{ block: 'text', text: why }]);
  }
  const { electorate, provenance } = first;
  const clusters = electorate.clusterSizes.length;
  return of([
    {
      block: 'text',
      as: 'lead',
      text: `Of ${count(electorate.pool)} distinct architectures with a screening score, ${count(electorate.members.length)} form the best of ${clusters} ${clusters === 1 ? 'cluster' : 'clusters'} (scores ${score(electorate.lowest)} to ${score(electorate.highest)}, mean ${score(electorate.mean)}). They come from ${provenance.size} ${provenance.size === 1 ? 'agent' : 'agents'}.`,
    },
    { block: 'columns', columns: aggregation.patterns.map((pattern) => overall(pattern, data)) },
    {
      block: 'text',
      as: 'note',
      text: [
        'Columns: share of votes per primitive, input layer on the left; below them the winner. N0 votes on each layer independently; in N1, N2 and N-all only those vote that share the previous 1, 2 or all chosen layers. ',
        { text: 'ladder.aggregates', as: 'code' },
        " says how many of N0, N1 and N2 are trained; a pattern that an earlier one has already is not trained again. A dot marks a tie decided by the voters' mean score.",
      ],
    },
    ...trained(aggregation, data),
    { block: 'heading', text: `By agent, ${conditioningName(aggregation.conditioning)}` },
    {
      block: 'table',
      columns: [
        { head: 'agent', kind: 'name' },
        { head: 'pattern of the agent’s nodes', kind: 'text' },
        { head: 'voters', kind: 'number' },
        { head: 'pool', kind: 'number' },
        { head: 'voters’ mean', kind: 'number' },
      ],
      rows: [...aggregation.byAgent].map(([agent, { architecture, electorate: own }]) => [
        { agent },
        { stack: runLengthText(architecture), runs: true },
        count(own.members.length),
        count(own.pool),
        score(own.mean),
      ]),
    },
  ]);
}

const ruleName: Readonly<Record<Exclude<Extrapolation['rule'], 'reference'>, string>> = {
  stretch: 'stretched',
  stack: 'stacked',
};

const rowName = ({ rule, rounding, reference }: Extrapolation): string =>
  rule === 'reference' ? (reference ?? '') : `${ruleName[rule]}${rounding === 'nearest' ? ', nearest fit' : ''}`;

function row(each: Extrapolation, primitives: readonly Primitive[]): Text[] {
  return [
    rowName(each),
    { stack: runLengthText(each.architecture), runs: each.rule !== 'reference' },
    count(each.architecture.length),
    ...primitives.map((primitive) => count(each.layers[primitive] ?? 0)),
    millions(each.parameters),
    signedPercent(each.overTarget),
    billions(each.trainingFlopsPerToken),
    mebibytes(each.cacheBytes),
  ];
}

/** The patterns at sizes worth training, and their cost there. */
export function extrapolationSection({ extrapolations }: Pick<ReportData, 'extrapolations'>): Section {
  const of = (blocks: readonly Block[]): Section => ({ id: 'extrapolation', title: 'At full size', blocks });
  if (extrapolations.length === 0) return of([{ block: 'text', text: 'No pattern to extrapolate.' }]);
  return of([
    ...extrapolations.flatMap(({ label, pattern, rows }): Block[] => {
      const sizes = [...new Set(rows.map(({ size }) => size))];
      const primitives = inOrder(rows.flatMap(({ layers }) => Object.keys(layers)));
      return [
        { block: 'heading', text: [`${label} `, { text: runLengthText(pattern), as: 'code' }] },
        {
          block: 'table',
          columns: [
            { head: 'rule', kind: 'name' },
            { head: 'architecture', kind: 'text' },
            { head: 'layers', kind: 'number' },
            ...primitives.map((head) => ({ head, kind: 'number' as const })),
            { head: 'params, M', kind: 'number' },
            { head: 'over target', kind: 'number' },
            { head: 'train GFLOP/token', kind: 'number' },
            { head: 'cache, MiB', kind: 'number' },
          ],
          rows: sizes.flatMap((size) => [
            { group: size },
            ...rows.filter((each) => each.size === size).map((each) => row(each, primitives)),
          ]),
        },
      ];
    }),
    {
      block: 'text',
      as: 'note',
      text: `Stretching lengthens every run; stacking repeats the pattern and stretches the remainder. The target is the non-embedding parameters of the first row of each size. Both published rules round every run up, so patterns of many short runs overshoot it; the nearest fit rounds by largest remainders. Compare architectures of equal parameters. Training FLOPs and inference cache (bfloat16, one sequence) are for ${count(extrapolations[0]?.rows[0]?.context ?? 0)} tokens. Nothing here has been trained at these sizes.`,
    },
  ]);
}
