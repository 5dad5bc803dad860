import { twoSigma } from '../../statistics/acceptance.ts';
import { candidateCell, candidateHead } from '../candidate.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { basisName, type Contests, type Findings, meanOn, nodeName, scoresOn } from '../findings.ts';
import { change, metric, type Reading, score } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { contestSentence } from '../sentences.ts';
import { groupRow, section, table } from '../table.ts';
import { axisHead, nameCell, scoreCells, sharedAxis } from './leaderboard.ts';

/** The ends of an interval of differences, the lower of the metric first. */
function intervalText([low, high]: readonly [number, number], reading: Reading): string {
  const ends = [change(low, reading), change(high, reading)];
  return (reading.lowerIsBetter ? ends.reverse() : ends).join(' … ');
}

function contestTable({ basis, contests }: Contests, reading: Reading): Markup {
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

function method({ level, noise, contests }: Contests): Markup {
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
