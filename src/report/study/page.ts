import {
  type Analysis,
  type ArmSummary,
  type Comparison,
  inferenceSentence,
  type RunResult,
  type Study,
  type TaskCurves,
  type TaskFacts,
} from '../../studies/index.ts';
import { count, percent, score, signed } from '../../views/index.ts';
import { type BandedSeries, bandedCurves } from '../charts/scale.ts';
import { html, type Markup, section, table } from '../markup.ts';
import { htmlDocument } from '../style.ts';

/** Everything a study page shows. */
export interface StudyReport {
  readonly name: string;
  readonly study: Study;
  /** Text of the study file. */
  readonly source: string;
  readonly tasks: readonly TaskFacts[];
  readonly results: readonly RunResult[];
  readonly analysis: Analysis;
  readonly airaVersion: string;
  readonly machine: readonly { readonly fact: string; readonly value: string }[];
  readonly commands: readonly string[];
}

const verdictClass: Readonly<Record<Comparison['verdict'], string>> = {
  better: 'better',
  worse: 'worse',
  'not distinguishable': '',
};

const unitName = ({ analysis, tasks }: StudyReport): string =>
  analysis.unit === 'normalised' ? 'normalised score' : (tasks[0]?.metric ?? 'score');

function header(report: StudyReport): Markup {
  const { study, results, analysis, tasks } = report;
  const distinguished = analysis.comparisons.filter(({ verdict }) => verdict !== 'not distinguishable').length;
  return html`<header>
<p class="kicker">Aira study: ${report.name}</p>
<h1>${study.question}</h1>
<p class="facts">${tasks.map(({ label }) => label).join(', ')} · ${count(study.arms.length)} arms · ${count(study.seeds)} paired seeds · ${count(study.budget.evaluations)} evaluations per run · ${unitName(report)}, higher is better</p>
<div class="verdict">${analysis.comparisons.slice(0, 12).map(({ sentence }) => html`<p>${sentence}</p>`)}${analysis.cautions.map((caution) => html`<p class="open">${caution}</p>`)}</div>
<p class="note">${inferenceSentence(analysis.inference.unit, analysis.inference.units)}</p>
<dl class="figures">
<div><dt>runs</dt><dd>${count(results.length)}</dd></div>
<div><dt>evaluations</dt><dd>${count(results.reduce((sum, run) => sum + run.evaluated + run.failed, 0))}</dd></div>
<div><dt>${analysis.inference.unit}s</dt><dd>${count(analysis.inference.units)}</dd></div>
<div><dt>comparisons</dt><dd>${count(analysis.comparisons.length)}</dd></div>
<div><dt>distinguishable</dt><dd>${count(distinguished)}</dd></div>
</dl>
</header>`;
}

function comparisonTable(report: StudyReport): Markup {
  const { analysis, study } = report;
  const row = ({ arms, sentence: _, ...comparison }: Comparison) => [
    html`${arms[0]} <small>against ${arms[1]}</small>`,
    html`<span class="outcome ${verdictClass[comparison.verdict]}">${comparison.verdict}</span>`,
    signed(comparison.effect),
    `${signed(comparison.interval.low)} … ${signed(comparison.interval.high)}`,
    comparison.adjusted < 0.0001 ? '< 0.0001' : comparison.adjusted.toPrecision(2),
    comparison.detectable === null ? '–' : score(comparison.detectable),
    comparison.standardised === null ? '–' : comparison.standardised.toFixed(2).replace('-', '−'),
    percent(comparison.ahead),
    comparison.moreSeeds === null ? '–' : count(comparison.moreSeeds),
  ];
  return section(
    'comparisons',
    'Comparisons',
    html`${table(
      [
        { head: 'arms', kind: 'name' },
        { head: 'verdict', kind: 'name' },
        { head: 'difference', kind: 'number' },
        { head: '95 % interval', kind: 'number' },
        { head: 'p, corrected', kind: 'number' },
        { head: 'minimum detectable effect', kind: 'number' },
        { head: 'effect size (SD)', kind: 'number' },
        { head: 'win rate', kind: 'number' },
        { head: `more ${analysis.inference.unit}s`, kind: 'number' },
      ],
      analysis.comparisons.map(row),
    )}
<p class="note">Both arms of a pair ran with the same seed, task and budget. The difference is between the interquartile means of ${unitName(report)}. ${analysis.inference.unit === 'training seed' ? "Its standard error is a jackknife over training seeds: without one, the runs that saw it are left out, and it judges none of the others. Interval and p are Student's, p with" : 'Its interval is a percentile bootstrap over seeds, paired and within tasks; p is from a paired permutation test of the same difference with'} Holm's correction for ${count(analysis.comparisons.length)} ${analysis.comparisons.length === 1 ? 'comparison' : 'comparisons'}, and decides the verdict at ${study.alpha}. The effect size is the mean paired difference in standard deviations of the paired differences, a different estimator. "More ${analysis.inference.unit}s": needed in addition to detect a difference of the observed size with ${percent(study.power)} power.</p>`,
  );
}

