import { descending, group } from 'd3-array';
import type { ClaimRecord } from '../../../domain/claim.ts';
import { metricValue, type Rung } from '../../../domain/task.ts';
import { agreementSentence, marginOf, twoSigma } from '../../../statistics/index.ts';
import type { Block, Section, Text } from '../../page.ts';
import {
  candidateCell,
  candidateHead,
  candidateText,
  change,
  count,
  type MetricDirection,
  metric,
  score,
  shortened,
} from '../../texts.ts';
import { contestCells, floorsText, intervalText } from '../claims.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { basisName, type ComparisonRows, type Findings, meanOn, nodeName, scoresOn, verdictName } from '../findings.ts';
import { axisColumn, nameCell, scoreCells, sharedAxis } from './leaderboard.ts';

/** Comparisons with references on each rung and on the test set, what failed, and the record of the claims that follow. */

const outcomes = { better: 'good', worse: 'bad', even: null } as const;

function contestTable({ basis, contests }: ComparisonRows, direction: MetricDirection): Block {
  const contenders = [...new Set(contests.map(({ contender }) => contender))];
  return {
    block: 'table',
    columns: [
      { head: 'reference', kind: 'name' },
      { head: 'result', kind: 'text' },
      { head: 'difference', kind: 'number' },
      { head: 'interval', kind: 'number' },
      { head: 'std. error', kind: 'number' },
      { head: 'effect size (SD)', kind: 'number' },
      { head: 'reference mean', kind: 'number' },
    ],
    rows: contenders.flatMap((contender) => [
      { group: `${nodeName(contender)} (${contender.agent}), mean ${metric(meanOn(contender, basis), direction)}` },
      ...contests
        .filter((contest) => contest.contender === contender)
        .map((contest) => {
          const { comparison, floor } = contest;
          const as = floor || comparison.kind === 'unmeasured' ? null : outcomes[comparison.verdict];
          const [name = '', sentence = '', ...figures] = contestCells(contest, basis, direction);
          const cells: Text[] = [
            { node: contest.reference.id, text: name },
            as === null ? sentence : { text: sentence, as },
          ];
          return { contest: [...cells, ...figures] };
        }),
    ]),
  };
}

/** The differences with their intervals, as the metric has them: of errors and losses, below zero is better. */
function contestForest({ contests }: ComparisonRows, { lowerIsBetter }: MetricDirection): Block[] {
  const effects = contests.flatMap(({ contender, reference, comparison, floor }) => {
    if (comparison.kind === 'unmeasured') return [];
    const ends = comparison.interval.map((end) => metricValue(end, lowerIsBetter)).sort((a, b) => a - b);
    return [
      {
        name: `${nodeName(contender)} − ${nodeName(reference)}`,
        sub: `${count(comparison.n)} paired ${comparison.n === 1 ? 'seed' : 'seeds'}`,
        estimate: metricValue(comparison.difference, lowerIsBetter),
        low: ends[0] ?? null,
        high: ends[1] ?? null,
        verdict: floor && comparison.verdict === 'better' ? 'ahead, below a floor' : verdictName[comparison.verdict],
      },
    ];
  });
  const label = `difference, ${lowerIsBetter ? 'below' : 'above'} 0 is better`;
  return effects.length === 0 ? [] : [{ block: 'forest', label, effects }];
}

/** What few seeds cost: with two, an interval of ten comparisons reaches 127 standard errors. */
function reachSentence(contests: ComparisonRows['contests']): string {
  const measured = contests.flatMap(({ comparison }) => (comparison.kind === 'measured' ? [comparison] : []));
  const [fewest] = measured.toSorted((a, b) => a.n - b.n);
  if (!fewest) return '';
  const reach = marginOf(fewest) / fewest.standardError;
  return ` With ${fewest.n} paired seeds an interval reaches ${reach.toFixed(1)} standard errors; more seeds on the rung narrow it.`;
}

function method({ level, noise, prior, contests }: ComparisonRows): Block {
  const n = contests.length;
  const source = noise
    ? `Residual SD ${score(noise.sd)} after removing seed effects, estimated over ${noise.architectures} candidates with ${noise.degrees} degrees of freedom.`
    : prior
      ? `Each comparison has the noise of its own paired differences, moderated by that of all pairs (residual SD ${score(prior.sd)}, which counts for ${prior.degrees.toFixed(1)} degrees of freedom), since candidates differ in noise.`
      : 'Each comparison has the noise of its own paired differences, since candidates differ in noise.';
  const coverage =
    level === twoSigma
      ? ' (two standard errors for known noise)'
      : `, for simultaneous 95 % coverage of all ${n} (Bonferroni)`;
  return {
    block: 'text',
    as: 'note',
    text: `The finalist was selected on a lower rung and is judged here on fresh seeds. Both sides use the same seeds; differences are paired by seed. ${source} Intervals are Student t at ${(100 * level).toFixed(2)} % each${coverage}; a difference is significant if its interval excludes zero.${noise === null ? reachSentence(contests) : ''}`,
  };
}

