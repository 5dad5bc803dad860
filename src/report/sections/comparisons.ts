import { descending, group } from 'd3-array';
import type { Rung } from '../../domain/task.ts';
import { agreementSentence, marginOf, twoSigma } from '../../statistics/index.ts';
import {
  basisName,
  type ComparisonRows,
  contestCells,
  count,
  type Findings,
  floorsText,
  type MetricDirection,
  meanOn,
  metric,
  nodeName,
  type ReportData,
  type ReportNode,
  score,
  scoresOn,
  shortened,
} from '../../views/index.ts';
import { candidateCell, candidateHead, candidateText } from '../candidate.ts';
import { framed, metricScale, px, scale } from '../charts/scale.ts';
import { groupRow, html, type Markup, section, table } from '../markup.ts';
import { axisHead, nameCell, scoreCells, sharedAxis } from './leaderboard.ts';

function contestTable({ basis, contests }: ComparisonRows, direction: MetricDirection): Markup {
  const contenders = [...new Set(contests.map(({ contender }) => contender))];
  return table(
    [
      { head: 'reference', kind: 'name' },
      { head: 'result', kind: 'wide' },
      { head: 'difference', kind: 'number' },
      { head: 'interval', kind: 'number' },
      { head: 'std. error', kind: 'number' },
      { head: 'effect size (SD)', kind: 'number' },
      { head: 'reference mean', kind: 'number' },
    ],
    contenders.flatMap((contender) => [
      groupRow(7, `${nodeName(contender)} (${contender.agent}), mean ${metric(meanOn(contender, basis), direction)}`),
      ...contests
        .filter((contest) => contest.contender === contender)
        .map((contest) => {
          const { comparison } = contest;
          const verdict = contest.floor ? 'even' : comparison.kind === 'measured' ? comparison.verdict : '';
          const [name, sentence, ...figures] = contestCells(contest, basis, direction);
          const cells = figures.map((cell) => html`<td class="number">${cell}</td>`);
          return html`<tr class="contest"><td class="name">${name}</td><td class="wide"><span class="outcome ${verdict}">${sentence}</span></td>${cells}</tr>`;
        }),
    ]),
  );
}

/** What few seeds cost: with two, an interval of ten comparisons reaches 127 standard errors. */
function reachSentence(contests: ComparisonRows['contests']): string {
  const measured = contests.flatMap(({ comparison }) => (comparison.kind === 'measured' ? [comparison] : []));
  const [fewest] = measured.toSorted((a, b) => a.n - b.n);
  if (!fewest) return '';
  const reach = marginOf(fewest) / fewest.standardError;
  return ` With ${fewest.n} paired seeds an interval reaches ${reach.toFixed(1)} standard errors; more seeds on the rung narrow it.`;
}

function method({ level, noise, prior, contests }: ComparisonRows): Markup {
  const n = contests.length;
  return html`<p class="note">The finalist was selected on a lower rung and is judged here on fresh seeds. Both sides use the same seeds; differences are paired by seed. ${
    noise
      ? `Residual SD ${score(noise.sd)} after removing seed effects, estimated over ${noise.architectures} candidates with ${noise.degrees} degrees of freedom.`
      : prior
        ? `Each comparison has the noise of its own paired differences, moderated by that of all pairs (residual SD ${score(prior.sd)}, which counts for ${prior.degrees.toFixed(1)} degrees of freedom), since candidates differ in noise.`
        : 'Each comparison has the noise of its own paired differences, since candidates differ in noise.'
  } Intervals are Student t at ${(100 * level).toFixed(2)} % each${level === twoSigma ? ' (two standard errors for known noise)' : `, for simultaneous 95 % coverage of all ${n} (Bonferroni)`}; a difference is significant if its interval excludes zero.${noise === null ? reachSentence(contests) : ''}</p>`;
}

/** Finalist and aggregate against the references, on validation. */
export function comparisonSection(data: ReportData, findings: Findings): Markup {
  const { validation, references } = findings;
  const title = 'Against the references';
  if (references.length === 0)
    return section('references', title, html`<p>The search has no references to compare with.</p>`);
  if (!validation) {
    return section(
      'references',
      title,
      html`<p>No comparison: no finalist and reference have scores on the same upper rung.</p>`,
    );
  }
  return section(
    'references',
    title,
    html`<p class="lead">On ${basisName[validation.basis]}.</p>${contestTable(validation, data.search)}${method(validation)}`,
  );
}

/** Scores on the hidden test set, which the search cannot see. */
export function testSection(data: ReportData, findings: Findings): Markup {
  const tested = data.nodes
    .filter((node) => scoresOn(node, 'test').length > 0)
    .toSorted((a, b) => (meanOn(b, 'test') as number) - (meanOn(a, 'test') as number));
  const title = 'Hidden test set';
  if (tested.length === 0) return section('test', title, html`<p>No test scores.</p>`);
  const noise = findings.noise.test;
  const axis = sharedAxis(tested, 'test', noise);
  const floors = floorsText(data, 'test');
  const row = (node: ReportNode) => [
    nameCell(node),
    candidateCell(node, data.search.primitives),
    ...scoreCells(node, 'test', noise, axis, data.search),
  ];
  return section(
    'test',
    title,
    html`<p class="lead">No agent, scaffold or promotion could read these scores${data.search.testMetric === data.search.metric ? '' : `, ${data.search.testMetric}`}. They come from the final rung, after training on the full train split.</p>
${floors === null ? null : html`<p>Floors of the same rows: ${floors}.</p>`}
${table(
  [
    { head: 'node', kind: 'name' },
    { head: candidateHead(data.search.space), kind: 'wide' },
    { head: 'mean', kind: 'number' },
    { head: 'seeds', kind: 'number' },
    { head: axisHead('test score', axis, data.search) },
  ],
  tested.map(row),
)}
${findings.test ? html`${contestTable(findings.test, data.search)}${method(findings.test)}` : null}`,
  );
}

