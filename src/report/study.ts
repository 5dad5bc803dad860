import { type Analysis, inferenceSentence, type RunResult, type Study, type TaskFacts } from '../studies/index.ts';
import { count, percent, score, signed, studyOfText } from '../views/index.ts';
import { pageHtml } from './document.ts';

/** Everything that a study's page and its section of a document show. */
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

/** The results of a study as JSON, from which the dashboard and the page draw. */
export const studyJson = ({ study, tasks, results, analysis }: Omit<StudyReport, 'name'>): string =>
  `${JSON.stringify({ version: 1, study, tasks, results, analysis })}\n`;

/** Versions of the tasks, and what ran. */
const factsOf = ({ tasks, machine, airaVersion }: StudyReport) => [
  ...tasks.flatMap(({ label, versions }) =>
    Object.entries(versions).map(([fact, value]) => ({ fact: `${label}, ${fact}`, value })),
  ),
  { fact: 'Aira', value: airaVersion },
  ...machine,
];

/** A study as one HTML file. @throws PrerequisiteError `pages-not-built` */
export const studyHtml = (report: StudyReport): Promise<string> =>
  pageHtml({
    kind: 'study',
    title: `${report.name}: Aira study`,
    study: studyOfText(report.name, studyJson(report)),
    provenance: {
      facts: factsOf(report),
      commands: report.commands,
      files: [{ title: 'Study file', text: report.source }],
    },
  });

const cell = (text: string): string => text.replaceAll('|', '\\|');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

/** A study's results for a document: sentences, arms, comparisons and provenance. */
export function studyMarkdown(report: StudyReport): string {
  const { study, analysis, tasks, results } = report;
  const arms = analysis.arms.toSorted((a, b) => b.middle - a.middle);
  const evaluations = results.reduce((sum, run) => sum + run.evaluated + run.failed, 0);
  return [
    `**${study.question}** ${count(study.arms.length)} arms x ${count(study.seeds)} paired seeds x ${count(study.budget.evaluations)} evaluations on ${tasks.map(({ label }) => label).join(', ')}; ${count(results.length)} runs, ${count(evaluations)} evaluations.`,
    '',
    ...analysis.comparisons.map(({ sentence }) => `- ${sentence}`),
    ...analysis.spending.map((sentence) => `- ${sentence}`),
    ...analysis.cautions.map((caution) => `- ${caution}`),
    '',
    inferenceSentence(analysis.inference.unit, analysis.inference.units),
    '',
    table(
      ['arm', 'interquartile mean', '95 % interval', 'mean', 'normalised', 'candidates', 'valid', 'Elo'],
      arms.map((arm) => [
        arm.name,
        score(arm.middle),
        `${score(arm.interval.low)} … ${score(arm.interval.high)}`,
        score(arm.mean),
        arm.normalised === null ? '–' : arm.normalised.toFixed(3),
        count(arm.candidates),
        percent(arm.validRate),
        arm.elo.rating === null ? '–' : arm.elo.rating.toFixed(0),
      ]),
    ),
    '',
    table(
      [
        'comparison',
        'verdict',
        'difference',
        '95 % interval',
        'p, corrected',
        'minimum detectable effect',
        'effect size (SD)',
        'win rate',
      ],
      analysis.comparisons.map(({ arms: [one, other], ...comparison }) => [
        `${one} against ${other}`,
        comparison.verdict,
        signed(comparison.effect),
        `${signed(comparison.interval.low)} … ${signed(comparison.interval.high)}`,
        comparison.adjusted < 0.0001 ? '< 0.0001' : comparison.adjusted.toPrecision(2),
        comparison.detectable === null ? '–' : score(comparison.detectable),
        comparison.standardised === null ? '–' : comparison.standardised.toFixed(2),
        percent(comparison.ahead),
      ]),
    ),
    '',
    ...tasks.flatMap((task) =>
      Object.entries(task.versions).map(([fact, value]) => `- ${task.label}, ${fact}: ${value}`),
    ),
    ...report.machine.map(({ fact, value }) => `- ${fact}: ${value}`),
    `- Aira ${report.airaVersion}; produced by \`${report.commands[0] ?? ''}\``,
    '',
  ].join('\n');
}
