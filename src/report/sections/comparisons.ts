import { descending, group } from 'd3-array';
import type { Rung } from '../../domain/task.ts';
import { agreementSentence, twoSigma } from '../../statistics/index.ts';
import { candidateCell, candidateHead, candidateText } from '../candidate.ts';
import { framed, px, read, scale } from '../charts/scale.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { basisName, type ComparisonRows, type Findings, meanOn, nodeName, scoresOn } from '../findings.ts';
import { change, count, type MetricDirection, metric, score, shortened } from '../format.ts';
import { groupRow, html, type Markup, section, table } from '../markup.ts';
import { contestSentence } from '../sentences.ts';
import { axisHead, nameCell, scoreCells, sharedAxis } from './leaderboard.ts';

/** The ends of an interval of differences, the lower of the metric first. */
function intervalText([low, high]: readonly [number, number], reading: MetricDirection): string {
  const ends = [change(low, reading), change(high, reading)];
  return (reading.lowerIsBetter ? ends.reverse() : ends).join(' … ');
}

function contestTable({ basis, contests }: ComparisonRows, reading: MetricDirection): Markup {
  const contenders = [...new Set(contests.map(({ contender }) => contender))];
  return table(
    [
      { head: 'reference', kind: 'name' },
      { head: 'what can be said', kind: 'wide' },
      { head: 'difference', kind: 'number' },
      { head: 'interval', kind: 'number' },
      { head: 'std. error', kind: 'number' },
      { head: 'in sd', kind: 'number' },
      { head: 'its mean', kind: 'number' },
    ],
    contenders.flatMap((contender) => [
      groupRow(7, `${nodeName(contender)} (${contender.agent}), mean ${metric(meanOn(contender, basis), reading)}`),
      ...contests
        .filter((contest) => contest.contender === contender)
        .map((contest) => {
          const { comparison, reference } = contest;
          const name = nodeName(reference);
          const mean = metric(meanOn(reference, basis), reading);
          const sentence = contestSentence(contest);
          if (comparison.kind === 'unmeasured') return [name, sentence, '–', '–', '–', '–', mean];
          const { difference, standardError, effect, interval, verdict } = comparison;
          return [
            name,
            html`<span class="said ${verdict}">${sentence}</span>`,
            change(difference, reading),
            intervalText(interval, reading),
            score(standardError),
            `${effect < 0 ? '−' : '+'}${Math.abs(effect).toFixed(1)}`,
            mean,
          ];
        }),
    ]),
  );
}

function method({ level, noise, contests }: ComparisonRows): Markup {
  const n = contests.length;
  return html`<p class="note">The finalist was chosen on a lower rung, so this rung judges it on fresh seeds. Seeds are the same for both sides and differences are taken seed by seed. ${
    noise
      ? `One training moves by ${score(noise.sd)} (sd) beside what its seed does to all candidates, estimated over ${noise.architectures} candidates with ${noise.degrees} degrees of freedom.`
      : 'The noise is that of the differences of each pair, for want of more candidates on the same seeds.'
  } Intervals are Student t at ${(100 * level).toFixed(2)} % each${level === twoSigma ? ', two standard errors where the noise is well known' : `, so that all ${n} hold together with 95 %`}; a difference counts where its interval excludes zero.</p>`;
}

/** Finalist and aggregate against the known architectures, on validation. */
export function comparisonSection(data: ReportData, findings: Findings): Markup {
  const { validation, references } = findings;
  const title = 'Against the references';
  if (references.length === 0)
    return section('references', title, html`<p>The search had nothing to compare with.</p>`);
  if (!validation) {
    return section(
      'references',
      title,
      html`<p>No finalist and reference were scored on the same upper rung, so nothing can be compared.</p>`,
    );
  }
  return section(
    'references',
    title,
    html`<p class="lead">On ${basisName[validation.basis]}.</p>${contestTable(validation, data.search)}${method(validation)}`,
  );
}

/** The hidden test set, which nothing in the search could see. */
export function testSection(data: ReportData, findings: Findings): Markup {
  const tested = data.nodes
    .filter((node) => scoresOn(node, 'test').length > 0)
    .toSorted((a, b) => (meanOn(b, 'test') as number) - (meanOn(a, 'test') as number));
  const title = 'Hidden test set';
  if (tested.length === 0) return section('test', title, html`<p>Nothing was scored on the test set.</p>`);
  const noise = findings.noise.test;
  const axis = sharedAxis(tested, 'test', noise);
  const row = (node: ReportNode) => [
    nameCell(node),
    candidateCell(node),
    ...scoreCells(node, 'test', noise, axis, data.search),
  ];
  return section(
    'test',
    title,
    html`<p class="lead">These figures steered nothing: no agent, scaffold or promotion could read them. They were made on the final rung, after training on all of the train split.</p>
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

/** Every attempt that gave no score, by reason. */
export function failureSection(data: ReportData): Markup {
  const lost = data.nodes.filter(({ status }) => status !== 'evaluated' && status !== 'pending');
  if (lost.length === 0) return section('failures', 'Failures', html`<p>Every attempt gave a score.</p>`);
  const reasons = [...group(lost, ({ status, reason }) => reason ?? status)].sort(([, a], [, b]) =>
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
        { head: 'for example', kind: 'wide' },
      ],
      reasons.map(([reason, nodes]) => {
        const example = nodes.find(({ message }) => message !== null) ?? nodes[0];
        return [
          html`<code>${reason}</code>`,
          count(nodes.length),
          [...new Set(nodes.map(({ agent }) => agent))].join(', '),
          example
            ? html`${nodeName(example)} <code>${candidateText(example.candidate)}</code>${example.message === null ? null : html`<br>${shortened(example.message, 300)}`}`
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

const note = html`<p class="note">Of the proposals only the best are promoted, and within so narrow a range noise weighs more: the figures tend to understate how well a rung orders all candidates. Circles: proposals; squares: references; diamond: aggregate.</p>`;

/** Whether the cheap rungs order candidates as the dear ones do, which is what a search on cheap rungs relies on. */
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

/** One architecture on two rungs. */
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

/** Scores on a cheap rung against those on a dear one: circles for proposals, squares for references, a diamond for the aggregate. */
export function scatter(
  points: readonly ScatterPoint[],
  lower: string,
  upper: string,
  reading: MetricDirection = { lowerIsBetter: false },
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
    read(x, reading),
    read(y, reading),
    { title: `${upper} against ${lower}`, x: `score on the ${lower} rung`, y: `${upper} rung` },
    points.map((point) => mark(point, x(point.x), y(point.y))),
  );
}