/** Finalist and aggregate against the references, on validation. */
export function comparisonSection(data: ReportData, findings: Findings): Section {
  const { validation, references } = findings;
  const of = (blocks: readonly Block[]): Section => ({ id: 'references', title: 'Against the references', blocks });
  if (references.length === 0) return of([{ block: 'text', text: 'The search has no references to compare with.' }]);
  if (!validation) {
    return of([
      { block: 'text', text: 'No comparison: no finalist and reference have scores on the same upper rung.' },
    ]);
  }
  return of([
    { block: 'text', as: 'lead', text: `On ${basisName[validation.basis]}.` },
    ...contestForest(validation, data.search),
    contestTable(validation, data.search),
    method(validation),
  ]);
}

/** Scores on the hidden test set, which the search cannot see. */
export function testSection(data: ReportData, findings: Findings): Section {
  const { search } = data;
  const tested = data.nodes
    .filter((node) => scoresOn(node, 'test').length > 0)
    .toSorted((a, b) => (meanOn(b, 'test') as number) - (meanOn(a, 'test') as number));
  const of = (blocks: readonly Block[]): Section => ({ id: 'test', title: 'Hidden test set', blocks });
  if (tested.length === 0) return of([{ block: 'text', text: 'No test scores.' }]);
  const noise = findings.noise.test;
  const axis = sharedAxis(tested, 'test', noise);
  const floors = floorsText(data, 'test');
  const metrics = search.testMetric === search.metric ? '' : `, ${search.testMetric}`;
  return of([
    {
      block: 'text',
      as: 'lead',
      text: `No agent, scaffold or promotion could read these scores${metrics}. They come from the final rung, after training on the full train split.`,
    },
    ...(floors === null ? [] : [{ block: 'text', text: `Floors of the same rows: ${floors}.` } as const]),
    {
      block: 'table',
      columns: [
        { head: 'node', kind: 'name' },
        { head: candidateHead(search.space), kind: 'text' },
        { head: 'mean', kind: 'number' },
        { head: 'seeds', kind: 'number' },
        axisColumn('test score', axis, search),
      ],
      rows: tested.map((node) => [
        nameCell(node),
        candidateCell(node, search.primitives),
        ...scoreCells(node, 'test', noise, axis, search),
      ]),
    },
    ...(findings.test ? [contestTable(findings.test, search), method(findings.test)] : []),
  ]);
}

/** Every attempt without a score, by reason. */
export function failureSection(data: ReportData): Section {
  const unscored = data.nodes.filter(({ status }) => status !== 'evaluated' && status !== 'pending');
  const of = (block: Block): Section => ({ id: 'failures', title: 'Failures', blocks: [block] });
  if (unscored.length === 0) return of({ block: 'text', text: 'Every attempt has a score.' });
  const reasons = [...group(unscored, ({ status, reason }) => reason ?? status)].sort(([, a], [, b]) =>
    descending(a.length, b.length),
  );
  const exampleOf = (node: ReportNode | undefined): Text =>
    node
      ? [
          `${nodeName(node)} `,
          { text: candidateText(node.candidate, data.search.primitives), as: 'code' },
          ...(node.message === null ? [] : [{ text: shortened(node.message, 300), as: 'below' } as const]),
        ]
      : '';
  return of({
    block: 'table',
    columns: [
      { head: 'reason', kind: 'name' },
      { head: 'attempts', kind: 'number' },
      { head: 'agents' },
      { head: 'example', kind: 'text' },
    ],
    rows: reasons.map(([reason, nodes]) => [
      { text: reason, as: 'code' },
      count(nodes.length),
      [...new Set(nodes.map(({ agent }) => agent))].join(', '),
      exampleOf(nodes.find(({ message }) => message !== null) ?? nodes[0]),
    ]),
  });
}

