import { candidateMarkup } from '../candidate.ts';
import type { ReportData, ReportNode } from '../data.ts';
import { basisName, type Contests, type Findings, meanOn, nodeName, scoresOn } from '../findings.ts';
import { score, signed } from '../format.ts';
import { html, type Markup } from '../markup.ts';
import { contestSentence } from '../sentences.ts';
import { groupRow, section, table } from '../table.ts';
import { axisHead, nameCell, scoreCells, sharedAxis } from './leaderboard.ts';

function contestTable({ basis, contests }: Contests): Markup {
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
      groupRow(7, `${nodeName(contender)} (${contender.agent}), mean ${score(meanOn(contender, basis))}`),
      ...contests
        .filter((contest) => contest.contender === contender)
        .map((contest) => {
          const { comparison, reference } = contest;
          const name = nodeName(reference);
          const mean = score(meanOn(reference, basis));
          const sentence = contestSentence(contest);
          if (comparison.kind === 'unmeasured') return [name, sentence, '–', '–', '–', '–', mean];
          const { difference, standardError, effect, interval, verdict } = comparison;
          return [
            name,
            html`<span class="said ${verdict}">${sentence}</span>`,
            signed(difference),
            `${signed(interval[0])} … ${signed(interval[1])}`,
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
      ? `One training moves by ${score(noise.sd)} (sd) beside what its seed does to all architectures, estimated over ${noise.architectures} architectures with ${noise.degrees} degrees of freedom.`
      : 'The noise is that of the differences of each pair, for want of more architectures on the same seeds.'
  } Intervals are Student t at ${(100 * level).toFixed(2)} % each, so that all ${n} hold together with 95 %; a difference counts where its interval excludes zero.</p>`;
}

/** Finalist and aggregate against the known architectures, on validation. */
export function comparisonSection(findings: Findings): Markup {
  const { validation, references } = findings;
  const title = 'Against the references';
  if (references.length === 0)
    return section('references', title, html`<p>The search had no reference architectures.</p>`);
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
    html`<p class="lead">On ${basisName[validation.basis]}.</p>${contestTable(validation)}${method(validation)}`,
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
    candidateMarkup(node.candidate),
    ...scoreCells(node, 'test', noise, axis),
  ];
  return section(
    'test',
    title,
    html`<p class="lead">These figures steered nothing: no agent, scaffold or promotion could read them. They were made on the final rung, after training on all of the train split.</p>
${table(
  [
    { head: 'node', kind: 'name' },
    { head: 'architecture', kind: 'wide' },
    { head: 'mean', kind: 'number' },
    { head: 'seeds', kind: 'number' },
    { head: axisHead('test score', axis) },
  ],
  tested.map(row),
)}
${findings.test ? html`${contestTable(findings.test)}${method(findings.test)}` : null}`,
  );
}