function armTable(report: StudyReport): Markup {
  const { analysis } = report;
  const best = analysis.arms.toSorted((a, b) => b.middle - a.middle);
  const row = (arm: ArmSummary) => [
    arm.name,
    score(arm.middle),
    `${score(arm.interval.low)} … ${score(arm.interval.high)}`,
    score(arm.mean),
    arm.normalised === null ? '–' : arm.normalised.toFixed(3),
    count(arm.candidates),
    percent(arm.validRate),
    arm.elo.rating === null
      ? '–'
      : html`${arm.elo.rating.toFixed(0)} <small>${arm.elo.low === null ? '' : `${arm.elo.low.toFixed(0)}–${arm.elo.high?.toFixed(0)}`}</small>`,
    count(arm.runs),
    count(arm.rejected),
    count(arm.duplicate),
    count(arm.failed),
  ];
  return section(
    'arms',
    'Arms',
    html`${table(
      [
        { head: 'arm', kind: 'name' },
        { head: 'interquartile mean', kind: 'number' },
        { head: '95 % interval', kind: 'number' },
        { head: 'mean', kind: 'number' },
        { head: 'normalised', kind: 'number' },
        { head: 'candidates', kind: 'number' },
        { head: 'valid', kind: 'number' },
        { head: 'Elo', kind: 'number' },
        { head: 'runs', kind: 'number' },
        { head: 'rejected', kind: 'number' },
        { head: 'duplicate', kind: 'number' },
        { head: 'failed', kind: 'number' },
      ],
      best.map(row),
    )}
<p class="note">The score of a run is that of its final candidate, on trainings that did not select it. The normalised score follows AIRS-Bench: 0 for the worst run of the study, 1 for the best ${report.tasks.every(({ best: known }) => known !== null) ? 'possible' : 'observed'}, on a logarithmic scale of the distance to a perfect score. Elo pairs every run of an arm with every run of every other arm; an arm that never lost has none. "Candidates" are the distinct ones that the arm's runs handed in. Elo intervals and the bands of the curves are over searches alone.</p>`,
  );
}

function curveSection({ task, shows, arms }: TaskCurves, report: StudyReport): Markup {
  const { study } = report;
  const order: readonly string[] = study.arms.map(({ name }) => name);
  const series = arms.map(({ name, curve }): BandedSeries => ({ name, style: order.indexOf(name), ...curve }));
  const words =
    shows === 'regret'
      ? {
          title: `simple regret by evaluations on ${task.label}`,
          y: 'simple regret (best possible − current candidate)',
        }
      : { title: `score by evaluations on ${task.label}`, y: `${task.metric} of the current candidate` };
  const note =
    shows === 'regret'
      ? `The best architecture of the table has a mean of ${score(task.best)}. A run's current candidate has the best score that the run saw; it is judged by the training seeds that the run did not see, so a curve can rise where the search picked a lucky score.`
      : 'These scores selected the candidates and are optimistically biased; the comparisons use fresh trainings.';
  return html`<figure>${bandedCurves(series, words)}<figcaption>${task.label}: interquartile mean over ${count(study.seeds)} seeds, with pointwise 95 % bands. ${note}</figcaption></figure>`;
}

function provenance(report: StudyReport): Markup {
  const facts = [
    { fact: 'Aira', value: report.airaVersion },
    ...report.tasks.flatMap((task) =>
      Object.entries(task.versions).map(([fact, value]) => ({ fact: `${task.label}: ${fact}`, value })),
    ),
    ...report.machine,
  ];
  return section(
    'provenance',
    'Provenance',
    html`<dl class="sources">${facts.map(({ fact, value }) => html`<dt>${fact}</dt><dd><code>${value}</code></dd>`)}</dl>
<h3>To reproduce</h3>
<pre>${report.commands.join('\n')}</pre>
<h3>Study file</h3>
<pre>${report.source}</pre>`,
  );
}

/** A study as one self-contained HTML file. */
export function studyHtml(report: StudyReport): string {
  return htmlDocument(
    `${report.name}: Aira study`,
    html`${header(report)}
${section(
  'curves',
  'Over the budget',
  report.analysis.curves.map((curves) => curveSection(curves, report)),
)}
${comparisonTable(report)}
${armTable(report)}
${provenance(report)}`,
  );
}