/** How well cheap rungs predict the ranking on expensive ones, which the search relies on. */
export function rungSection(data: ReportData, findings: Findings): Section {
  const steps = [
    { lower: 'screen', upper: 'confirm', agreement: findings.screenToConfirm },
    { lower: 'screen', upper: 'final', agreement: findings.screenToFinal },
  ] as const;
  return {
    id: 'rungs',
    title: 'Agreement of the rungs',
    blocks: [
      {
        block: 'columns',
        columns: steps.map(({ lower, upper, agreement }) => [
          ...scatter(data, lower, upper),
          { block: 'text', as: 'note', text: agreementSentence(agreement, lower, upper) },
        ]),
      },
      ...(steps.some(({ agreement }) => agreement.n > 0)
        ? [
            {
              block: 'text',
              as: 'note',
              text: 'Only the best proposals are promoted, and within a narrow range noise dominates: the figures tend to understate how well a rung ranks all candidates.',
            } as const,
          ]
        : []),
    ],
  };
}

/** Proposals in one chart, the best of the upper rung: more would hide each other and make the file large. */
const maxMarks = 1000;

/** Scores of candidates on a cheap rung against an expensive one, by what they are. */
function scatter({ nodes, search }: ReportData, lower: Rung, upper: Rung): Block[] {
  const drawn = nodes
    .filter((node) => meanOn(node, lower) !== null && meanOn(node, upper) !== null)
    .toSorted((a, b) => descending(meanOn(a, upper) ?? 0, meanOn(b, upper) ?? 0));
  const left = Math.max(0, drawn.length - maxMarks);
  const kinds = ['proposal', 'reference', 'aggregate'] as const;
  const kindOf = ({ origin }: ReportNode) => (origin === 'reference' || origin === 'aggregate' ? origin : 'proposal');
  const series = kinds.map((kind, style) => ({
    ...{ name: `${kind}s`, style: style === 2 ? 3 : style, as: 'marks' as const },
    marks: drawn.slice(0, maxMarks).flatMap((node) => {
      const [x, y] = [meanOn(node, lower), meanOn(node, upper)];
      if (x === null || y === null || kindOf(node) !== kind) return [];
      const value = (fitness: number) => metricValue(fitness, search.lowerIsBetter);
      return [{ x: value(x), y: value(y), note: `${nodeName(node)} ${metric(y, search)}` }];
    }),
  }));
  const present = series.filter(({ marks }) => marks.length > 0);
  if (present.length === 0) return [];
  return [
    {
      block: 'chart',
      series: present,
      x: `score on the ${lower} rung`,
      y: `${upper} rung`,
      summary: `${upper} against ${lower}`,
    },
    ...(left > 0
      ? [
          {
            block: 'text',
            as: 'note',
            text: `The best ${count(maxMarks)} of ${count(drawn.length)} are drawn.`,
          } as const,
        ]
      : []),
  ];
}

/** `2001 to 2005` for seeds without a gap, else one by one. */
function seedsText(seeds: readonly number[]): string {
  const [first = 0] = seeds;
  const last = seeds.at(-1) ?? first;
  if (seeds.length === 0) return 'none';
  if (seeds.length > 2 && last - first === seeds.length - 1) return `${first} to ${last}`;
  return seeds.join(', ');
}

/** The record of a report's claims (I11), for people and for `aira audit`; `readClaims` reads it back. */
export function claimSection(record: ClaimRecord, direction: MetricDirection): Section {
  const { comparisons } = record;
  return {
    id: 'claims',
    title: 'Claims',
    blocks: [
      {
        block: 'text',
        as: 'note',
        text: [
          'Sentences, verdicts and intervals of the report, with nodes and seeds. ',
          { text: `aira audit ${record.search}`, as: 'code' },
          ' derives them from the archive again and compares.',
        ],
      },
      ...(comparisons.length === 0
        ? []
        : [
            {
              block: 'table',
              columns: [
                { head: 'node', kind: 'name' },
                { head: 'against', kind: 'name' },
                { head: 'on', kind: 'text' },
                { head: 'verdict', kind: 'name' },
                { head: 'difference', kind: 'number' },
                { head: 'interval', kind: 'number' },
                { head: 'coverage', kind: 'number' },
                { head: 'seeds', kind: 'text' },
              ],
              rows: comparisons.map(({ basis, contender, reference, verdict, seeds, difference, interval, level }) => [
                { node: contender },
                { node: reference },
                basisName[basis],
                verdictName[verdict],
                difference === null ? '–' : change(difference, direction),
                interval === null ? '–' : intervalText(interval, direction),
                `${(100 * level).toFixed(2)} %`,
                [`${count(seeds.length)}: ${seedsText(seeds)}`],
              ]),
            } as const,
          ]),
      {
        block: 'fold',
        summary: `${comparisons.length} comparisons as JSON`,
        blocks: [{ block: 'pre', text: JSON.stringify(record), record: true }],
      },
    ],
  };
}