/** Every attempt without a score, by reason. */
export function failureSection(data: ReportData): Markup {
  const unscored = data.nodes.filter(({ status }) => status !== 'evaluated' && status !== 'pending');
  if (unscored.length === 0) return section('failures', 'Failures', html`<p>Every attempt has a score.</p>`);
  const reasons = [...group(unscored, ({ status, reason }) => reason ?? status)].sort(([, a], [, b]) =>
    descending(a.length, b.length),
  );
  return section(
    'failures',
    'Failures',
    table(
      [
        { head: 'reason', kind: 'name' },
        { head: 'attempts', kind: 'number' },
        { head: 'agents' },
        { head: 'example', kind: 'wide' },
      ],
      reasons.map(([reason, nodes]) => {
        const example = nodes.find(({ message }) => message !== null) ?? nodes[0];
        return [
          html`<code>${reason}</code>`,
          count(nodes.length),
          [...new Set(nodes.map(({ agent }) => agent))].join(', '),
          example
            ? html`${nodeName(example)} <code>${candidateText(example.candidate, data.search.primitives)}</code>${example.message === null ? null : html`<br>${shortened(example.message, 300)}`}`
            : null,
        ];
      }),
    ),
  );
}

function pointsOf(data: ReportData, lower: Rung, upper: Rung): ScatterPoint[] {
  return data.nodes.flatMap((node) => {
    const x = meanOn(node, lower);
    const y = meanOn(node, upper);
    if (x === null || y === null) return [];
    const kind = node.origin === 'reference' || node.origin === 'aggregate' ? node.origin : 'proposal';
    return [{ name: nodeName(node), x, y, kind } as const];
  });
}

const note = html`<p class="note">Only the best proposals are promoted, and within a narrow range noise dominates: the figures tend to understate how well a rung ranks all candidates. Circles: proposals; squares: references; diamond: aggregate.</p>`;

/** How well cheap rungs predict the ranking on expensive ones, which the search relies on. */
export function rungSection(data: ReportData, findings: Findings): Markup {
  const steps = [
    { lower: 'screen', upper: 'confirm', agreement: findings.screenToConfirm },
    { lower: 'screen', upper: 'final', agreement: findings.screenToFinal },
  ] as const;
  return section(
    'rungs',
    'Agreement of the rungs',
    html`<div class="pair">${steps.map(({ lower, upper, agreement }) => {
      const points = pointsOf(data, lower, upper);
      return html`<figure>${points.length > 0 ? scatter(points, lower, upper, data.search) : null}<figcaption>${agreementSentence(agreement, lower, upper)}</figcaption></figure>`;
    })}</div>
${steps.some(({ agreement }) => agreement.n > 0) ? note : null}`,
  );
}

/** A candidate's scores on two rungs. */
export interface ScatterPoint {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly kind: 'proposal' | 'reference' | 'aggregate';
}

const frame = { width: 420, height: 320, left: 56, right: 16, top: 34, bottom: 42 } as const;

function mark({ name, kind }: ScatterPoint, x: number, y: number): Markup {
  const title = html`<title>${name}</title>`;
  if (kind === 'reference')
    return html`<rect class="dot reference" x="${px(x - 4)}" y="${px(y - 4)}" width="8" height="8">${title}</rect>`;
  if (kind === 'aggregate') {
    return html`<path class="dot aggregate" d="M${px(x)} ${px(y - 6)}L${px(x + 6)} ${px(y)}L${px(x)} ${px(y + 6)}L${px(x - 6)} ${px(y)}Z">${title}</path>`;
  }
  return html`<circle class="dot" cx="${px(x)}" cy="${px(y)}" r="4">${title}</circle>`;
}

/** Scores on a cheap rung against an expensive one: circles for proposals, squares for references, a diamond for the aggregate. */
export function scatter(
  points: readonly ScatterPoint[],
  lower: string,
  upper: string,
  direction: MetricDirection = { lowerIsBetter: false },
): Markup {
  const x = scale(
    points.map((point) => point.x),
    [frame.left, frame.width - frame.right],
    5,
  );
  const y = scale(
    points.map((point) => point.y),
    [frame.height - frame.bottom, frame.top],
    5,
  );
  return framed(
    frame,
    metricScale(x, direction),
    metricScale(y, direction),
    { title: `${upper} against ${lower}`, x: `score on the ${lower} rung`, y: `${upper} rung` },
    points.map((point) => mark(point, x(point.x), y(point.y))),
  );
}
